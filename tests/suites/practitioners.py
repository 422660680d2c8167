"""Four fields of practice: contracts and made-up tables for the questions that practitioners ask.

The questions stand beside the public data sets, as plain SQL over tables named `owner.table`. What a field's owners
hold is drawn from a seed, in kinds that are hard in their own way; one contract fits all kinds.
"""

import csv
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from glovebox.contract.terms import EXACT

QUESTIONS = Path(__file__).parents[3] / "shared" / "questions" / "README.md"
MISSING = f"the practitioners' questions are not at {QUESTIONS}"
KINDS = ("ordinary", "nobody in common", "one person everywhere", "nothing at all", "ties")
ROWS = 90
DAY = 86_400
Draw = random.Random
Person = Callable[[], str]


@dataclass(frozen=True)
class Table:
    """One owner's table. columns: TOML of each, by name. rows: from a source of chance and of persons."""

    owner: str
    name: str
    columns: dict[str, str]
    rows: Callable[[Draw, Person, str], list[tuple]]
    rows_per_id: int | None = None
    person: str = ""


@dataclass(frozen=True)
class Field:
    """A field of practice. The first party asks and receives. questions: their names begin with this letter."""

    letter: str
    parties: tuple[str, ...]
    tables: tuple[Table, ...]

    def terms(self):
        """Tables and rules: any id of one meaning is joined with that of another owner."""
        return "".join(map(terms_of, self.tables)) + (
            f"\n[rules]\njoin = {joins(self.tables)}\nask = ['{self.parties[0]}']\nreceive = ['{self.parties[0]}']\n"
            f"groups_of_at_least = 1\nquestions = 'any'\nexact = '{EXACT}'\n"
        )

    def drawn(self, kind):
        """The rows of each (owner, table)."""
        draw = random.Random(f"{self.letter} {kind}")
        return {
            (table.owner, table.name): [] if kind == "nothing at all" else rows_of(table, draw, kind)
            for table in self.tables
        }

    def written(self, kind, directory):
        """The file of each (owner, table)."""
        files = {}
        for (owner, name), rows in self.drawn(kind).items():
            files[owner, name] = directory / f"{owner}-{name}.csv"
            (table,) = (one for one in self.tables if (one.owner, one.name) == (owner, name))
            with files[owner, name].open("w", newline="") as file:
                csv.writer(file).writerows([tuple(table.columns), *rows])
        return files

    def in_the_clear(self, kind, sql):
        """DuckDB's answer over all tables in one place."""
        with duckdb.connect(":memory:") as database:
            for party in self.parties:
                database.execute(f"CREATE SCHEMA {party}")
            held = self.drawn(kind)
            for table in self.tables:
                types = ", ".join(f"{name} {type_of(text)}" for name, text in table.columns.items())
                database.execute(f"CREATE TABLE {table.owner}.{table.name} ({types})")
                if rows := held[table.owner, table.name]:
                    marks = ", ".join("?" * len(table.columns))
                    database.executemany(f"INSERT INTO {table.owner}.{table.name} VALUES ({marks})", rows)
            return [list(row) for row in database.execute(sql).fetchall()]


def statements():
    """The questions' own words, by name: A1, A2, .."""
    text = QUESTIONS.read_text()
    return dict(re.findall(r"\*\*([A-Z]\d+)\. .*?```sql\n(.*?)```", text, re.DOTALL))


def rows_of(table, draw, kind):
    """A table's rows: persons are many, other ones at each owner, or one alone."""
    most = {"one person everywhere": 1}.get(kind, 25)
    prefix = table.owner if kind == "nobody in common" else "p"
    return table.rows(draw, lambda: f"{prefix}{draw.randrange(most)}", kind)


def terms_of(table):
    more = f"rows_per_id = {table.rows_per_id}\n" if table.rows_per_id else ""
    columns = "\n".join(f"{name} = {text}" for name, text in table.columns.items())
    head = f"\n[[table]]\nowner = '{table.owner}'\nname = '{table.name}'\nrows = {ROWS}\n{more}{table.person}"
    return f"{head}[table.columns]\n{columns}\n"


def joins(tables):
    """Every two ids of one meaning at two owners."""
    ids = [
        (table.owner, f"{table.owner}.{table.name}.{name}", MEANING.get(name, name))
        for table in tables
        for name, text in table.columns.items()
        if '"id"' in text
    ]
    return [
        [one[1], other[1]]
        for place, one in enumerate(ids)
        for other in ids[:place]
        if one[0] != other[0] and one[2] == other[2]
    ]


