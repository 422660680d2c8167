"""How a worker process starts: it beats from its first moment, so that its node can tell a slow start from none.

Run by the node as `python -I -m glovebox.node.starting FD`. What a worker imports takes more than a second of a
processor, and a machine that does much else takes a minute over it.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable

import msgspec

from glovebox.node.channel import LAST, Alive, Doing
from glovebox.node.process import harden

BEAT = LAST + msgspec.msgpack.encode(Alive(Doing("starting")))
BEAT_S = 1.0

Serve = Callable[[socket.socket, Callable[[], None]], None]
"""Serves the node at this end of the channel; calls the other when it is ready, and from then on answers at once."""


def main(imported: Callable[[], Serve] | None = None) -> None:
    """Run one session. imported: imports what serves, in the place of the worker itself."""
    harden()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is for the node, which ends its workers
    end = socket.socket(fileno=int(sys.argv[1]))
    ready = threading.Event()
    beats = threading.Thread(target=_beat, args=(end, ready), daemon=True)
    beats.start()

    def told() -> None:
        ready.set()
        beats.join()

    (imported or _worker)()(end, told)


def _worker() -> Serve:
    from glovebox.node.worker import serve

    return serve


def _beat(end: socket.socket, ready: threading.Event) -> None:
    while not ready.wait(BEAT_S):
        try:
            end.send(BEAT, socket.MSG_DONTWAIT)
        except BlockingIOError:  # enough of them lie there
            pass
        except OSError:  # the node is gone
            return


if __name__ == "__main__":
    main()
