"""How MPyC's coroutines run here: in a session that fails as a whole, and in an event loop that is never stopped.

Nothing here imports MPyC: `fit_coroutines` gets its module `asyncoro` and puts these functions in the place of its own.
"""

from __future__ import annotations

import asyncio
from asyncio import Future, Task
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from glovebox.errors import PeerError

if TYPE_CHECKING:
    from glovebox.runtime.engine import Engine

running: ContextVar[Engine] = ContextVar("engine")


class Running:
    """What MPyC's modules see as their runtime: the Engine of the task that runs."""

    def __getattr__(self, name: str) -> Any:
        return getattr(running.get(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(running.get(), name, value)


def start(coro: Any, loop: asyncio.AbstractEventLoop) -> Task[Any]:
    """`asyncio.Task` as MPyC starts them, kept so that a failed session can end them."""
    engine = running.get()
    if engine.failure.done():
        coro.close()
        raise engine.failure.exception() or PeerError("the session has ended", step="shamir")
    task = _Task(coro, loop=loop)
    engine.tasks.add(task)
    return task


class _Task(Task):  # type: ignore[type-arg]
    """A task that drops MPyC's `f_back`, a stack frame full of shares kept for a traceback."""

    def __setattr__(self, name: str, value: object) -> None:
        if name != "f_back":
            super().__setattr__(name, value)


def steps(self: Any) -> Any:
    """`_ProgramCounterWrapper.__await__`, but errors reach the coroutine: links need their `except` and `finally`."""
    error: BaseException | None = None
    while True:
        before, self.runtime._program_counter = self.runtime._program_counter, self.pc
        try:
            awaited = self.coro.send(None) if error is None else self.coro.throw(error)
        except StopIteration as done:
            return done.value
        else:
            self.pc = self.runtime._program_counter
        finally:
            self.runtime._program_counter = before
        try:
            error = None
            yield awaited
        except GeneratorExit:
            self.coro.close()
            raise
        except BaseException as thrown:
            error = thrown


def reconcile(hand_over: Callable[[Any, Any], None], decl: Any, task: Task[Any]) -> None:
    """As MPyC's, but a failed coroutine fails its session and does not stop the event loop."""
    engine = running.get()
    engine._pc_level -= 1
    engine.tasks.discard(task)
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        engine.fail(error)
    elif decl is not None and not engine.failure.done():
        hand_over(decl, task.result())


def _pass_on(share: Future[Any], value: Future[Any]) -> None:
    if not share.done() and not value.cancelled():
        share.set_result(value.result())


def set_share(self: Any, value: Any) -> None:
    """As MPyC's, but silent where a session that ended cancelled what it waits for."""
    if not isinstance(value, Future):
        self.share.set_result(value)
    elif value.done():
        _pass_on(self.share, value)
    else:
        value.add_done_callback(lambda done: _pass_on(self.share, done))


def fit_coroutines(asyncoro: Any) -> None:
    """Replace MPyC's way of starting coroutines, and of handing on what they compute."""
    hand_over = getattr(asyncoro, "__reconcile")
    count_down = asyncoro._SharesTallier._decrement

    def decrement(self: Any, done: Future[Any]) -> None:
        if not done.cancelled() and not self.done():
            count_down(self, done)

    asyncoro.Task = start
    asyncoro._ProgramCounterWrapper.__await__ = steps
    asyncoro._reconcile = partial(reconcile, hand_over)
    asyncoro._SharesTallier._decrement = decrement
    asyncoro.SecureObject.set_share = set_share