MEANING = {"from_acct": "acct", "to_acct": "acct", "acct_key": "acct"}


def type_of(text):
    for kind, type in {"integer": "BIGINT", "decimal(6,2)": "DECIMAL(6,2)"}.items():
        if f'"{kind}"' in text:
            return type
    return "VARCHAR"


ID = '{ type = "id", form = "exact" }'
UNIQUE = '{ type = "id", form = "exact", unique = true }'


def number(low, high, *more):
    may = json.dumps([*more, "sum", "avg", "min", "max", "filter", "compare"])
    return f'{{ type = "integer", range = [{low}, {high}], required = true, may = {may} }}'


def labels(*values):
    listed = ", ".join(f'"{value}"' for value in values)
    return f'{{ type = "category", values = [{listed}], required = true, may = ["group", "filter", "compare"] }}'


def unique(*columns, of=25):
    """One row a person: the columns are drawn, each by a function of the source of chance."""

    def rows(draw, person, kind):
        persons = dict.fromkeys(person() for _ in range(of))
        return [(one, *(column(draw) for column in columns)) for one in persons]

    return rows


def several(most, *columns, of=50, distinct=None):
    """At most so many rows a person. distinct: no person has two rows that are alike in this column."""

    def rows(draw, person, kind):
        held: dict[str, list[tuple]] = {}
        for _ in range(of):
            one, values = person(), tuple(column(draw) for column in columns)
            there = held.setdefault(one, [])
            alike = distinct is not None and any(row[distinct] == values[distinct] for row in there)
            if len(there) < most and not alike:
                there.append(values)
        return [(one, *values) for one, many in held.items() for values in many]

    return rows


def of(*values):
    return lambda draw: draw.choice(values)


def between(low, high):
    return lambda draw: draw.randint(low, high)


def moments(days):
    """Seconds, many of them whole days apart, so that windows are met at their ends."""
    return lambda draw: draw.randrange(days) * DAY + draw.choice((0, 0, 0, 1, 3600))


CAMPAIGNS, CHANNELS = ("spring", "summer"), ("search", "social", "video")
EXPOSURES = {"user_key": ID, "campaign": labels(*CAMPAIGNS), "channel": labels(*CHANNELS), "ts": number(0, 31 * DAY)}
ADVERTISING = Field(
    "A",
    ("advertiser", "publisher", "publisher2"),
    (
        *(
            Table(owner, "exposures", EXPOSURES, several(3, of(*CAMPAIGNS), of(*CHANNELS), moments(30), distinct=2), 3)
            for owner in ("publisher", "publisher2")
        ),
        Table(
            "publisher",
            "audience",
            {"user_key": UNIQUE, "segment": labels("young", "old"), "treat": labels("0", "1")},
            unique(of("young", "old"), of("0", "1")),
        ),
        Table("advertiser", "customers", {"user_key": UNIQUE}, unique()),
        Table(
            "advertiser",
            "conversions",
            {"user_key": ID, "ts": number(0, 31 * DAY), "amount_cents": number(0, 9999), "is_new": number(0, 1)},
            several(2, moments(30), between(0, 9999), between(0, 1), distinct=0),
            2,
        ),
    ),
)

FOLLOWUP = {
    "person_key": UNIQUE, "arm": labels("a", "b"), "entry_day": number(0, 100, "group"),
    "exit_day": number(100, 300, "group"),
    "event": number(0, 1),
}  # fmt: skip
STAYS = {
    "person_key": ID, "drg": labels("heart", "lung"), "admit_day": number(0, 200), "discharge_day": number(0, 230),
}  # fmt: skip
LABS = {
    "person_key": ID, "test": labels("hba1c", "egfr"),
    "value": '{ type = "decimal(6,2)", range = [0, 200], required = true, may = ["sum", "avg", "filter", "compare"] }',
}  # fmt: skip


def stays(owner):
    """Admissions of a person lie on different days, also at two hospitals, so that which is next is said."""
    first = {"h1": 0, "h2": 1}[owner]

    def rows(draw, person, kind):
        found = several(2, lambda one: 4 * one.randrange(45) + 2 * first, of("heart", "lung"), distinct=0)
        return [(one, drg, day, day + draw.choice((0, 1, 5, 20))) for one, day, drg in found(draw, person, kind)]

    return rows


