"""A first text of a contract, for a person to finish: this party, its tables as described, and what to decide."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from glovebox.contract.anonymity import plain
from glovebox.contract.terms import Party
from glovebox.identity import key_text
from glovebox.schema.columns import Column, Table

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

HEAD = """# A draft, made by `glovebox contract draft`. It tells of your data: read it before you pass it on.
# Strike columns that no question needs; widen bounds that say too much; round or band what may be coarser.
glovebox = 1
name     = "draft"
version  = 1
purpose  = "Say in one sentence what this is for."
from     = {first}
until    = {last}

[[party]]
name    = "{name}"
key     = "{key}"
address = "{address}"

# [[party]] of every other party: what `glovebox identity` prints there. Three at least; a neutral one owns no table.
"""
RULES = """
[rules]
# join = [["{example}", "their_table.their_id"]]
ask                = ["{name}"]
receive            = ["{name}"]
groups_of_at_least = 10
questions          = "approved"

# [[question]]
# name = "how-many"
# sql  = "SELECT COUNT(DISTINCT id) AS people FROM one_table JOIN another USING (id)"
"""


def drafted(party: Party, tables: list[tuple[Table, tuple[str, ...]]], today: date) -> str:
    """The text of a draft. tables: each with the names of the columns that are left out."""
    parts = [HEAD.format(first=today, last=today + timedelta(days=365), name=party.name, key=key_text(party.key),
                         address=party.address)]  # fmt: skip
    example = "your_table.your_id"
    for table, left_out in tables:
        parts.append(_table(party, table, left_out))
        for column in table.columns:
            if column.kind == "id":
                example = f"{table.name}.{column.name}"
    return "".join(parts) + RULES.format(name=party.name, example=example)


def _table(party: Party, table: Table, left_out: tuple[str, ...]) -> str:
    lines = ["", "[[table]]", f'owner = "{party.name}"', f'name  = "{table.name}"', f"rows  = {table.rows:_}"]
    if table.rows_per_id is not None:
        lines.append(f"rows_per_id = {table.rows_per_id}")
    if table.person == "row":
        lines.append('person = "row"')
    lines += ["[table.columns]", *(f"{column.name} = {{ {_column(column)} }}" for column in table.columns)]
    if left_out:
        lines.append(f"# left out, as free text or for their names: {', '.join(sorted(map(_harmless, left_out)))}")
    return "\n".join(lines) + "\n"


def _harmless(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name[:60])


def _column(column: Column) -> str:
    kind = f"decimal({column.precision},{column.scale})" if column.kind == "decimal" else column.kind
    parts = [f'type = "{kind}"']
    if column.form:
        parts.append(f'form = "{column.form}"')
    if column.unique:
        parts.append("unique = true")
    if column.low is not None and column.high is not None:
        parts.append(f"range = [{_end(column, column.low)}, {_end(column, column.high)}]")
    if column.values:
        parts.append(f"values = [{', '.join(map(_quoted, column.values))}]")
    if column.required and column.kind != "id":
        parts.append("required = true")
    if column.may:
        parts.append(f"may = [{', '.join(map(_quoted, column.may))}]")
    return ", ".join(parts)


def _quoted(text: str) -> str:
    """A TOML string. Labels are printable: only the quote and the backslash mean more than themselves."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _end(column: Column, units: int) -> str:
    match column.kind:
        case "date":
            return str((EPOCH + timedelta(days=units)).date())
        case "timestamp":
            return (EPOCH + timedelta(seconds=units)).strftime("%Y-%m-%dT%H:%M:%SZ")
        case "decimal":
            return f'"{plain(units, column.scale)}"'
        case _:
            return str(units)
