"""How workers start: one process of the node imports all that they need, once, and forks each of them.

Run by the node as `python -I -m glovebox.node.starting FD`. It knows no key of the node's and nothing of any session.
What a worker imports takes more than a second of a processor, and a machine that does much else takes a minute over it:
meanwhile this process beats in the place of those who are asked for, so that the node can tell a slow start from none.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable

import msgspec

from glovebox.node.channel import LAST, Alive, Doing
from glovebox.node.process import harden

BEAT = LAST + msgspec.msgpack.encode(Alive(Doing("starting")))
BEAT_S = 1.0
FATE = struct.Struct("=ii")
"""What the node is told of each worker: its process id with `BORN`, then with its exit code, negative for a signal."""

BORN = 1 << 16  # no exit code

Serve = Callable[[socket.socket], None]
"""Serves the node at this end of the channel, to the session's end."""


def main(imported: Callable[[], Serve] | None = None) -> None:
    """Fork workers until the node is gone. imported: imports what serves, in the place of the worker itself."""
    harden()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is for the node, which ends its workers
    node = socket.socket(fileno=int(sys.argv[1]))
    asked: list[socket.socket] = []
    ready = threading.Event()
    beats = threading.Thread(target=_beat, args=(node, asked, ready), daemon=True)
    beats.start()
    serve = (imported or _worker)()
    gc.collect()
    gc.freeze()  # what stays for good need not be looked through in the sessions, which takes 70 ms of each
    ready.set()
    beats.join()
    _fork_for(node, asked, serve)


def _worker() -> Serve:
    from glovebox.node.warming import warm
    from glovebox.node.worker import serve

    warm()
    return serve


def _beat(node: socket.socket, asked: list[socket.socket], ready: threading.Event) -> None:
    while not ready.wait(BEAT_S):
        _take(node, asked)
        for end in asked:
            with contextlib.suppress(OSError):  # enough of them lie there, or the node has given this worker up
                end.send(BEAT, socket.MSG_DONTWAIT)


def _take(node: socket.socket, asked: list[socket.socket]) -> None:
    """Add what the node asks for: its worker's end of a channel. When the node's end is closed, all is over."""
    while select.select([node], [], [], 0)[0]:
        try:
            _, ends, _, _ = socket.recv_fds(node, 1, 1)
        except ConnectionError:
            ends = []
        if not ends:
            os._exit(0)
        asked.append(socket.socket(fileno=ends[0]))


def _fork_for(node: socket.socket, asked: list[socket.socket], serve: Serve) -> None:
    """Fork a worker for each channel that is asked for, and tell the node of each birth and death."""
    deaths, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    while True:
        while asked:
            end = asked.pop(0)  # the node knows each by the order in which it asked
            if not (pid := os.fork()):
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for other in (node, deaths, wake, *asked):  # whose ends must not outlive their own process
                    other.close()
                _serve_and_exit(serve, end)
            end.close()
            _tell(node, pid, BORN)
        if deaths in select.select([node, deaths], [], [])[0]:
            deaths.recv(1 << 10)
            _bury(node)
        _take(node, asked)


def _serve_and_exit(serve: Serve, end: socket.socket) -> None:
    try:
        serve(end)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)  # one that has served leaves before


def _bury(node: socket.socket) -> None:
    try:
        while (died := os.waitpid(-1, os.WNOHANG))[0]:
            _tell(node, died[0], os.waitstatus_to_exitcode(died[1]))
    except ChildProcessError:  # all are buried
        pass


def _tell(node: socket.socket, pid: int, fate: int) -> None:
    try:
        node.send(FATE.pack(pid, fate))
    except OSError:  # the node is gone
        os._exit(0)


if __name__ == "__main__":
    main()