HEALTH = Field(
    "H",
    ("registry", "h1", "h2"),
    tuple(
        table
        for owner in ("h1", "h2")
        for table in (
            Table(
                owner,
                "patients",
                {"person_key": UNIQUE, "sex": labels("F", "M"), "birth_year": number(1930, 2010, "group")},
                lambda draw, person, kind: [
                    (one, "FM"[len(one) % 2], 1930 + 7 * (ord(one[-1]) % 10)) for (one,) in unique()(draw, person, kind)
                ],
            ),
            Table(owner, "dx", {"person_key": ID, "code": labels("I10", "E11")}, several(2, of("I10", "E11")), 2),
            Table(
                owner,
                "followup",
                FOLLOWUP,
                unique(of("a", "b"), between(0, 100), between(100, 300), between(0, 1)),
            ),
            Table(owner, "stays", STAYS, stays(owner), 2),
            Table(
                owner,
                "labs",
                LABS,
                several(2, of("hba1c", "egfr"), lambda draw: draw.randrange(20_000) / 100),
                2,
            ),
            *(
                [Table(owner, "rx", {"person_key": ID, "drug": labels("x", "y")}, several(3, of("x", "y")), 3)]
                if owner == "h2"
                else []
            ),
        )
    ),
)

LOANS = {"cust_key": ID, "outstanding_cents": number(0, 10**7), "dpd": number(0, 180)}
TX = {"from_acct": ID, "to_acct": ID, "amount_cents": number(0, 10**6), "ts": number(0, 31 * DAY)}
FINANCE = Field(
    "F",
    ("notary", "bank_a", "bank_b"),
    tuple(
        table
        for owner in ("bank_a", "bank_b")
        for table in (
            Table(
                owner,
                "customers",
                {"cust_key": UNIQUE, "device_key": ID, "sector": labels("farm", "food", "steel")},
                unique(lambda draw: f"d{draw.randrange(9)}", of("farm", "food", "steel")),
                12,
            ),
            Table(owner, "loans", LOANS, several(2, between(0, 10**7), of(0, 30, 89, 90, 180)), 2),
            Table(
                owner,
                "tx",
                TX,
                several(4, lambda draw: f"p{draw.randrange(20)}", of(1000, 900, 800, 700), moments(12)),
                40,
            ),
            *([Table(owner, "confirmed_fraud", {"acct_key": UNIQUE}, unique(of=9))] if owner == "bank_b" else []),
        )
    ),
)

SALES = {
    "loyalty_key": ID, "basket_id": ID, "sku": ID, "region": labels("north", "south"), "week": number(1, 52),
    "units": number(0, 9), "net_cents": number(0, 9999),
}  # fmt: skip


def sales(draw, person, kind):
    """Two lines a basket, which is one person's."""
    lines = []
    for basket in range(30):
        one, week = person(), draw.choice((19, 20, 21, 23, 24, 26, draw.randint(1, 52)))
        for _ in range(2):
            sku = f"s{draw.randrange(12)}"
            lines.append(
                (
                    one,
                    f"b{basket}",
                    sku,
                    draw.choice(("north", "south")),
                    week,
                    draw.randint(1, 9),
                    draw.randint(1, 9999),
                )
            )
    return lines


def products(draw, person, kind):
    skus = [] if kind == "nobody in common" else [f"s{sku}" for sku in range(10)]
    return [(sku, "abc"[n % 3], ("dairy", "bread")[n % 2], int(n % 3 == 0)) for n, sku in enumerate(skus)]


TRADE = Field(
    "R",
    ("supplier", "retailer", "retailer2", "media"),
    (
        *(Table(owner, "sales", SALES, sales, 60) for owner in ("retailer", "retailer2")),
        Table(
            "supplier",
            "products",
            {
                "sku": UNIQUE,
                "brand": labels("a", "b", "c"),
                "category": labels("bread", "dairy"),
                "is_mine": number(0, 1),
            },
            products,
        ),
        Table(
            "supplier",
            "crm",
            {"loyalty_key": UNIQUE, "segment": labels("gold", "basic")},
            unique(of("gold", "basic")),
        ),
        Table(
            "media",
            "exposures",
            {"loyalty_key": ID, "campaign": labels(*CAMPAIGNS), "week": number(1, 52)},
            several(2, of(*CAMPAIGNS), of(19, 20, 22, 26)),
            2,
        ),
    ),
)

FIELDS = (ADVERTISING, HEALTH, FINANCE, TRADE)
