"""MPyC made fit for a hostile network: the one file that imports it.

MPyC's arithmetic and secure types are used as they are. Replaced is everything that touches the world:

- import: no argv, no MPYC_* environment, no logging handler, no process, no event loop;
- wire: shares travel over `Link`s, every frame with its exact size; nothing is pickled (`Engine._distribute`,
  `output`, `_reshare`); `transfer`, `start`, `shutdown` and `run` refuse;
- runtime: MPyC keeps it in eight module globals; they hold one object that resolves to the Engine of the running
  task, so that several parties and sessions live in one event loop;
- failure: a failed coroutine or a lost link fails the session once, for everyone who waits; no loop is stopped;
- products: shares of a polynomial of degree 2t are masked before they are opened (see `output`).
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import traceback
from asyncio import Future, Task
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from glovebox.algebra.streams import Stream, derive
from glovebox.errors import BadFrame, GloveboxError, PeerError, Refused
from glovebox.runtime.coroutines import Running, fit_coroutines, running
from glovebox.runtime.isolation import bare_process
from glovebox.runtime.prss import Subset, agree_keys
from glovebox.runtime.shares import decode, encode, split, width

if TYPE_CHECKING:
    from glovebox.runtime.links import Link


with bare_process():
    import mpyc.runtime
    from mpyc import asyncoro, finfields, mpctools, seclists, secpols, sectypes, thresha
    from mpyc import numpy as mpyc_numpy
    from mpyc import random as mpyc_random
    from mpyc import secgroups as mpyc_secgroups
    from mpyc import statistics as mpyc_statistics

Result = TypeVar("Result")

SEC_PARAM = 60  # statistical parameter of MPyC's masks; its default of 30 is refused
MOST_PARTIES = 9  # C(9, 5) = 126 keys and masks; C(11, 6) would be 462


class _NoPickle:
    """In the place of `pickle`: a forgotten path is an error and not a hole."""

    @staticmethod
    def dumps(*_: object) -> NoReturn:
        raise RuntimeError("nothing is pickled")

    loads = dumps


def _refused(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("this part of MPyC is not used here")


class Engine(mpyc.runtime.Runtime):  # type: ignore[misc]
    """One party's MPyC runtime over the links of a session. See `open_shamir`."""

    def __init__(
        self, me: int, links: Mapping[int, Link], threshold: int, keys: Mapping[Subset, bytes], names: Mapping[int, str]
    ) -> None:
        m = len(links) + 1
        self.pid = me
        self.parties = tuple(mpyc.runtime.Party(i) for i in range(m))
        self.options = SimpleNamespace(
            threshold=threshold, sec_param=SEC_PARAM, bit_length=64, no_log=True, no_async=False, no_barrier=True,
            no_prss=False, mix32_64bit=False, ssl=False,
        )  # fmt: skip
        self.failure: Future[NoReturn] = asyncio.get_running_loop().create_future()
        self.tasks: set[Task[Any]] = set()
        self._links = links
        self._names = names
        self._threshold = threshold
        self._prss_keys = dict(keys)
        self._prfs: dict[int, dict[Subset, Any]] = {}
        self._opened: dict[str, bytes] = {}  # a hash of each value that was opened, by its label
        self._program_counter = [0, 0]
        self._pc_level = 0
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<Engine {self.pid} of {len(self.parties)}>"

    threshold = property(lambda self: self._threshold)
    start = shutdown = transfer = run = peek = logging = _refused
    set_protocol = unset_protocol = _send_message = _receive_message = _refused

    def prfs(self, bound: int) -> dict[Subset, Any]:
        """Pseudorandom functions into range(bound); kept here, for MPyC's cache would outlive the session."""
        if bound not in self._prfs:
            self._prfs[bound] = {subset: thresha.PRF(key, bound) for subset, key in self._prss_keys.items()}
        return self._prfs[bound]

    def fail(self, error: BaseException) -> None:
        """End the session: the first error is what everyone who waits gets."""
        if not self.failure.done():
            self.failure.set_exception(error if isinstance(error, GloveboxError) else _without_values(error))
            self.failure.exception()  # retrieved: nobody may be waiting now
        for task in list(self.tasks):
            task.cancel()

    def note_opened(self, label: str, values: bytes) -> None:
        """Have `Shamir.opened_digest` cover an opening, whose label is its own."""
        self._opened[label] = hashlib.sha256(values).digest()

    def _label(self) -> str:
        return f"shamir/{self._program_counter[0] % 2**64:016x}"

    async def _from(self, label: str, peer: int, field: Any, count: int) -> Any:
        """Shares of one peer, (count,) field array."""
        data = await self._links[peer].receive(label, count * width(field.modulus))
        try:
            values = decode(data, field.modulus, count)
        except ValueError as error:
            name = self._names.get(peer, f"party {self._links[peer].peer}")
            raise BadFrame(f"{name} {error}", party=name, step=label) from None
        return field.array(np.array(values, dtype=object), check=False)

    @asyncoro.mpc_coro
    async def _distribute(self, x, senders):  # type: ignore[no-untyped-def] # MPyC reads a return annotation
        """Shares of the senders' inputs: a list of secure integers, or one secure array each.

        As MPyC's, with exact sizes. One round; each sender sends a share of every value to each other party.
        """
        sftype = type(x[0])
        if issubclass(sftype, self.SecureArray):
            field, shape = sftype.sectype.field, x[0].shape
            await self.returnType((sftype, shape), len(senders), 1)
        else:
            field, shape = sftype.field, (len(x),)
            await self.returnType(sftype, len(senders), len(x))
        label, count, t, m = self._label(), int(np.prod(shape)), self.threshold, len(self.parties)
        mine = None
        if self.pid in senders:
            values = _flat(field, await self.gather(x))
            dealt = split(values.value, field.modulus, t, m)
            for peer in self._links:
                self._links[peer].post(label, encode(dealt[peer].tolist(), field.modulus))
            mine = field.array(dealt[self.pid], check=False)
        shares = [mine if i == self.pid else await self._from(label, i, field, count) for i in senders]
        return [_shaped(sftype, share, shape) for share in shares]

    @asyncoro.mpc_coro
    async def output(self, x, receivers=None, threshold=None, raw=False):  # type: ignore[no-untyped-def]
        """Open a masked value to all computing parties, within MPyC's own protocols. Secrets go by `reveal.py`.

        As MPyC's, with exact sizes, and with a fresh sharing of zero on every product that is opened (degree above
        t). MPyC leaves that out for large fields in `np_is_zero_public`, `reciprocal` and others; but the shares of
        a product are the polynomial a(X) r(X) itself, whose roots are those of a(X) and of r(X): with its own share a
        party finds a(0) among few candidates (tests/attacks/test_mpyc_products.py).
        """
        x_is_list = isinstance(x, list)
        x = x[:] if x_is_list else [x]
        await self.returnType(Future)
        if receivers is not None:
            _refused()
        convert = None if raw or not isinstance(x[0], self.SecureObject) else type(x[0])._output_conversion
        if isinstance(x[0], self.SecureObject):
            x = await self.gather(x)
        field, shape = _field(x[0])
        values = _flat(field, x)
        degree, m, count = threshold or self.threshold, len(self.parties), len(values)
        if degree > self.threshold:
            prfs = self.prfs(field.order)
            values = values + thresha.np_pseudorandom_share_0(field, m, self.pid, prfs, self._prss_uci(), count)
        label = self._label()
        data = encode(values.value.tolist(), field.modulus)
        for k in range(1, degree + 1):
            self._links[(self.pid + k) % m].post(label, data)
        points = [(self.pid + 1, values.value)]
        for peer in ((self.pid - k) % m for k in range(degree, 0, -1)):
            points.append((peer + 1, (await self._from(label, peer, field, count)).value))
        y = thresha.np_recombine(field, points)
        self.note_opened(label, encode(y.value.tolist(), field.modulus))
        opened = y.tolist() if shape is None else [y.reshape(shape)]
        if convert is not None:
            opened = [convert(a) for a in opened]
        return opened if x_is_list else opened[0]

    @asyncoro.mpc_coro
    async def _reshare(self, x):  # type: ignore[no-untyped-def]
        """Bring shares of degree 2t back to degree t [GRR98]. As MPyC's, with exact sizes. One round."""
        x_is_list = isinstance(x, list)
        x = x if x_is_list else [x]
        if not x:
            return []
        sftype = type(x[0])
        if issubclass(sftype, self.SecureArray):
            await self.returnType((sftype, x[0].shape), *([len(x)] if x_is_list else []))
        elif issubclass(sftype, self.SecureObject):
            await self.returnType(sftype, *([len(x)] if x_is_list else []))
        else:
            await self.returnType(Future)
        if issubclass(sftype, self.SecureObject):
            x = await self.gather(x)
        field, shape = _field(x[0])
        values = _flat(field, x)
        t, m, count = self.threshold, len(self.parties), len(values)
        label, first = self._label(), self._program_counter[0] % m  # for basic load balancing
        senders = [(first + j) % m for j in range(2 * t + 1)]
        points = []
        if self.pid in senders:
            shares = split(values.value, field.modulus, t, m)
            for peer in self._links:
                self._links[peer].post(label, encode(shares[peer].tolist(), field.modulus))
            points.append((self.pid + 1, shares[self.pid]))
        for peer in senders:
            if peer != self.pid:
                points.append((peer + 1, (await self._from(label, peer, field, count)).value))
        y = thresha.np_recombine(field, sorted(points, key=lambda point: point[0]))
        reshared = y.tolist() if shape is None else [y.reshape(shape)]
        return reshared if x_is_list else reshared[0]


