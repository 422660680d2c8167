"""What a node says while it runs: one JSON line an event on stderr, with the session where there is one.

It is for the people who keep the node running; the evidence is the log in the home. No value of a row is in it.
"""

from __future__ import annotations

import contextlib
import sys

import structlog


class _Lines:
    """Writes lines to stderr. Where that goes to a full disk, the node goes on without them."""

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)

    info = warning = error = msg


def report_in_lines() -> None:
    """Have every report of this process written so."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: _Lines(),
        cache_logger_on_first_use=True,
    )
