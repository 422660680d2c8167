"""From the bytes of a contract to its terms: every rule that a contract must keep, with the line that breaks one."""

from __future__ import annotations

import functools
import hashlib
import re
from decimal import Decimal

from glovebox.contract.bounds import check_overflow
from glovebox.contract.document import Document, PrivacyPart, QuestionPart, RulesPart, read_document
from glovebox.contract.joins import Joins, read_joins
from glovebox.contract.lines import Fault, Lines, Path, hidden_character, read_toml
from glovebox.contract.tables import numbers_of, read_tables
from glovebox.contract.terms import EXACT, HOMOMORPHIC, MICRO, Contract, JoinColumn, Party, Privacy, Question, Rules
from glovebox.contract.two_owners import check_homomorphic
from glovebox.errors import Refused
from glovebox.identity import key_bytes

__all__ = ["Contract", "ContractError", "JoinColumn", "Party", "Privacy", "Question", "Rules", "parse_contract"]


class ContractError(Refused):
    """A contract breaks a rule; step is the line, hint what to write instead. Its code begins with `contract_`."""

    code = "contract"


@functools.lru_cache(64)  # a node reads its contracts at every question, and a text is always the same contract
def parse_contract(text: bytes) -> Contract:
    """The contract of these exact bytes. Raises ContractError for the first rule that it breaks.

    What the parties signed is not looked at here (`signing`), nor whether the contract holds today.
    """
    lines = Lines({})
    try:
        toml, lines = read_toml(text)
        return _contract(text, read_document(toml, lines))
    except Fault as fault:
        line = fault.line or lines.of(fault.path)
        raise ContractError(fault.sentence, code=fault.code, step=f"line {line}", hint=fault.hint) from fault


def _contract(text: bytes, document: Document) -> Contract:
    if document.first > document.until:
        raise Fault("contract_dates", ("until",), "the contract ends before it begins", "write until after from")
    for key, sentence in (("purpose", document.purpose), ("legal_basis", document.legal_basis or "")):
        if found := hidden_character(sentence):
            raise Fault("contract_invisible", (key,), f"the {key} holds the character {found}", "leave it out")
    parties = _parties(document)
    names = [party.name for party in parties]
    tables = read_tables(document.table, names, surplus_dropped=document.privacy is not None)
    tables, joins = read_joins(tables, names, document.rules.join)
    contract = Contract(
        text=text,
        hash=hashlib.sha256(text).digest(),
        name=document.name,
        version=document.version,
        purpose=document.purpose,
        first=document.first,
        last=document.until,
        parties=parties,
        tables=tables,
        rules=_rules(document.rules, document.privacy, names, joins),
        questions=_questions(document.question, names),
        privacy=_privacy(document.privacy),
        supersedes=bytes.fromhex(document.supersedes.removeprefix("sha256:")) if document.supersedes else None,
        protocol=document.protocol,
        legal_basis=document.legal_basis or "",
    )
    check_overflow(contract)
    if contract.protocol == HOMOMORPHIC:
        check_homomorphic(contract)
    return contract


def _parties(document: Document) -> tuple[Party, ...]:
    parties: list[Party] = []
    for index, part in enumerate(document.party):
        path: Path = ("party", index)
        if part.dial is not None and document.protocol is not None:
            hint = "leave dial out, and open the port of its address"
            raise Fault("contract_not_served", (*path, "dial"), 'dial = "out" is not served for two owners alone', hint)
        try:
            party = Party(part.name, key_bytes(part.key), part.address, part.dial == "out")
        except ValueError as problem:
            raise Fault("contract_key", (*path, "key"), str(problem), "copy it from `glovebox identity`") from problem
        if not re.fullmatch(r"([a-z0-9][a-z0-9.-]{0,252}|\[[0-9a-f:]{2,39}\]):[1-9][0-9]{0,4}", part.address):
            hint = "write host:port, in lower case"
            raise Fault("contract_address", (*path, "address"), f"{part.name} has no such address", hint)
        for field, code in (("name", "contract_party_twice"), ("key", "contract_key_twice")):
            if any(getattr(party, field) == getattr(other, field) for other in parties):
                raise Fault(code, (*path, field), f"two parties have one {field}", f"give each its own {field}")
        if any(party.address == other.address for other in parties):
            hint = "give each its own address"
            raise Fault("contract_address_twice", (*path, "address"), "two parties have one address", hint)
        parties.append(party)
    if document.protocol is not None and len(parties) != 2:
        sentence = f"there are {len(parties)} parties, and {document.protocol} is for exactly two"
        raise Fault(
            "contract_not_two_parties", ("protocol",), sentence, "leave protocol out, with three parties or more"
        )
    if document.protocol is None and len(parties) < 3:
        sentence = f"there are {len(parties)} parties, and two could only share what each can undo"
        hint = 'invite a neutral third, a [[party]] without a table; or protocol = "two-party" for two alone'
        raise Fault("contract_few_parties", ("party",), sentence, hint)
    return tuple(parties)


