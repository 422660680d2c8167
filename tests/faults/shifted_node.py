"""A real node whose clock is off: `python shifted_node.py DAYS serve --home HOME`.

All that Python asks of the clock is shifted, in the node and in its workers, which make certificates; what OpenSSL asks
when it checks the others' is not. The others check certificates of that clock.
"""

import datetime
import importlib
import sys
import time

DAYS = int(sys.argv.pop(1))
SHIFT = datetime.timedelta(days=DAYS)
true_time, true_datetime = time.time, datetime.datetime


class Every(type):
    """Every time is one of the shifted clock's, to those who ask."""

    def __instancecheck__(cls, time):
        return isinstance(time, true_datetime)


class Shifted(datetime.datetime, metaclass=Every):
    """The time of day by the shifted clock."""

    @classmethod
    def now(cls, tz=None):
        """See datetime.datetime."""
        return true_datetime.now(tz) + SHIFT


def shift():
    """Shift what Glovebox's modules have imported; libraries want a true datetime in their hands."""
    time.time = lambda: true_time() + SHIFT.total_seconds()
    for name, module in list(sys.modules.items()):
        if name.startswith("glovebox") and vars(module).get("datetime") is true_datetime:
            module.datetime = Shifted


def shifted():
    from glovebox.node.worker import serve

    shift()
    return serve


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        from glovebox.node.starting import main

        sys.argv = sys.argv[1:]
        main(shifted)
    else:
        from glovebox.cli.main import main
        from glovebox.node import workers

        importlib.import_module("glovebox.node.node")  # what a node runs, before the shift
        workers.COMMAND = [sys.executable, __file__, str(DAYS), "worker"]
        shift()
        main()
