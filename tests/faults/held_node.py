"""A real node whose sessions stop at a named event, so that a test can kill a process exactly there.

Run as the command line is: `python held_node.py serve --home HOME`. While `HOME/hold` names an event, this party stops
right after that event (at `proposed`: before it makes its keys), and writes `HOME/held`, until the file `hold` is gone.
`endorsing` is no event: the run is over and told of, the receipt is about to be signed.
"""

import asyncio
import os
import sys
import time
from functools import wraps
from pathlib import Path

HOME = Path(os.environ.get("HELD_HOME") or sys.argv[sys.argv.index("--home") + 1])


def is_held(event: str) -> bool:
    try:
        held = (HOME / "hold").read_text() == event
    except FileNotFoundError:
        return False
    if held:
        (HOME / "held").touch()
    return held


async def hold_at(event: str) -> None:
    while is_held(event):
        await asyncio.sleep(0.01)


def block_at(event: str) -> None:
    while is_held(event):
        time.sleep(0.01)


def hold_worker():
    """What serves, held at the worker's events: linked, loaded, encoded, matched, finished."""
    from glovebox.node.run import Run
    from glovebox.node.worker import serve

    reached = Run._reached

    async def held(self, event):
        await reached(self, event)
        await hold_at(event)

    Run._reached = held
    return serve


def hold_node() -> None:
    """The node's events: proposed, accepted, started, revealing, answered, signed."""
    from glovebox.node import workers
    from glovebox.node.participant import Participant

    workers.COMMAND = [sys.executable, __file__, "worker"]
    os.environ["HELD_HOME"] = str(HOME)
    accept, run, endorse, keep = Participant.accept, Participant.run, Participant.endorse, Participant.keep_receipt

    async def held_accept(self):
        await hold_at("proposed")
        acceptance = await accept(self)
        await hold_at("accepted")
        return acceptance

    async def held_run(self, start, tell, *beat):
        @wraps(tell)
        async def held_tell(events):
            await tell(events)
            if events[-1] in ("started", "revealing", "answered"):
                await hold_at(events[-1])

        return await run(self, start, held_tell, *beat)

    def held_endorse(self, receipt):
        block_at("endorsing")
        return endorse(self, receipt)

    def held_keep(self, receipt):
        text = keep(self, receipt)
        block_at("signed")
        return text

    Participant.accept, Participant.run = held_accept, held_run
    Participant.endorse, Participant.keep_receipt = held_endorse, held_keep


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        from glovebox.node.starting import main

        sys.argv = sys.argv[1:]
        main(hold_worker)
    else:
        hold_node()
        from glovebox.cli.main import main

        main()
