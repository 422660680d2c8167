"""All parties of a protocol in one process, over memory links that meter every byte.

    async with World(seed=7) as world:
        shares = await world.run(all_ones, query=query, helper=helper, n=4096)
        assert world.matches_card(all_ones, n=4096)

The protocol's own code runs, with one event loop and a thread for each party's kernels. Secrets come from the seed:
a World is for tests and measurements, never for data.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from glovebox.algebra.streams import Stream, derive
from glovebox.errors import BadFrame, GloveboxError, PeerError
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context, Ground, Role
from glovebox.runtime.memory import Fault, Frame, MemoryLink, Meter, Packet, memory_links

DEADLINE_S = 60.0
ROLES = {Role.QUERY: 0, Role.TABLE: 1, Role.HELPER: 2}

Protocol = Callable[..., Awaitable[Any]]


class Outputs(NamedTuple):
    """What each role of a run got."""

    query: Any
    table: Any
    helper: Any


@dataclass
class Run:
    """One session among all parties of a World."""

    grounds: list[Ground]
    links: list[dict[int, MemoryLink]]
    errors: dict[int, BaseException]


class World:
    """Parties 0..parties-1 in one process; QUERY, TABLE and HELPER are 0, 1 and 2; of two parties, none is HELPER.

    seed: of all keys; each `run` is a session of its own with fresh ones. shamir: open the finishing engine too.
    tamper: a frame and a fault (`cut_short`, `too_long`, `sent_twice`, `from_another_session`). keep: keep the bytes
    of all frames in `meter.seen`. grounds: what the parties' contexts stood on in the last run.
    """

    def __init__(
        self,
        parties: int = 3,
        seed: int = 1,
        *,
        shamir: bool = False,
        tamper: tuple[Frame, Fault] | None = None,
        keep: bool = False,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.seed = seed
        self.meter = Meter()
        self._parties = parties
        self._shamir = shamir
        self.grounds: list[Ground] = []
        self._tamper = tamper
        self._keep = keep
        self._deadline_s = deadline_s
        self._runs = 0
        self._executors = [ThreadPoolExecutor(1, f"kernels-{party}") for party in range(parties)]

    def __repr__(self) -> str:
        return f"<World of {self._parties}, seed {self.seed}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for executor in self._executors:
            executor.shutdown()

    async def run(self, protocol: Protocol, *, inputs: Sequence[Any] | None = None, **arguments: Any) -> Any:
        """Run a protocol at every party; raise what the first party to fail raised.

        query=, table=, helper= go to that role alone, None to the others, as the protocol's first argument that is
        not named here; or inputs=[one for each party]. All else goes to every party.
        Returns Outputs(query, table, helper), or the parties' results in order if inputs were given.
        """
        roles = not inputs
        results, errors = await self._session(protocol, inputs, arguments)
        for error in errors.values():
            error.add_note(f"{self!r}, run {self._runs}")
            raise error
        return Outputs(*[*results[:3], None][:3]) if roles else results

    async def fails(
        self, protocol: Protocol, *, inputs: Sequence[Any] | None = None, **arguments: Any
    ) -> dict[int, GloveboxError]:
        """Run a protocol that must fail at every party; their errors, by party number."""
        _, errors = await self._session(protocol, inputs, arguments)
        fine = set(range(self._parties)) - set(errors)
        if fine:
            raise AssertionError(f"{self!r}: parties {sorted(fine)} ended without an error")
        found: dict[int, GloveboxError] = {}
        for party, error in errors.items():
            if not isinstance(error, GloveboxError):
                raise error
            found[party] = error
        return found

    def matches_card(self, protocol: Protocol, **sizes: float) -> bool:
        """Whether the last run took the rounds and bytes that the protocol's card states; AssertionError if not."""
        card = terms(sys.modules[protocol.__module__].__doc__ or "")
        stated = tuple(value_of(card[line], sizes) for line in ("Rounds", "Bytes"))
        if stated != (self.meter.rounds, self.meter.size):
            raise AssertionError(f"card: rounds, bytes {stated}; metered: {(self.meter.rounds, self.meter.size)}")
        return True

    async def _session(
        self, protocol: Protocol, inputs: Sequence[Any] | None, arguments: dict[str, Any]
    ) -> tuple[list[Any], dict[int, BaseException]]:
        self._runs += 1
        run = self._open()
        calls = _calls(protocol, self._parties, inputs, arguments)
        async with asyncio.timeout(self._deadline_s):
            engines = await asyncio.gather(*(self._engine(run, party) for party in range(self._parties)))
            self.meter.restart()
            self.meter.tamper, self.meter.keep = self._tamper, self._keep
            self.grounds = run.grounds
            results = await asyncio.gather(*(_party(run, party, *calls[party]) for party in range(self._parties)))
        for engine in engines:
            if engine:
                engine.close()
        _end_together(run)
        return results, run.errors

    def _open(self) -> Run:
        """Fresh links and secrets."""
        session = self._secret("session")
        names = {party: f"party {party}" for party in range(self._parties)}
        self.meter = Meter()
        links: list[dict[int, MemoryLink]] = [{} for _ in names]
        secrets: list[dict[int, bytes]] = [{} for _ in names]
        for a in names:
            for b in range(a):
                links[a][b], links[b][a] = memory_links(a, b, names, session, self.meter)
                secrets[a][b] = secrets[b][a] = self._secret(f"pair {b} {a}")
        grounds = [
            Ground(
                party=party,
                parties=tuple(names),
                names=names,
                links=links[party],
                secrets=secrets[party],
                seed=self._secret(f"private {party}"),
                executor=self._executors[party],
                roles={role: party for role, party in ROLES.items() if party < self._parties},
                entropy=Stream(derive(self._secret(f"entropy {party}"), "entropy")).bytes,
            )
            for party in names
        ]
        return Run(grounds, links, {})

    async def _engine(self, run: Run, party: int) -> Any:
        if not self._shamir:
            return None
        from glovebox.runtime.shamir import open_shamir  # noqa: PLC0415  (most Worlds need no MPyC)

        shamir = await open_shamir(party, run.links[party], self._secret("transcript"))
        run.grounds[party] = Ground(**{**vars(run.grounds[party]), "shamir": shamir})
        return shamir

    def _secret(self, purpose: str) -> bytes:
        return hashlib.sha256(f"world {self.seed}, run {self._runs}, {purpose}".encode()).digest()


