"""A real node that believes every question needs little memory, and has all rows on disk, however few.

So a test can have its worker run out of memory, or see that a session is the same with rows on disk.
"""

from glovebox.cli.main import main
from glovebox.node import considering, participant
from glovebox.planner.memory import Need


class Little(Need):
    mib = 0


if __name__ == "__main__":
    considering.need_of = participant.need_of = lambda plan, contract, party: Little(0, 0, disk=1)
    main()
