"""A real node whose sessions stop at a named event, so that a test can kill a process exactly there.

Run as the command line is: `python held_node.py serve --home HOME`. While `HOME/hold` names an event, this party stops
right after it told of that event, and writes `HOME/held`, until the file `hold` is gone.
"""

import asyncio
import os
import sys
from pathlib import Path

HOME = Path(os.environ.get("HELD_HOME") or sys.argv[sys.argv.index("--home") + 1])


async def hold_at(event: str) -> None:
    hold = HOME / "hold"
    while hold.exists() and hold.read_text().strip() == event:
        (HOME / "held").touch()
        await asyncio.sleep(0.01)


def hold_worker() -> None:
    """The worker's events: linked, loaded, encoded, matched, finished."""
    from glovebox.node import run

    reached = run.Run._reached

    async def held(self, event):
        await reached(self, event)
        await hold_at(event)

    run.Run._reached = held


def hold_node() -> None:
    """The node's events: accepted, started, revealing, answered, signed."""
    from glovebox.node import participant, workers

    workers.COMMAND = [sys.executable, __file__, "worker"]
    os.environ["HELD_HOME"] = str(HOME)
    accept, run_, keep = (
        participant.Participant.accept,
        participant.Participant.run,
        participant.Participant.keep_receipt,
    )

    async def held_accept(self):
        acceptance = await accept(self)
        await hold_at("accepted")
        return acceptance

    async def held_run(self, start, tell):
        async def held_tell(event):
            await tell(event)
            if event in ("started", "revealing", "answered"):
                await hold_at(event)

        return await run_(self, start, held_tell)

    def held_keep(self, receipt):
        text = keep(self, receipt)
        if (HOME / "hold").exists() and (HOME / "hold").read_text().strip() == "signed":
            (HOME / "held").touch()
        return text

    participant.Participant.accept = held_accept
    participant.Participant.run = held_run
    participant.Participant.keep_receipt = held_keep


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        hold_worker()
        from glovebox.node.worker import main

        sys.argv = sys.argv[1:]
        main()
    else:
        hold_node()
        from glovebox.cli.main import main

        main()