def _field(a: Any) -> tuple[Any, tuple[int, ...] | None]:
    """The field of an element (shape None) or of an array."""
    return (type(a), None) if isinstance(a, finfields.FiniteFieldElement) else (a.field, a.shape)


def _flat(field: Any, x: Sequence[Any]) -> Any:
    """A list of field elements, or of one field array, as a (n,) field array."""
    if isinstance(x[0], field):
        return field.array(np.array([a.value for a in x], dtype=object), check=False)
    return x[0].reshape(-1)


def _shaped(sftype: Any, share: Any, shape: tuple[int, ...]) -> list[Any]:
    return [share.reshape(shape)] if issubclass(sftype, sectypes.SecureArray) else share.tolist()


def _without_values(error: BaseException) -> GloveboxError:
    """An error of MPyC's by its type and place: what its text says may be a value."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return GloveboxError(f"the finishing engine failed: {type(error).__name__}{place}", step="shamir")


class Shamir:
    """The finishing engine of one party in one session: secure integers shared among the computing parties.

    index: this party's place among them; m: how many; threshold: how many curious parties learn nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.index = engine.pid
        self.m = len(engine.parties)
        self.threshold: int = engine.threshold

    def __repr__(self) -> str:
        return f"<Shamir {self.index} of {self.m}>"

    @property
    def runtime(self) -> Engine:
        """MPyC's runtime, made the one of the running task."""
        running.set(self._engine)
        return self._engine

    def integers(self, bits: int) -> Any:
        """MPyC's type of secure integers -2**(bits-1) <= x < 2**(bits-1); `.array` is that of arrays of them."""
        return self.runtime.SecInt(bits)

    async def shares(self, array: Any) -> list[int]:
        """This party's shares of a secure array, row-major, when they are computed.

        Raises what ended the session if it failed: PeerLost, BadFrame, or an error of this party's own.
        """
        ready = self.runtime.gather(array)
        if isinstance(ready, Future):
            await asyncio.wait({ready, self._engine.failure}, return_when=asyncio.FIRST_COMPLETED)
            if self._engine.failure.done():
                raise self._engine.failure.exception() or PeerError("the session has ended", step="shamir")
        share = await ready
        values: list[int] = share.value.reshape(-1).tolist()
        return values

    async def opened_masked(self, array: Any) -> list[int]:
        """The values of a secure array under masks, to all computing parties: 0 <= value < p. One round."""
        shares = await self.shares(array)
        field = type(array).sectype.field
        values = await self.runtime.output(field.array(np.array(shares, dtype=object), check=False))
        opened: list[int] = values.value.tolist()
        return opened

    def apart(self, steps: Coroutine[Any, Any, Result]) -> Coroutine[Any, Any, Result]:
        """Steps that may run beside others: their labels hang on where this is called, not on who is faster."""
        coro: Coroutine[Any, Any, Result] = asyncoro._wrap_in_coro(asyncoro._ProgramCounterWrapper(self.runtime, steps))
        return coro

    def masks(self, bits: int, count: int, size: int, places: int) -> tuple[Any, Any]:
        """Secure arrays (count,): sums of random numbers, one of each set of m - t parties, and of their lowest places.

        Together they have SEC_PARAM bits more than size, so that the sum hides a number of size bits. Nothing is
        sent: the members of a set know its number [CDI05].
        """
        runtime, array = self.runtime, self.integers(bits).array
        field, subsets = array.sectype.field, math.comb(self.m, self.threshold)
        room = SEC_PARAM - (subsets - 1).bit_length()
        whole, low = 0, 0
        uci = runtime._prss_uci()
        for subset, draw in runtime.prfs(1 << size + room).items():
            weight, drawn = thresha._f_S_i(field, self.m, self.index, subset), draw(uci, (count,))
            whole = whole + drawn * weight
            low = low + (drawn & (1 << places) - 1) * weight
        return array(field.array(whole)), array(field.array(low))

    async def are_bits(self, numbers: Sequence[Any]) -> list[bool]:
        """Whether each of several secure arrays (n,) holds nothing but 0 and 1; which do is told to all. Two rounds.

        A random combination of b^2 - b opens, which is 0 for bits and else with a chance of 2^-64. Its weights are of a
        number that opens when every party has its shares of all b: whoever shared them did not know it.
        """
        runtime, shares = self.runtime, await self.runtime.gather(list(numbers))
        field = type(numbers[0]).sectype.field
        coin = await runtime.output(runtime._np_randoms(field, 1))
        stream = Stream(derive(int(coin.value[0]).to_bytes(width(field.modulus), "little"), "are bits"))
        combined = []
        for share in shares:
            weights = stream.read(len(share), np.uint64).astype(object)
            combined.append(int((weights * (share.value * (share.value - 1) % field.modulus)).sum()))
        zeros = await runtime.output(field.array(np.array(combined, dtype=object)), threshold=2 * self.threshold)
        return [not value for value in zeros.value.tolist()]

    async def opened_digest(self) -> bytes:
        """A hash of all that was opened to the computing parties, when nothing of it is under way: 32 bytes.

        It is the same at all of them, unless somebody gave them different shares.
        """
        engine = self._engine
        while engine.tasks and not engine.failure.done():
            await asyncio.wait({*engine.tasks, engine.failure}, return_when=asyncio.FIRST_COMPLETED)
        if engine.failure.done():
            raise engine.failure.exception() or PeerError("the session has ended", step="shamir")
        listed = b"".join(label.encode() + value for label, value in sorted(engine._opened.items()))
        return hashlib.sha256(listed).digest()

    def close(self) -> None:
        """End what still runs and forget the keys."""
        self._engine.fail(PeerError("the session has ended", step="shamir"))
        self._engine._prss_keys.clear()
        self._engine._prfs.clear()


