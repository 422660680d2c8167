"""The public data sets as contracts, bound files and questions: what `test_public_data.py` asks of running nodes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from glovebox.contract.terms import EXACT

DATA = Path(__file__).parents[3] / "shared" / "data"
MISSING = f"the public data sets are not at {DATA}"


@dataclass(frozen=True)
class Rewritten:
    """How a question is asked where its own words cannot be. why: in a few words, for the page.

    rows: from the rows of each statement's answer to the rows that are expected; the first's own without it.
    """

    why: str
    statements: tuple[str, ...]
    rows: Callable[..., list] = lambda first: first


@dataclass(frozen=True)
class DataSet:
    """One data set under a contract. rules: the joins, as `join = [...]`, or nothing.

    tables: the terms of its tables. files: from the set's folder and an empty one, the file of each (party, table).
    rewritten: by the question's id; what is not in it is asked in its own words.
    """

    name: str
    parties: tuple[str, ...]
    tables: Callable[[Path], str]
    files: Callable[[Path, Path], dict[tuple[str, str], Path]]
    joins: str = "[]"
    rewritten: dict[str, Rewritten] = field(default_factory=dict)

    @property
    def folder(self):
        return DATA / self.name

    @property
    def asker(self):
        """The one party that asks and gets the answers."""
        return self.parties[0]

    def questions(self):
        """What expected.json holds, by the question's id."""
        found = json.loads((self.folder / "expected.json").read_text())["questions"]
        return {question["id"]: question for question in found}

    def terms(self):
        """The contract's tables and rules: exact answers, in the open."""
        return (
            f"{self.tables(self.folder)}\n[rules]\njoin = {self.joins}\n"
            f'ask = ["{self.asker}"]\nreceive = ["{self.asker}"]\n'
            f'groups_of_at_least = 1\nquestions = "any"\nexact = "{EXACT}"\n'
        )


def table(owner, name, rows, columns, more=""):
    """The terms of one table. owner: a party, or a list of them; columns: TOML lines."""
    owners = json.dumps(owner)
    return f"[[table]]\nowner = {owners}\nname = '{name}'\nrows = {rows}\n{more}\n[table.columns]\n{columns.strip()}\n"


def parquet(places):
    """Files as they lie in the set's folder: (party, table) is party/table.parquet."""
    return lambda folder, made: {(party, name): folder / party / f"{name}.parquet" for party, name in places}


def labels(folder, path, column):
    """The different values of a column, as TOML: the public domain of its groups."""
    found = duckdb.sql(f"SELECT DISTINCT \"{column}\" FROM '{folder / path}.parquet' ORDER BY 1").fetchall()
    return json.dumps([str(label) for (label,) in found], ensure_ascii=False)
