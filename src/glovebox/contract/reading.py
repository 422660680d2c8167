"""A contract in plain words, made from the same parsed terms that are planned with and executed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from glovebox.contract.anonymity import plain
from glovebox.contract.taking_part import computing_parties
from glovebox.contract.terms import EXACT, Contract, JoinColumn, Privacy, epsilon_text
from glovebox.contract.two_owners import NOISE, promises
from glovebox.identity import key_text
from glovebox.schema.columns import Column, Table
from glovebox.schema.phones import PLANS


def reading(contract: Contract) -> str:
    """What `contract show` prints. Any changed term changes it."""
    names = [party.name for party in contract.parties]
    lines: list[str] = []
    if contract.rules.exact:
        lines += [f"{EXACT[0].upper()}{EXACT[1:]}: answers may be about one person, and are exact.", ""]
    lines += [
        f"{contract.name}, version {contract.version}: {contract.purpose}",
        f"In force from {contract.first} to {contract.last}, both days included.",
        f"The bytes of this text have the hash sha256:{contract.hash.hex()}",
    ]
    if contract.legal_basis:
        lines.append(f"Legal basis: {contract.legal_basis}")
    if contract.supersedes:
        lines.append(f"It takes the place of the contract sha256:{contract.supersedes.hex()}")
    lines += ["", "Parties"]
    owners = {owner for table in contract.tables for owner in table.owners}
    interested = {*contract.rules.ask, *contract.rules.receive}
    for number, party in enumerate(contract.parties):
        part = "owns tables" if number in owners else "owns no table" if number in interested else "is neutral"
        shut = " and takes no connections, so that it takes part in its own questions alone" if party.dials_out else ""
        lines.append(f"  {party.name}, at {party.address}, {part}{shut}, is the holder of {key_text(party.key)}")
    for table in contract.tables:
        lines += ["", *_table(table, names)]
    lines += ["", "Rules", *(f"  {line}" for line in _rules(contract, names))]
    for question in contract.questions:
        receivers = names if question.receive is None else contract.names(question.receive)
        told = "the receivers named above" if question.receive is None else ", ".join(receivers)
        parameters = ", ".join(f"{name} ({kind})" for name, kind in question.parameters)
        with_ = f", with {parameters}" if parameters else ""
        lines += ["", f"Question {question.name}{with_}, answered to {told}", *_indented(question.sql)]
    return "\n".join(lines)


def _table(table: Table, names: list[str]) -> list[str]:
    owners = ", ".join(names[owner] for owner in table.owners)
    lines = [f"Table {table.name} of {owners}: at most {table.rows} rows{' each' if len(table.owners) > 1 else ''}"]
    if table.rows_per_id is not None:
        lines.append(f"  one id has at most {table.rows_per_id} rows")
    if table.surplus_dropped:
        lines.append("  rows beyond that are left out: the first count, in the order of their values, column by column")
    lines.append("  a person is a row" if table.person == "row" else "  a person is an id")
    if table.apart:
        lines.append(f"  no person is at two of them: {owners} vouch for that")
    elif len(table.owners) > 1 and table.person == "id":
        lines.append("  a person may be at several of them, and counts once")
    return lines + [f"  {_column(column)}" for column in table.columns]


def _column(column: Column) -> str:
    words = [f"{column.name}: {_kind(column)}"]
    if column.parts:
        words.append(f"made of {', '.join(column.parts[:-1])} and {column.parts[-1]} together")
    if column.form and column.form != "composed":
        bound = f", at most {column.max_bytes} bytes" if column.max_bytes else ""
        words.append(f"in the form {column.form}{bound}")
    if column.country:
        words.append(f"of {column.country} (+{PLANS[column.country].code}) where it names no country")
    if not column.alone:
        words.append("only part of an id")
    if column.unique:
        words.append("in one row each")
    if column.kind != "boolean" and column.low is not None and column.high is not None:
        words.append(f"from {_end(column, column.low)} to {_end(column, column.high)}")
    if column.clip:
        words.append("brought into that where it lies outside")
    words += _known(column)
    if column.values:
        words.append(f"one of {', '.join(column.values)}")
    if column.required:
        words.append("never missing")
    uses = {
        "sum": "summed", "avg": "averaged", "min": "told as the least of a group, which is one person's",
        "max": "told as the greatest of a group, which is one person's", "group": "grouped by", "filter": "filtered by",
        "compare": "compared", "quantile": "told as a quantile of a group, as its median, which is one person's",
    }  # fmt: skip
    may = ", ".join(uses[use] for use in column.may)
    if column.kind == "id":
        may = "joined and counted, and grouped by: answers name single ones" if column.may else "joined and counted"
    return f"{', '.join(words)}; may be {may}" if may else f"{', '.join(words)}; not used in questions"


def _kind(column: Column) -> str:
    digits = f" of {column.precision} digits, {column.scale} of them decimals" if column.precision else ""
    if column.bands:
        return f"{column.kind} of a number ({'decimal' if column.precision else 'integer'}{digits})"
    return f"{column.kind}{digits}"


def _known(column: Column) -> list[str]:
    """What is known of a value outside its owner, where that is less than the value."""
    known = [f"its {column.round}"] if column.round else []
    if column.bands:
        edges = ", ".join(plain(edge, column.scale) for edge in column.bands)
        known.append(f"its band, as they begin at {edges}")
    return [f"of which no one but its owner knows more than {part}" for part in known]


def _end(column: Column, units: int) -> str:
    match column.kind:
        case "date":
            return str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=units)).date())
        case "timestamp":
            return datetime.fromtimestamp(units, UTC).isoformat()
    return plain(units, column.scale)


def _rules(contract: Contract, names: list[str]) -> list[str]:
    rules = contract.rules
    joins = [" with ".join(_place(contract, place, names) for place in pair) for pair in rules.join]
    lines = [
        f"joined may be: {'; '.join(joins) or 'nothing'}",
        *_first_match(contract),
        f"may ask: {', '.join(contract.names(rules.ask))}",
        f"get the answers: {', '.join(contract.names(rules.receive))}",
        f"a group of fewer than {rules.groups_of_at_least} people does not show",
        "an empty group shows as zero" if rules.zero_shown else "an empty group looks like a small one",
    ]
    if rules.overlap_checks:
        lines.append(
            f"how many ids of a join match may be asked {rules.overlap_checks} times; told is a band, like 20 to 49"
        )
    if rules.dominance_percent is not None:
        lines.append(
            f"a group does not show where one person is more than {rules.dominance_percent} % of a sum or of what an "
            "average is made of; sums are asked where what one person adds is known: joins on ids that are unique"
        )
    if rules.groups_of_at_least > 1:
        lines.append("in a group that shows, fewer people than that may pass a FILTER or CASE, or have a value at all")
    if rules.questions == "approved":
        lines.append("only the questions below may be asked")
        if rules.groups_of_at_least > 1 and not contract.privacy:
            lines.append(
                "where a total that one of them tells, less the groups that another shows, would tell a group that "
                "does not show, one more group does not show; where such totals cross, none does"
            )
    else:
        lines.append("any question within these terms may be asked")
    lines += _noise(contract.privacy, contract) if contract.privacy else _exact()
    return lines + (promises(contract) if contract.protocol else _collusion(contract, names))


def _first_match(contract: Contract) -> list[str]:
    """How rows match where two tables may be joined by several ids."""
    tables = [tuple(sorted(place.table for place in pair)) for pair in contract.rules.join]
    if len(set(tables)) == len(tables):
        return []
    return [
        "a question may join two tables by one id OR another: these are tried in the order above and the first match "
        "wins, for each row of the table after FROM; a row of the other may be the match of one by each id, and counts "
        "with each"
    ]


def _noise(privacy: Privacy, contract: Contract) -> list[str]:
    """What differential privacy promises, against whom, and what it costs."""
    return [
        f"every number has noise: a question costs epsilon {epsilon_text(privacy.epsilon_per_question)} of each owner "
        f"whose rows it reads, who has {epsilon_text(privacy.epsilon_total)} for the contract's life; the same "
        f"question over the same rows gives the same answer again, and costs nothing",
        "that hides whether any one person is in the tables, with all the person's rows at all owners: all answers "
        "together are at most e^epsilon times as likely with the person as without",
        NOISE
        if contract.protocol
        else "the promise is kept also from receivers who pool their answers with fewer than half of the parties that "
        "compute; not if an owner puts in more rows of a person than rows_per_id, or values outside a range",
    ]


def _exact() -> list[str]:
    """What differencing can do where there is no noise."""
    return [
        "answers are exact: of two questions that count the same people but for one, the difference of the answers is "
        "that person's value; so is a total less what an owner or anybody else knows of it",
    ]


def _collusion(contract: Contract, names: list[str]) -> list[str]:
    """Who together could see more than the answers (psi.md 15; Shamir's threshold of the totals)."""
    lines = []
    for pair in contract.rules.join:
        owners = tuple(owner for place in pair for owner in contract.tables[place.table].owners)
        one, other = (names[owner] for owner in owners)
        helpers = [names[party] for party in computing_parties(contract, owners) if party not in owners]
        lines.append(
            f"in a join of {one} and {other}, {helpers[0]} helps: together with {one} or with {other} it could test "
            f"ids that it guesses against the other's, and read what is shared of them"
        )
    for table in contract.tables:
        if len(table.owners) > 2:
            lines.append(
                f"the totals of each owner of {table.name} stay its own, unless "
                f"{(len(table.owners) - 1) // 2 + 1} of {', '.join(names[owner] for owner in table.owners)} put "
                f"their shares together"
            )
    return lines


def _place(contract: Contract, place: JoinColumn, names: list[str]) -> str:
    table = contract.tables[place.table]
    return f"{names[table.owners[0]]}.{table.name}.{place.column}"


def _indented(text: str) -> list[str]:
    return [f"  | {line.rstrip()}" for line in text.strip().splitlines()]
