"""How tests wait for other processes: for a state, never for a time.

PATIENCE_S only ends a test that would wait for ever. It says nothing of speed: a machine that does much else may take
it all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 90.0


def wait_until(holds: Callable[[], object], seconds: float = PATIENCE_S) -> bool:
    """Wait until something holds; whether it does by then."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
