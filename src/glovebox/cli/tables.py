"""`glovebox data add` and `data check`: this party's tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from glovebox.cli.serving import HomeOption, home_of

if TYPE_CHECKING:
    from glovebox.data.sources import Source
    from glovebox.node.home import Home

data = cyclopts.App(name="data", help="Bind this party's files to the tables of a contract, and check them.")


def register(app: cyclopts.App) -> None:
    """Add these commands."""
    app.command(data)


RelationOption = Annotated[
    str | None, Parameter(name="--relation", help="The table or view of a database to read [the contract's name].")
]


@data.command
def add(contract: str, table: str, source: Path, *, relation: RelationOption = None, home: HomeOption = None) -> None:
    """Bind a contract's table to a source, if every row is as the contract says.

    SOURCE is a CSV, Parquet, DuckDB or SQLite file, or postgres:NAME for a server that node.toml names.
    """
    from glovebox.node.binding import bind, own_table
    from glovebox.node.contracts import find_contract

    place = home_of(home)
    found = find_contract(place, contract)
    given = _source(place, source, relation, table)
    report = bind(place, found, own_table(place, found, table), given)
    print("\n".join(report.lines()), f"bound {given.title} to {table} of {found.name}", sep="\n")


@data.command
def check(
    contract: str,
    table: str,
    source: Path | None = None,
    *,
    relation: RelationOption = None,
    home: HomeOption = None,
) -> int:
    """Count what is not as the contract says, in the bound source or in another, and why ids might not match.

    Nothing but counts is shown, and nothing leaves this machine.
    """
    from glovebox.data.identifiers import RECIPE, recipe_digest
    from glovebox.errors import DataError
    from glovebox.node.binding import check as checked
    from glovebox.node.binding import own_table
    from glovebox.node.contracts import find_contract

    place = home_of(home)
    found = find_contract(place, contract)
    given = None if source is None else _source(place, source, relation, table)
    report, hints = checked(place, found, own_table(place, found, table), given)
    lines = [*report.lines(), *(f"  hint   {hint.line(table)}" for hint in hints)]
    print("\n".join(lines), f"ids by the recipe {RECIPE}, {recipe_digest().hex()[:16]}", sep="\n")
    return DataError.exit_code if report.errors else 0


def _source(home: Home, given: Path, relation: str | None, table: str) -> Source:
    """The source that is meant, with the table's own name for the relation where none is given."""
    from glovebox.data.sources import source_at
    from glovebox.errors import UsageError

    source = source_at(given, None, relation or table, home.settings().postgres)
    if relation and not source.relation:
        raise UsageError(f"{source.title} is itself a table", hint="leave --relation out")
    return source
