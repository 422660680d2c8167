"""MPyC made fit for a hostile network: the one file that imports it.

MPyC's arithmetic and secure types are used as they are. Replaced is everything that touches the world:

- import: no argv, no MPYC_* environment, no logging handler, no process, no event loop;
- wire: shares travel over `Link`s, every frame with its exact size; nothing is pickled (`Engine._distribute`,
  `output`, `_reshare`); `transfer`, `start`, `shutdown` and `run` refuse;
- runtime: MPyC keeps it in eight module globals; they hold one object that resolves to the Engine of the running
  task, so that several parties and sessions live in one event loop;
- failure: a failed coroutine or a lost link fails the session once, for everyone who waits; no loop is stopped;
- products: shares of a polynomial of degree 2t are masked before they are opened (see `output`);
- lies: products and openings are noted, to be checked (`noted.py`); what cannot be checked is noted as such.
"""

from __future__ import annotations

import asyncio
import traceback
from asyncio import Future, Task
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from glovebox.errors import GloveboxError
from glovebox.runtime.coroutines import Running, fit_coroutines
from glovebox.runtime.exchange import Exchange
from glovebox.runtime.isolation import bare_process
from glovebox.runtime.noted import Noted, Numbers, Openings, Products
from glovebox.runtime.prss import Subset
from glovebox.runtime.shares import encode

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
        self.exchange = Exchange(me, links, threshold, names)
        self.noted = Noted()
        self._threshold = threshold
        self._prss_keys = dict(keys)
        self._prfs: dict[int, dict[Subset, Any]] = {}
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

    def _label(self) -> str:
        return f"shamir/{self._program_counter[0] % 2**64:016x}"

    async def multiplied(self, label: str, x: Numbers, y: Numbers, p: int) -> Numbers:
        """Shares of products, of shares of one shape [GRR98], noted to be checked. One round."""
        one, other = x.reshape(-1), y.reshape(-1)
        shares = await self.exchange.reshared(label, one * other % p, p)
        self.noted.in_field(p).products[label] = Products(one, other, shares)
        return shares.reshape(x.shape)

    async def opened(self, label: str, shares: Numbers, p: int, degree: int) -> Numbers:
        """The values of shares (n,) of a degree, noted: of degree t to be checked. One round."""
        values = await self.exchange.opened(label, shares, p, degree)
        self.noted.tell(label, encode(values.tolist(), p))
        if degree == self.threshold:
            self.noted.in_field(p).openings[label] = Openings(shares, values)
        return values

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
        label, count, p = self._label(), int(np.prod(shape)), field.modulus
        mine = None
        if self.pid in senders:
            mine = self.exchange.deal(label, _flat(field, await self.gather(x)).value, p)
        shares = [mine if i == self.pid else await self.exchange.taken(label, i, p, count) for i in senders]
        return [_shaped(sftype, field.array(share, check=False), shape) for share in shares]

    @asyncoro.mpc_coro
    async def np_multiply(self, a, b):  # type: ignore[no-untyped-def]
        """Products, element by element. As MPyC's for integers, with what they are of noted to be checked."""
        stype, shared = type(a), isinstance(b, self.SecureObject)
        shape = np.broadcast_shapes(a.shape, getattr(b, "shape", ()))
        await self.returnType((stype, shape))
        if not shared:
            return await self.gather(a) * b
        if a is b:
            a = b = await self.gather(a)
        else:
            a, b = await self.gather(a, b)
        field = stype.sectype.field
        one, other = (np.broadcast_to(np.asarray(x.value, dtype=object), shape) for x in (a, b))
        return field.array(await self.multiplied(self._label(), one, other, field.modulus), check=False)

    @asyncoro.mpc_coro
    async def np_random_bits(self, sftype, n, signed=False):  # type: ignore[no-untyped-def]
        """Random bits that nobody knows: r over a root of r^2, which opens [DFKNT06]. As MPyC's, and noted."""
        secure = issubclass(sftype, self.SecureObject)
        await self.returnType(*([(sftype.array, True, (n,))] if secure else [Future]))
        field, m = (sftype.field if secure else sftype), len(self.parties)
        if signed or not n:
            _refused()
        prfs, p = self.prfs(field.order), field.modulus
        r = thresha.np_pseudorandom_share(field, m, self.pid, prfs, self._prss_uci(), n).value
        zero = thresha.np_pseudorandom_share_0(field, m, self.pid, prfs, self._prss_uci(), n).value
        label = self._label()
        squares = await self.opened(label, (r * r + zero) % p, p, 2 * self.threshold)
        if not squares.all():  # a chance of n / p
            raise RuntimeError("a random number was zero")
        self.noted.in_field(p).products[label] = Products(r, r, squares)
        signs = r * field.array._sqrt(squares, INV=True) % p
        return field.array((signs + 1) * ((p + 1) >> 1) % p, check=False)

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
        degree = threshold or self.threshold
        if degree > self.threshold:
            prfs, count, self.noted.unchecked = self.prfs(field.order), len(values), "an opened product"
            values = values + thresha.np_pseudorandom_share_0(
                field, len(self.parties), self.pid, prfs, self._prss_uci(), count
            )
        y = field.array(await self.opened(self._label(), values.value, field.modulus, degree), check=False)
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
        label = self._label()
        self.noted.unchecked = "a product"  # what it is of is not known here
        y = field.array(await self.exchange.reshared(label, values.value, field.modulus), check=False)
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


@cache
def modulus(bits: int) -> int:
    """The prime of `Shamir.integers(bits)`; needs no session."""
    p: int = finfields.find_prime_root(bits + SEC_PARAM + 2)[0]
    return p


def _field_array(self: Any, value: Any, check: bool = True, copy: bool | None = False) -> None:
    """`FiniteFieldArray.__init__` as MPyC's, but it does not look at numpy's version every time."""
    self.value = np.array(value, dtype=object, copy=copy or None)
    if check:
        self.value %= self.field.modulus


def _fit() -> None:
    """Put the replacements where MPyC looks for them."""
    for module in (asyncoro, sectypes, mpctools, seclists, secpols, mpyc_secgroups, mpyc_random, mpyc_statistics):
        module.runtime = Running()
    silent = SimpleNamespace(**{name: lambda *_: None for name in ("debug", "info", "warning", "error")})
    for module in (mpyc.runtime, finfields, mpyc_numpy, mpyc.gmpy):
        module.logging = silent
    mpyc.runtime.pickle = _NoPickle
    finfields.os = SimpleNamespace(getenv=lambda _: "0")  # its one use: the number of worker threads
    finfields.FiniteFieldArray.__init__ = _field_array
    fit_coroutines(asyncoro)


_fit()