async def open_shamir(
    me: int, links: Mapping[int, Link], transcript: bytes, names: Mapping[int, str] | None = None
) -> Shamir:
    """The finishing engine over authenticated links to all other computing parties, by index; 3 <= m <= 9.

    names: of the parties, by index, for errors. Agrees the keys of pseudorandom secret sharing (one round). Refused
    below three parties, where the threshold would be 0 and each share the secret itself.
    """
    m = len(links) + 1
    if not 3 <= m <= MOST_PARTIES or set(links) | {me} != set(range(m)):
        raise Refused(f"secure finishing needs 3 to {MOST_PARTIES} computing parties", step="shamir")
    threshold = (m - 1) // 2
    keys = await agree_keys(me, links, threshold, transcript)
    return Shamir(Engine(me, links, threshold, keys, names or {}))


def modulus(bits: int) -> int:
    """The prime of `Shamir.integers(bits)`; needs no session."""
    p: int = finfields.find_prime_root(bits + SEC_PARAM + 2)[0]
    return p


def _fit() -> None:
    """Put the replacements where MPyC looks for them."""
    for module in (asyncoro, sectypes, mpctools, seclists, secpols, mpyc_secgroups, mpyc_random, mpyc_statistics):
        module.runtime = Running()
    silent = SimpleNamespace(**{name: lambda *_: None for name in ("debug", "info", "warning", "error")})
    for module in (mpyc.runtime, finfields, mpyc_numpy, mpyc.gmpy):
        module.logging = silent
    mpyc.runtime.pickle = _NoPickle
    finfields.os = SimpleNamespace(getenv=lambda _: "0")  # its one use: the number of worker threads
    fit_coroutines(asyncoro)


_fit()
