"""A contract counts for those who signed its very bytes; a line that does not verify is never passed over."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.contract.model import parse_contract
from glovebox.contract.signing import sign_contract, verify_signatures
from glovebox.errors import IntegrityError, UsageError
from glovebox.identity import key_text, public_bytes, sign

EXAMPLE = Path(__file__).parents[2] / "examples" / "contracts" / "spring-campaign.toml"
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3)]


def contract(extra=""):
    text = EXAMPLE.read_text()
    for number, key in enumerate(KEYS, 1):
        text = text.replace(key_text(bytes([number]) * 32), key_text(public_bytes(key)))
    return parse_contract((text + extra).encode())


def test_lines_of_several_copies_may_be_put_together():
    agreed = contract()
    lines = [sign_contract(agreed, key) for key in KEYS]
    assert lines[0].startswith(f"glovebox/1 retailer {agreed.hash.hex()} ")
    assert verify_signatures(agreed, "") == set()
    assert verify_signatures(agreed, lines[2] + "\n" + lines[0] + lines[2]) == {"retailer", "notary"}
    assert verify_signatures(agreed, "".join(lines).replace("\n", "\r\n")) == {"retailer", "publisher", "notary"}


def test_a_key_of_no_party_signs_nothing():
    with pytest.raises(UsageError):
        sign_contract(contract(), Ed25519PrivateKey.generate())


def bent(line, word, change):
    words = line.rstrip("\n").split(" ")
    words[word] = change(words[word])
    return " ".join(words)


def flipped(text):
    signature = base64.b64decode(text)
    return base64.b64encode(bytes([signature[0] ^ 1]) + signature[1:]).decode()


BENT = {
    "another mark": lambda agreed, line: bent(line, 0, lambda _: "glovebox/2"),
    "another party's name": lambda agreed, line: bent(line, 1, lambda _: "publisher"),
    "no party's name": lambda agreed, line: bent(line, 1, lambda _: "four"),
    "another hash": lambda agreed, line: bent(line, 2, lambda digest: digest[::-1]),
    "upper case": lambda agreed, line: bent(line, 2, str.upper),
    "a flipped bit": lambda agreed, line: bent(line, 3, flipped),
    "no padding": lambda agreed, line: bent(line, 3, lambda text: text.rstrip("=")),
    "not base64": lambda agreed, line: bent(line, 3, lambda text: "!" + text[1:]),
    "cut short": lambda agreed, line: line[:-20],
    "one word too many": lambda agreed, line: line.rstrip("\n") + " x",
    "signed for a log": lambda agreed, line: bent(
        line, 3, lambda _: base64.b64encode(sign(KEYS[0], "log", agreed.text)).decode()
    ),
    "the hash signed": lambda agreed, line: bent(
        line, 3, lambda _: base64.b64encode(sign(KEYS[0], "contract", agreed.hash)).decode()
    ),
    "the same meaning in other bytes": lambda agreed, line: sign_contract(contract("\n"), KEYS[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", BENT)
def test_a_bent_line_is_refused_by_its_number(name):
    agreed = contract()
    good = sign_contract(agreed, KEYS[1])
    bad = BENT[name](agreed, sign_contract(agreed, KEYS[0]))
    with pytest.raises(IntegrityError) as refused:
        verify_signatures(agreed, f"{good}{bad}\n")
    assert refused.value.step == "line 2"
