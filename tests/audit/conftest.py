from contextlib import closing

import pytest

from glovebox.audit.log import Log
from glovebox.audit.receipts import endorse, receipt_text, signed_receipt
from glovebox.cli.workloads import pair
from glovebox.contract.signing import sign_contract
from glovebox.identity import public_bytes
from glovebox.node.contracts import add_contract, read_contract, signature_file
from glovebox.node.home import Home
from glovebox.node.ledger import Ledger
from glovebox.node.state import State

PARTIES = ("left", "right", "notary")
SESSIONS = 6


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """left's home after some sessions, each with its entries, its spending and its receipt."""
    place = tmp_path_factory.mktemp("home")
    homes = {name: Home(place / name) for name in PARTIES}
    keys = {name: each.make(name, "127.0.0.1:7171") for name, each in homes.items()}
    addresses = {name: f"127.0.0.1:{port}" for port, name in enumerate(PARTIES, 7171)}
    text = pair(64).contract({name: public_bytes(key) for name, key in keys.items()}, addresses)
    file = place / "contract.toml"
    file.write_text(text)
    contract = read_contract(file)
    signature_file(file).write_text("".join(sign_contract(contract, key) for key in keys.values()))
    home = homes["left"]
    add_contract(home, file)
    state, log = State(home.state_file), Log(home.log_file, home.key())
    with closing(Ledger(home.ledger_file)) as ledger:
        for number in range(1, SESSIONS + 1):
            session = bytes([number]) * 16
            ledger.spend(contract.hash, session, "SELECT 1", {0: 500_000, 1: 250_000})
            log.write("started", session=session.hex(), ledger=ledger.head(contract.hash)[1].hex())
            said = receipt_text({
                "contract": f"{contract.name} v1 sha256:{contract.hash.hex()}", "statement": "SELECT 1",
                "asker": "left", "receivers": "left", "computed by": "left, right, notary", "session": session.hex(),
                "log of left": log.head.hex(), "log of right": bytes(32).hex(),
            })  # fmt: skip
            signed = signed_receipt(said, {name: endorse(key, said) for name, key in keys.items()})
            state.begin(session, contract.hash, "SELECT 1", "left")
            state.store_receipt(session, signed)
            log.write("signed", session=session.hex())
    state.close()
    log.close()
    return home
