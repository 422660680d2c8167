"""One party of another system's run, as a process of its own: what it is told, its table, and what it tells back."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Party:
    """What a process is told. listen: where each party listens; dial: how the others reach it, maybe by a relay.

    work: "count", or "join" for COUNT and SUM(amount). Party 0 is `left` and gets the answer, party 1 is `right`.
    """

    number: int
    directory: str
    work: str
    runs: int
    listen: list[str]
    dial: list[str]

    @property
    def file(self) -> Path:
        """This party's table: `id,amount` with amounts in cents at 0, `id,score` at 1."""
        return Path(self.directory) / ("left.csv" if self.number == 0 else "right.csv")

    def table(self) -> tuple[list[str], list[int]]:
        """Ids and values; empty at a party that owns no table."""
        if self.number > 1:
            return [], []
        with self.file.open(newline="") as file:
            rows = csv.reader(file)
            next(rows)
            pairs = [(id_, int(value)) for id_, value in rows]
        return [id_ for id_, _ in pairs], [value for _, value in pairs]

    def addresses(self) -> list[str]:
        """Every party's address as this one uses it: its own to listen on, the others' to dial."""
        return [self.listen[place] if place == self.number else dial for place, dial in enumerate(self.dial)]


def this_party() -> Party:
    """What this process was told."""
    return Party(**json.loads(sys.argv[1]))


def tell(seconds: list[float], answer: list[int] | None) -> None:
    """Tell the harness: the seconds of each run from all parties being ready, and the answer, where it is known."""
    status = Path("/proc/self/status").read_text()  # getrusage would count what the harness held before exec too
    peak = int(status.partition("VmHWM:")[2].split()[0]) >> 10
    told: dict[str, Any] = {"seconds": seconds, "answer": answer, "peak_mib": peak}
    print("\n" + json.dumps(told), flush=True)
