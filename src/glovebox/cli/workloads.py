"""What `glovebox bench` measures: made-up tables of any size, a contract over them, and one question each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from glovebox.cli.exercises import Exercise, Question
from glovebox.contract.terms import EXACT, HOMOMORPHIC, LOW_TRAFFIC, STRICT, Protocol
from glovebox.data.generated import CHANNELS, REGIONS, write_keyed

SEED = 1
HEAD = """glovebox = 1
name = "bench"
version = 1
purpose = "Measuring Glovebox on made-up tables."
from = 2026-01-01
until = 2099-12-31
PROTOCOL"""
TABLE = """
[[table]]
owner = {owner}
name = "{name}"
rows = {rows}
{persons}[table.columns]
{columns}
"""
RULES = f"""
[rules]
join = [JOINS]
ask = [OWNERS]
receive = [RECEIVERS]
groups_of_at_least = 1
questions = "any"
exact = "{EXACT}"
"""


def _labels(values: tuple[str, ...]) -> str:
    return ", ".join(f'"{value}"' for value in values)


DAY = 'type = "date", range = [2026-12-01, 2027-03-31], required = true, may = ["filter", "compare"]'
COLUMNS = {
    "id": 'type = "id", form = "exact", max_bytes = 24, unique = true',
    "amount": 'type = "decimal(10,2)", range = [0, 5000], required = true, may = ["sum", "compare"]',
    "price": 'type = "decimal(10,2)", range = [0, 5000], required = true, may = ["sum", "compare"]',
    "score": 'type = "integer", range = [-1000, 1000], required = true, may = ["sum"]',
    "region": f'type = "category", values = [{_labels(REGIONS)}], may = ["group"]',
    "channel": f'type = "category", values = [{_labels(CHANNELS)}], may = ["group"]',
    "bought_on": DAY,
    "seen_on": DAY,
}


@dataclass(frozen=True)
class Held:
    """A table of one owner. first: the first person in it, in halves of its rows, so that tables share people."""

    owner: str
    name: str
    columns: tuple[str, ...]
    first: int = 0


@dataclass(frozen=True)
class Workload:
    """One question over made-up tables; the same text is asked in the clear. rows: of each table, if none are given.

    protocol: of two owners alone, who then have no neutral third.
    """

    says: str
    statement: str
    tables: tuple[Held, ...]
    rows: int = 1_000_000
    protocol: Protocol | None = None

    def exercise(self, rows: int) -> Exercise:
        """The contract, files and question, each table of so many rows."""
        owners = list(dict.fromkeys(held.owner for held in self.tables))

        def write(directory: Path) -> dict[tuple[str, str], Path]:
            return {
                (held.owner, held.name): write_keyed(
                    directory / f"{held.owner}-{held.name}.parquet", rows, held.first * rows // 2, held.columns, SEED
                )
                for held in self.tables
            }

        return Exercise(
            name="bench",
            parties=tuple(owners if len(owners) > 2 or self.protocol else [*owners, "notary"]),
            terms=HEAD.replace("PROTOCOL", f'protocol = "{self.protocol}"\n' if self.protocol else "")
            + self._terms(rows, owners),
            write=write,
            questions=(Question(owners[0], self.statement, self.statement, self.says),),
            learns=self._learns(owners),
        )

    def _learns(self, owners: list[str]) -> str:
        if self.protocol == HOMOMORPHIC:  # of exact answers; under [privacy] with noise
            return f"{owners[0]}: this answer and how many ids match. {owners[1]}: nothing."
        neutral = len(owners) == 2 and not self.protocol
        return f"{' and '.join(owners)}: this answer.{' notary: nothing.' if neutral else ''}"

    def _terms(self, rows: int, owners: list[str]) -> str:
        holding: dict[str, list[Held]] = {}
        for held in self.tables:
            holding.setdefault(held.name, []).append(held)
        tables = "".join(_table(name, rows, each) for name, each in holding.items())
        single = [name for name, each in holding.items() if len(each) == 1]
        joins = [f'["{one}.id", "{other}.id"]' for one, other in itertools.combinations(single, 2)]
        told = owners[:1] if self.protocol == HOMOMORPHIC else owners
        rules = RULES.replace("JOINS", ", ".join(joins)).replace("RECEIVERS", _labels(tuple(told)))
        return tables + rules.replace("OWNERS", _labels(tuple(owners)))


def _table(name: str, rows: int, holding: list[Held]) -> str:
    """The contract's text of one table, stacked if several hold it."""
    owners = _labels(tuple(held.owner for held in holding))
    return TABLE.format(
        owner=owners if len(holding) == 1 else f"[{owners}]",
        name=name,
        rows=rows,
        persons="" if len(holding) == 1 else 'same_person_at_several = "no"\n',
        columns="\n".join(f"{column} = {{ {COLUMNS[column]} }}" for column in holding[0].columns),
    )