def _rules(part: RulesPart, privacy: PrivacyPart | None, names: list[str], joins: Joins) -> Rules:
    exact = part.exact is not None
    if exact and part.exact != EXACT:
        raise Fault("contract_exact", ("rules", "exact"), "exact is not the one sentence", f'exact = "{EXACT}"')
    if exact and privacy is not None:
        sentence = "answers of a contract with [privacy] have noise, and are never exact"
        raise Fault("contract_exact", ("rules", "exact"), sentence, "leave exact out, or [privacy]")
    if part.zero is not None and privacy is not None:
        sentence = "with noise nobody can tell that a group is empty"
        raise Fault("contract_zero", ("rules", "zero"), sentence, "leave zero out")
    if part.dominance_percent is not None and privacy is not None:
        sentence = "noise hides what one person adds, whatever share of a total that is"
        raise Fault("contract_dominance", ("rules", "dominance_percent"), sentence, "leave dominance_percent out")
    if part.groups_of_at_least < 2 and not exact:
        sentence = "groups of one show single persons"
        hint = f'at least 2, or exact = "{EXACT}"'
        raise Fault("contract_threshold", ("rules", "groups_of_at_least"), sentence, hint)
    if part.questions == "any" and privacy is None and not exact:
        sentence = "any question may be asked, and no budget limits what the answers tell together"
        hint = f'questions = "approved", or a [privacy] budget, or exact = "{EXACT}"'
        raise Fault("contract_any_without_budget", ("rules", "questions"), sentence, hint)
    if part.overlap_checks and privacy is not None:
        sentence = "match checks are not served under a budget of differential privacy"
        hint = "leave overlap_checks out, and ask COUNT(DISTINCT id)"
        raise Fault("contract_not_served", ("rules", "overlap_checks"), sentence, hint)
    return Rules(
        join=joins,
        ask=numbers_of(part.ask, names, ("rules", "ask")),
        receive=numbers_of(part.receive, names, ("rules", "receive")),
        groups_of_at_least=part.groups_of_at_least,
        questions=part.questions,
        exact=exact,
        zero_shown=part.zero == "shown",
        dominance_percent=part.dominance_percent,
        overlap_checks=part.overlap_checks,
    )


def _privacy(part: PrivacyPart | None) -> Privacy | None:
    if part is None:
        return None
    amounts = []
    for key in ("epsilon_total", "epsilon_per_question"):
        text = getattr(part, key)
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", text) or Decimal(text) == 0:
            raise Fault("contract_epsilon", ("privacy", key), f"{key} is no amount", 'a decimal over 0, like "0.5"')
        amounts.append(int(Decimal(text) * MICRO))
    if amounts[1] > amounts[0]:
        sentence = "one question would cost more than there is"
        hint = "epsilon_per_question of at most epsilon_total"
        raise Fault("contract_epsilon", ("privacy", "epsilon_per_question"), sentence, hint)
    return Privacy(*amounts)


def _questions(parts: list[QuestionPart], names: list[str]) -> tuple[Question, ...]:
    questions: list[Question] = []
    for index, part in enumerate(parts):
        path: Path = ("question", index)
        if any(part.name == question.name for question in questions):
            sentence = f"two questions are named {part.name}"
            raise Fault("contract_question_twice", (*path, "name"), sentence, "give each its own name")
        receive = None if part.receive is None else numbers_of(part.receive, names, (*path, "receive"))
        questions.append(
            Question(name=part.name, sql=part.sql, parameters=tuple(part.parameters.items()), receive=receive)
        )
    return tuple(questions)
