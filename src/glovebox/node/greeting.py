"""How a node says who it is to another one, and what it asks: version, clock, the contracts that both hold."""

from __future__ import annotations

import time
from contextlib import suppress

import glovebox
from glovebox.contract.terms import Contract, Party
from glovebox.errors import GloveboxError
from glovebox.identity import public_bytes
from glovebox.node.contracts import load_contract, revocation_of
from glovebox.node.control import open_control
from glovebox.node.home import Home
from glovebox.node.messages import Greeting, open_signed, signed
from glovebox.planner.plan import PLAN_FORMAT

ANSWER_S = 5.0


def shared_contracts(home: Home, peer: bytes) -> list[Contract]:
    """The contracts of a home, signed by all, of which this node and the holder of a key are parties."""
    found = []
    for path in sorted(home.contracts.glob("*.toml")):
        with suppress(GloveboxError, ValueError):
            contract = load_contract(home, bytes.fromhex(path.stem))
            if peer in (party.key for party in contract.parties):
                found.append(contract)
    return found


def greeting(home: Home, peer: bytes) -> Greeting:
    """What this node says to the holder of a key."""
    hashes = tuple(contract.hash for contract in shared_contracts(home, peer))
    return Greeting(glovebox.__version__, PLAN_FORMAT, time.time(), hashes)


async def greet(home: Home, peer: bytes, name: str, address: str, deadline_s: float) -> Greeting:
    """Reach a party's node as a session would; what it says of itself. Raises PeerLost, or BadFrame."""
    key = home.key()
    link = await open_control(key, peer, name, address, deadline_s)
    try:
        await link.send(signed(key, 0, greeting(home, peer)))
        return open_signed(await link.receive(ANSWER_S), peer, Greeting)
    finally:
        await link.close()


def takes_links(home: Home, party: Party) -> bool:
    """Whether a party can be reached under its key: it takes connections, and the key was not taken back."""
    return not party.dials_out and revocation_of(home, party.key) is None


def parties_of(home: Home) -> dict[bytes, tuple[str, str]]:
    """Name and address of every other party that can be reached, by its key; of the latest contract."""
    own = public_bytes(home.key())
    contracts = sorted(shared_contracts(home, own), key=lambda contract: (contract.last, contract.version))
    return {
        party.key: (party.name, party.address)
        for contract in contracts
        for party in contract.parties
        if party.key != own and takes_links(home, party)
    }
