"""Asking from Python: `glovebox.connect(home).ask(question)`, answers as rows, Arrow tables and pandas frames."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from glovebox.contract.model import Contract
from glovebox.errors import UsageError
from glovebox.node.contracts import all_contracts, find_contract, own_number
from glovebox.node.home import Home
from glovebox.node.local import Answered, Ask, talk
from glovebox.planner.explain import in_words
from glovebox.planner.question import plan_question
from glovebox.schema.answer import Answer, Cell, read_answer

Result = TypeVar("Result")


class Connection:
    """A home and its running node. Every error is a GloveboxError with `summary`, `detail` and `hint`."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def __repr__(self) -> str:
        return f"<Connection {self.home.root}>"

    def ask(
        self,
        question: str,
        contract: str | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        wait_s: float = 30.0,
    ) -> SignedAnswer:
        """The answer to a question, SQL or the name of an approved one, once all parties signed its receipt.

        contract: a name, a hash or a file; not needed where the home holds one contract. parameters: of an approved
        question, as text. wait_s: seconds to wait for a busy party.
        """
        under, given = self._contract(contract), dict(parameters or {})
        request = Ask(under.hash.hex(), question, given, wait_s)

        async def answered() -> Answered:
            async for reply in talk(self.home, request):
                if isinstance(reply, Answered):
                    return reply
            raise UsageError("the node ended before it answered", hint="glovebox status")

        found = _run(answered())
        received = None if bytes(found.answer) == b"null" else read_answer(bytes(found.answer))
        return SignedAnswer(received, found.receipt, found.session, found.receivers, found.seconds)

    def explain(
        self, question: str, contract: str | None = None, *, parameters: Mapping[str, str] | None = None
    ) -> str:
        """What a question would do, in words, without asking it: who computes what where, who learns what, its cost."""
        under = self._contract(contract)
        plan = plan_question(under, question, dict(parameters or {}), own_number(self.home, under))
        return in_words(plan, under)

    def _contract(self, given: str | None) -> Contract:
        if given is not None:
            return find_contract(self.home, given)
        names = sorted({held.name for held in all_contracts(self.home)})
        if len(names) != 1:
            hint = f"contract={names[0]!r}" if names else "glovebox contract add FILE"
            raise UsageError(f"{len(names)} contracts could be meant", detail=tuple(names), hint=hint)
        return find_contract(self.home, names[0])


@dataclass(frozen=True)
class SignedAnswer:
    """An answer, None for an asker that is no receiver, and the receipt that all parties signed.

    session: its id in hex. receivers: names of those who have the answer. seconds: from question to receipt.
    """

    answer: Answer | None
    receipt: str
    session: str
    receivers: tuple[str, ...]
    seconds: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._received().columns

    @property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows: text, int, bool, exact Decimal, or None for NULL and for what is suppressed."""
        return self._received().rows

    @property
    def suppressed(self) -> tuple[int, ...]:
        """The numbers of the rows whose group is too small to show."""
        return self._received().suppressed

    def to_arrow(self) -> Any:
        """A pyarrow.Table. Of an answer with noise a column NAME_within beside each number says how far it may be off.

        Sums and averages are decimals with all their digits.
        """
        arrow, answer = _library("pyarrow"), self._received()
        columns = {name: [row[place] for row in answer.rows] for place, name in enumerate(answer.columns)}
        for place, name in enumerate(answer.columns):
            bars = [row[place] for row in answer.within]
            if any(bar is not None for bar in bars):
                columns[f"{name}_within"] = bars
        return arrow.table({name: _of_one_type(cells) for name, cells in columns.items()})

    def to_pandas(self) -> Any:
        """A pandas.DataFrame of the same: counts are Int64, which has room for NULL, exact decimals are objects."""
        pandas = _library("pandas")
        integer = _library("pyarrow").int64()
        return self.to_arrow().to_pandas(types_mapper={integer: pandas.Int64Dtype()}.get)

    def _received(self) -> Answer:
        if self.answer is None:
            raise UsageError(
                f"the contract gives the answer to {', '.join(self.receivers)}", hint="`glovebox answers` there"
            )
        return self.answer


def _of_one_type(cells: list[Cell]) -> list[Cell]:
    """The cells of a column, whole numbers among decimals as decimals."""
    if any(isinstance(cell, Decimal) for cell in cells):
        return [Decimal(cell) if isinstance(cell, int) else cell for cell in cells]
    return cells


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        raise UsageError(f"{name} is not installed here", hint=f"python -m pip install {name}") from problem


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, in a thread of its own where this one runs a loop already, as a notebook's does."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