def _two(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[Held, ...]:
    """Two owners' tables of distinct ids, half in common."""
    return Held("left", "spending", ("id", *left)), Held("right", "points", ("id", *right), 1)


JOINED = "FROM spending JOIN points USING (id)"
MATCHES_AND_SUM = f"SELECT COUNT(*) AS matches, SUM(amount) AS spent {JOINED}"

WORKLOADS: dict[str, Workload] = {
    "count": Workload("COUNT", f"SELECT COUNT(*) AS matches {JOINED}", _two((), ())),
    "join": Workload("COUNT and SUM", MATCHES_AND_SUM, _two(("amount",), ("score",))),
    "group": Workload(
        "COUNT and two SUMs by 10 groups of one owner",
        f"SELECT region, COUNT(*) AS matches, SUM(amount) AS spent, SUM(score) AS scored {JOINED} GROUP BY region",
        _two(("amount", "region"), ("score",)),
    ),
    "group-both": Workload(
        "COUNT by 10 x 10 groups of both owners",
        f"SELECT region, channel, COUNT(*) AS matches {JOINED} GROUP BY region, channel",
        _two(("region",), ("channel",)),
    ),
    "product": Workload(
        "SUM of a product across owners",
        f"SELECT SUM(amount * score) AS weighted {JOINED}",
        _two(("amount",), ("score",)),
    ),
    "window": Workload(
        "COUNT and SUM where one owner's day is within 7 days of the other's",
        f"{MATCHES_AND_SUM} WHERE seen_on BETWEEN bought_on AND bought_on + 7",
        _two(("amount", "bought_on"), ("seen_on",)),
    ),
    "rows": Workload(
        "SUM of an expression over aligned rows",
        f"SELECT SUM(amount - price) FILTER (WHERE amount > price) AS above {JOINED}",
        _two(("amount",), ("price",)),
    ),
    "three": Workload(
        "COUNT and SUM over three owners on one id",
        "SELECT COUNT(*) AS matches, SUM(amount) AS spent FROM spending JOIN points USING (id) JOIN visits USING (id)",
        (
            Held("left", "spending", ("id", "amount")),
            Held("right", "points", ("id", "score"), 1),
            Held("third", "visits", ("id",), 1),
        ),
    ),
    "stacked": Workload(
        "COUNT and SUM by 10 groups over the tables of three owners",
        "SELECT region, COUNT(*) AS people, SUM(amount) AS spent FROM takings GROUP BY region",
        tuple(
            Held(owner, "takings", ("id", "region", "amount"), 2 * number)
            for number, owner in enumerate(("left", "right", "third"))
        ),
    ),
    **{
        name: Workload(
            f"COUNT and SUM of two owners alone, {protocol}", says, _two(("amount",), ("score",)), 100_000, protocol
        )
        for name, protocol, says in (
            ("alone", STRICT, MATCHES_AND_SUM),
            ("alone-low-traffic", LOW_TRAFFIC, MATCHES_AND_SUM),
            ("alone-homomorphic", HOMOMORPHIC, f"SELECT COUNT(*) AS matches, SUM(score) AS scored {JOINED}"),
        )
    },
    "latency": Workload("COUNT and SUM, small tables", MATCHES_AND_SUM, _two(("amount",), ("score",)), rows=1_000),
}


def pair(rows: int) -> Exercise:
    """Two tables of `rows` distinct 24-byte ids, half in common: COUNT and SUM."""
    return WORKLOADS["join"].exercise(rows)
