"""The stored runs of this machine, and what has become worse since the last of the same kind."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HISTORY = Path(__file__).parent / "history.jsonl"
SAME = ("machine", "system", "workload", "rows", "line")
"""What two runs that may be compared have in common."""

SLOWER, MORE = 1.2, 1.01
OURS = "glovebox"


def read(path: Path = HISTORY) -> list[dict[str, Any]]:
    """All stored figures, the oldest first."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append(figures: dict[str, Any], path: Path = HISTORY) -> None:
    """Store figures, unless there are none."""
    if "seconds" in figures:
        with path.open("a") as history:
            history.write(json.dumps(figures) + "\n")


def kind(figures: dict[str, Any]) -> tuple[Any, ...]:
    """What the figures are of."""
    return tuple(figures.get(name, OURS if name == "system" else None) for name in SAME)


def last(stored: Iterable[dict[str, Any]], figures: dict[str, Any]) -> dict[str, Any] | None:
    """The last stored figures of the same machine, system, workload, rows and line."""
    return next((old for old in reversed(list(stored)) if kind(old) == kind(figures)), None)


def replaced(before: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Figures with those of the same kind replaced by the new ones, which stand last."""
    kinds = {kind(figures) for figures in new}
    return [figures for figures in before if kind(figures) not in kinds] + new


def marks(figures: dict[str, Any], before: dict[str, Any] | None) -> list[str]:
    """What is worse than before: seconds by more than a fifth, bytes by more than a hundredth, rounds by any.

    Seconds, and processor seconds less so, depend on what else the machine does: beside them stands how the clear run,
    which did not change, fared.
    """
    if before is None or "seconds" not in figures:
        return []
    found = []
    for name in ("seconds", "cpu_seconds"):
        if figures.get(name, 0) > SLOWER * before.get(name, math.inf):
            clear = [each.get(f"clear_{name}") for each in (figures, before)]
            beside = f", clear {_change(*clear)}" if all(clear) else ""
            found.append(f"REGRESSION: {_change(figures[name], before[name])} {name.replace('_', ' ')}{beside}")
    for name, grown in (("bytes_per_row", MORE), ("rounds", 1.0)):
        if name in figures and name in before and figures[name] > grown * before[name]:
            found.append(f"REGRESSION: {before[name]} to {figures[name]} {name.replace('_', ' ')}")
    return found


def _change(now: float, before: float) -> str:
    return f"{now / before - 1:+.0%}"
