"""Versions only go up, each in the place of the one before; a withdrawal counts for whose key signed it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.contract.model import parse_contract
from glovebox.contract.statements import TIME
from glovebox.contract.succession import (
    check_succession,
    differences,
    read_withdrawal,
    successor,
    withdrawal,
)
from glovebox.errors import IntegrityError, Refused, UsageError
from glovebox.identity import key_text, public_bytes

FOLDER = Path(__file__).parents[2] / "examples" / "contracts"
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3)]


def contract(old="", new=""):
    text = (FOLDER / "spring-campaign.toml").read_text()
    for number, key in enumerate(KEYS, 1):
        text = text.replace(key_text(bytes([number]) * 32), key_text(public_bytes(key)))
    assert old in text
    return parse_contract(text.replace(old, new, 1).encode() if old else text.encode())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_the_next_version_differs_in_nothing_but_its_number(path):
    first = parse_contract(path.read_bytes())
    second = parse_contract(successor(first, {}))
    third = parse_contract(successor(second, {}))
    for old, new in ((first, second), (second, third)):
        assert new.version == old.version + 1
        assert new.supersedes == old.hash
        changed = differences(old, new)
        assert changed
        assert all("version" in line or "sha256" in line for line in changed), changed
    lines = first.text.decode().splitlines()
    assert [line for line in third.text.decode().splitlines() if line not in lines and "version" not in line] == [
        f'supersedes = "sha256:{second.hash.hex()}"'
    ]


def test_only_the_next_in_the_chain_is_added():
    first = contract()
    second = parse_contract(successor(first, {}))
    third = parse_contract(successor(second, {}))
    check_succession(first, [])
    check_succession(second, [])
    check_succession(second, [first])
    check_succession(first, [first])
    check_succession(third, [first, second])
    other = parse_contract(successor(first, {}).replace(b"buy more?", b"buy less?", 1))
    for new, held, code in (
        (first, [first, second], "contract_old"),
        (other, [second], "contract_old"),
        (third, [first], "contract_chain"),
        (contract("version  = 1", "version  = 2"), [first], "contract_chain"),
    ):
        with pytest.raises(Refused) as refused:
            check_succession(new, held)
        assert refused.value.code == code
        assert refused.value.hint


DIFFERENCES = [
    # what is replaced, by what, lines of the reading that went and that came
    ("range = [0, 5000]", "range = [0, 6000]", "from 0.00 to 5000.00", "from 0.00 to 6000.00"),
    ('may = ["group", "filter"]', 'may = ["group"]', "grouped by, filtered by", "grouped by"),
    ("2027-12-31", "2028-12-31", "to 2027-12-31", "to 2028-12-31"),
]


@pytest.mark.parametrize(("old", "new", "went", "came"), DIFFERENCES)
def test_a_difference_is_told_in_the_words_of_the_reading(old, new, went, came):
    changed = differences(contract(), contract(old, new))
    assert any(line.startswith("-") and went in line for line in changed), changed
    assert any(line.startswith("+") and came in line for line in changed), changed
    assert differences(contract(), contract()) == []


def test_a_withdrawal_is_the_party_s_whose_key_signed_it():
    agreed = contract()
    stated = read_withdrawal(agreed, withdrawal(agreed, KEYS[1]))
    assert stated.party == "publisher"
    assert abs((datetime.now(UTC) - datetime.strptime(stated.when, TIME).replace(tzinfo=UTC)).total_seconds()) < 60
    with pytest.raises(UsageError):
        withdrawal(agreed, Ed25519PrivateKey.generate())


def bent(line, place, word):
    words = line.strip().split(" ")
    words[place] = word
    return " ".join(words)


BENT = {
    "another party": lambda line: bent(line, 2, "notary"),
    "no party": lambda line: bent(line, 2, "four"),
    "another contract": lambda line: bent(line, 3, "ab" * 32),
    "another time": lambda line: bent(line, 4, "2020-01-01T00:00:00Z"),
    "no time": lambda line: bent(line, 4, "now"),
    "another signature": lambda line: bent(line, 5, withdrawal(contract(), KEYS[0]).split()[-1]),
    "not base64": lambda line: bent(line, 5, "!"),
    "a signature line": lambda line: bent(line, 1, "retailer"),
    "cut short": lambda line: line[:40],
    "empty": lambda line: "",
    "two lines": lambda line: line + line,
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_withdrawal_is_refused(name):
    agreed = contract()
    with pytest.raises(IntegrityError):
        read_withdrawal(agreed, BENT[name](withdrawal(agreed, KEYS[1])))
