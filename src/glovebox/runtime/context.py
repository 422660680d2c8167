"""What a protocol sees of the world: its role, its peers, the randomness it shares with them, and a place to compute.

A protocol is a pure function of its context and its inputs. Every frame and every stream has a label, the path of step
names; a path is walked once, so no label is ever used twice.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import math
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.streams import Stream, derive
from glovebox.errors import BadFrame

if TYPE_CHECKING:
    from glovebox.runtime.links import Link
    from glovebox.runtime.shamir import Shamir

if sys.byteorder != "little":
    raise ImportError("arrays travel as they lie in memory, little-endian (psi.md 1); this machine is big-endian")

Progress = Callable[[str, int, int], None]
Result = TypeVar("Result")
Item = TypeVar("Item", bound=np.generic)


class Role(enum.Enum):
    """What a party is in one run of the row engine; an owner of other tables may be HELPER."""

    QUERY = "query"
    TABLE = "table"
    HELPER = "helper"


def _unwatched(path: str, done: int, of: int) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True, repr=False)
class Ground:
    """What all contexts of one party in one session stand on.

    secrets: 32 bytes for each other party, known to these two alone. seed: 32 fresh bytes that nobody else knows.
    executor: one thread, where kernels run while the event loop stays live; None where they are small. progress: called
    with a step's path, and how much of how much of it is done; it goes to this party's own people and to nobody else.
    entropy: so many bytes of the system's randomness; a World's is repeatable.
    """

    party: int
    parties: tuple[int, ...]
    names: Mapping[int, str]
    links: Mapping[int, Link]
    secrets: Mapping[int, bytes]
    seed: bytes
    executor: Executor | None
    roles: Mapping[Role, int] = field(default_factory=dict)
    shamir: Shamir | None = None
    progress: Progress = _unwatched
    entropy: Callable[[int], bytes] = os.urandom
    used: set[tuple[str, int, str]] = field(default_factory=set)

    def __repr__(self) -> str:
        return f"<Ground of {self.names[self.party]}: {len(self.parties)} parties>"


class Context:
    """One party's view of one step of a protocol."""

    def __init__(self, ground: Ground, path: str = "") -> None:
        self._ground = ground
        self._path = path

    def __repr__(self) -> str:
        return f"<Context {self._path or 'root'} of {self._ground.names[self.party]}>"

    @property
    def party(self) -> int:
        """This party's number in the contract."""
        return self._ground.party

    @property
    def parties(self) -> tuple[int, ...]:
        """The computing parties' numbers, in contract order."""
        return self._ground.parties

    @property
    def role(self) -> Role | None:
        """This party's role in a run of the row engine, None outside one."""
        return next((role for role, party in self._ground.roles.items() if party == self.party), None)

    @property
    def shamir(self) -> Shamir:
        """The finishing engine of this session."""
        if self._ground.shamir is None:
            raise RuntimeError("this session has no finishing engine")
        return self._ground.shamir

    @property
    def path(self) -> str:
        """The names of the steps that led here, as they stand in labels and errors."""
        return self._path

    def narrow(self, step: str) -> Context:
        """The context of a named step; a name is used once under a context."""
        path = self.label(step)
        self._use("step", self.party, path)
        return Context(self._ground, path)

    def exchanged(self, one: Role, other: Role) -> Context:
        """This context with two roles exchanged: a run in which their parties serve each other."""
        roles = self._ground.roles
        return self.playing({**roles, one: roles[other], other: roles[one]})

    def playing(self, roles: Mapping[Role, int]) -> Context:
        """This context with the roles given to these parties."""
        return Context(dataclasses.replace(self._ground, roles=roles), self._path)

    async def send(self, to: Role | int, array: NDArray[Any], name: str = "") -> None:
        """Send an array; it belongs to the link from here on and must not be changed."""
        label, party = self.label(name), self._party(to)
        self._use("send", party, label)
        await self._ground.links[party].send(label, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    async def receive(
        self, frm: Role | int, dtype: type[Item], shape: int | tuple[int, ...], name: str = ""
    ) -> NDArray[Item]:
        """Receive an array of exactly this type and shape, read-only; any other length is a BadFrame."""
        label, party = self.label(name), self._party(frm)
        self._use("receive", party, label)
        size = math.prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
        octets = await self._ground.links[party].receive(label, size)
        array = np.frombuffer(octets, np.uint8).view(dtype).reshape(shape)
        return array if array.flags.aligned else array.copy()

    def stream(self, with_: Role | int, name: str = "") -> Stream:
        """The randomness that this party and one other draw alike under this label."""
        return Stream(self.key(with_, name))

    def key(self, with_: Role | int, name: str = "") -> bytes:
        """A 16-byte key that this party and one other share under this label."""
        label, party = self.label(name), self._party(with_)
        self._use("key", party, label)
        return derive(self._ground.secrets[party], label)

    def private(self, name: str = "") -> Stream:
        """Randomness of this party alone."""
        label = self.label(name)
        self._use("key", self.party, label)
        return Stream(derive(self._ground.seed, label))

    def entropy(self, count: int) -> bytes:
        """Bytes of the operating system's randomness, for what must not hang on any key: noise."""
        return self._ground.entropy(count)

    async def compute(self, kernel: Callable[..., Result], *args: Any) -> Result:
        """Run a local step in the session's one thread for it, if it has one; the event loop goes on meanwhile."""
        if self._ground.executor is None:
            return kernel(*args)
        return await asyncio.get_running_loop().run_in_executor(self._ground.executor, kernel, *args)

    def progress(self, done: int, of: int) -> None:
        """Say how far this party is with this step; both numbers follow from public sizes."""
        self._ground.progress(self._path, done, of)

    def blame(self, party: Role | int, what: str, hint: str = "") -> NoReturn:
        """End the run because of what a party sent at this step."""
        name = self._ground.names[self._party(party)]
        raise BadFrame(f"{name} {what}", party=name, step=self._path, hint=hint)

    def label(self, name: str) -> str:
        """The label of what is sent, or noted, at this step under a name."""
        return "/".join(part for part in (self._path, name) if part)

    def _party(self, who: Role | int) -> int:
        return self._ground.roles[who] if isinstance(who, Role) else who

    def _use(self, kind: str, party: int, label: str) -> None:
        """Each label serves once: a stream read twice would mask two values alike."""
        if (kind, party, label) in self._ground.used:
            raise RuntimeError(f"{label} was used before ({kind})")
        self._ground.used.add((kind, party, label))
