"""The example contracts are the demo's, whole and good."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.cli.exercises import CAMPAIGN, HOSPITALS
from glovebox.contract.model import parse_contract
from glovebox.identity import public_bytes

EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"


def written(exercise):
    """The contract with keys that anyone can make: they are examples, and sign nothing."""
    keys = {
        party: public_bytes(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))
        for number, party in enumerate(exercise.parties, 1)
    }
    addresses = {party: f"glovebox.{party}.example:7171" for party in exercise.parties}
    return exercise.contract(keys, addresses)


@pytest.mark.parametrize("exercise", [CAMPAIGN, HOSPITALS], ids=lambda exercise: exercise.name)
def test_an_example_is_the_demos_contract(exercise):
    contract = parse_contract(written(exercise).encode())
    assert (EXAMPLES / f"{contract.name}.toml").read_text() == written(exercise)
