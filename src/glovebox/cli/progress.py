"""A question's progress on stderr: a live line on a terminal, else a line an event, as JSON with --json."""

from __future__ import annotations

import json as text
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from glovebox.node.local import Progress, Reply, Running

Show = Callable[[Reply], None]


def shown(json: bool) -> AbstractContextManager[Show]:
    """Within, the function to call with each reply of the node."""
    return _on_terminal() if sys.stderr.isatty() and not json else _by_line(json)


def in_words(session: Running) -> str:
    """What a session does, how far it is, and for how long it still will."""
    if session.of == 0:
        return session.step
    step = f"{session.step} {session.done} of {session.of}" if session.of > 1 else session.step
    left = "" if session.left_s is None else f", about {duration(session.left_s)} left"
    return f"{step}, {session.share:.0%}{left}"


def duration(seconds: float) -> str:
    """A time in its largest unit, as one says it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


@contextmanager
def _by_line(json: bool) -> Iterator[Show]:
    def show(reply: Reply) -> None:
        if isinstance(reply, Progress):
            event = {"event": reply.event, "party": reply.party}
            print(text.dumps(event) if json else f"{reply.party}: {reply.event}", file=sys.stderr, flush=True)

    yield show


@contextmanager
def _on_terminal() -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Line

    columns = BarColumn(bar_width=24), TextColumn("{task.description}")
    with Line(*columns, console=Console(stderr=True), transient=True) as line:
        task = line.add_task("asking", total=1.0)

        def show(reply: Reply) -> None:
            match reply:
                case Progress(event, party):
                    line.update(task, description=f"{party}: {event}")
                case Running() as session:
                    line.update(task, description=in_words(session), completed=session.share)

        yield show