async def frames_of(protocol: Protocol, *, parties: int = 3, shamir: bool = False, **arguments: Any) -> list[Frame]:
    """The frames of an untampered run, for a sweep over them."""
    async with World(parties, shamir=shamir) as world:
        await world.run(protocol, **arguments)
        return list(world.meter.frames)


def blames(error: GloveboxError, frame: Frame) -> bool:
    """Whether an error names the sender of a frame and its step."""
    return error.party == f"party {frame.sender}" and error.step == frame.step


def cut_short(packet: Packet) -> list[Packet]:
    """The frame without its last byte."""
    return [packet._replace(octets=packet.octets[:-1])]


def too_long(packet: Packet) -> list[Packet]:
    """The frame and one byte more."""
    return [packet._replace(octets=memoryview(bytes(packet.octets) + b"\0"))]


def sent_twice(packet: Packet) -> list[Packet]:
    """The frame, and once more."""
    return [packet, packet]


def from_another_session(packet: Packet) -> list[Packet]:
    """The frame as another session would send it."""
    return [packet._replace(session=bytes(32))]


def _calls(
    protocol: Protocol, parties: int, inputs: Sequence[Any] | None, arguments: Mapping[str, Any]
) -> list[tuple[Protocol, dict[str, Any]]]:
    """What each party calls: its own input as the first argument that is not among the shared ones."""
    shared = {name: value for name, value in arguments.items() if name not in Outputs._fields}
    own = inputs if inputs is not None else [arguments.get(name) for name in Outputs._fields]
    own = [*own, *[None] * (parties - len(own))]
    slot = next((name for name in list(inspect.signature(protocol).parameters)[1:] if name not in shared), None)
    return [(protocol, shared if slot is None else {**shared, slot: own[party]}) for party in range(parties)]


def _end_together(run: Run) -> None:
    """Where one party failed, or a link, all do: also those that had returned before."""
    _note_failures(run)
    if run.errors:
        for links in run.links:
            for link in links.values():
                link.abort("error")
        _note_failures(run)


def _note_failures(run: Run) -> None:
    """The error of a party that had returned before a link failed."""
    for party, links in enumerate(run.links):
        for failure in _by_cause(link.failure for link in links.values()):
            failure.step = failure.step or "end"
            run.errors.setdefault(party, failure)


def _by_cause(failures: Iterable[PeerError | None]) -> list[PeerError]:
    """What broke a party's links, bad frames it was sent before the losses that followed from them."""
    return sorted((error for error in failures if error), key=lambda error: not isinstance(error, BadFrame))


async def _party(run: Run, party: int, protocol: Protocol, arguments: dict[str, Any]) -> Any:
    """One party's run; if it fails, its links break, so that nobody waits for it."""
    try:
        return await protocol(Context(run.grounds[party]), **arguments)
    except Exception as error:  # every error is handed to the test, in the order in which parties failed
        broken = _by_cause(link.failure for link in run.links[party].values())
        run.errors[party] = broken[0] if broken and isinstance(broken[0], BadFrame) else error
        for link in run.links[party].values():
            link.abort(getattr(error, "code", "error"))
        return None
