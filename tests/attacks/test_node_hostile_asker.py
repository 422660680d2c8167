"""A party with its true key asks, and says what no honest asker says (threats.md W1, W3, W9, W15, F1, C10, C11)."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from msgspec.structs import replace

import glovebox
from glovebox.cli.fleet import anew
from glovebox.contract.signing import sign_contract
from glovebox.identity import sign
from glovebox.node.contracts import read_contract, signature_file
from glovebox.node.messages import (
    Acceptance,
    Cancel,
    Endorsement,
    Failed,
    Receipt,
    Refusal,
    Signed,
    Start,
    encode,
    signed,
)

from ..waiting import PATIENCE_S
from .hostile import (
    HEADER,
    QUESTION,
    Hostile,
    count,
    evil,
    framed,
    is_right,
    nodes,
    opened,
    packed,
    places,
    propose,
    reply_to,
    sessions,
)
from .plain_mpyc import resident_mib

pytestmark = pytest.mark.attack

GIB = 1 << 30
VERSION = glovebox.__version__.encode()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with nodes(tmp_path_factory.mktemp("fleet"), "sessions = 6\n") as running:
        yield running


async def good(fleet):
    return is_right(await fleet.ask_async("left", anew(QUESTION)))


def no_proposals(hostile, folder):
    """Bytes on a control link that are no proposal, by name."""
    proposal = packed(hostile.proposal())
    message = Start(secrets.token_bytes(16), ())
    return {
        "a pickle": evil(folder),
        "a pickle as body": encode(Signed(0, evil(folder), sign(hostile.key, "message/proposal", evil(folder)))),
        "random": secrets.token_bytes(1000),
        "empty": b"",
        "deep": b"\x91" * (1 << 20),
        "long lists announced": b"\x93\xdd\xff\xff\xff\xff",
        "unknown field": packed({"party": 0, "body": proposal, "signature": b"", "more": 1}),
        "no envelope": proposal,
        **{
            kind.__name__: encode(hostile.sign(other))
            for kind, other in {
                Acceptance: hostile.acceptance(message.session),
                Start: message,
                Cancel: Cancel(message.session, "why not"),
                Receipt: Receipt(message.session, "text", {}),
                Endorsement: Endorsement(message.session, 0, bytes(64)),
            }.items()
        },
    }


async def test_what_is_no_proposal_is_closed(fleet, tmp_path):
    hostile = Hostile(fleet)
    before = sessions(fleet, "notary")
    for name, data in no_proposals(hostile, tmp_path).items():
        link = await hostile.link("notary")
        assert await reply_to(link, framed(data)) is None, name
        await link.close()
    assert not (tmp_path / "ran").exists()
    assert sessions(fleet, "notary") == before
    assert await good(fleet)


async def test_an_announced_length_costs_nothing(fleet):
    hostile = Hostile(fleet)
    process = fleet.processes["notary"]
    await (await hostile.link("notary")).close()
    before = resident_mib(process)
    for size in (4 * GIB - 1, 4 << 20 | 1):
        link = await hostile.link("notary")
        assert await reply_to(link, HEADER.pack(size) + bytes(1 << 16)) is None
        await link.close()
    assert resident_mib(process) - before < 16
    assert await good(fleet)


def bad_proposals(hostile):
    """Signed proposals, and the code of the refusal each must meet."""
    proposal = hostile.proposal()
    body, right = packed(proposal), Hostile(hostile.fleet, "right")
    changed = bytes([hostile.contract.hash[0] ^ 1]) + hostile.contract.hash[1:]
    return {
        "unsigned": (Signed(0, body, b""), "integrity"),
        "signed for another message": (Signed(0, body, sign(hostile.key, "message/start", body)), "integrity"),
        "signed as a contract": (Signed(0, body, sign(hostile.key, "contract", body)), "integrity"),
        "signed without a domain": (Signed(0, body, hostile.key.sign(body)), "integrity"),
        "signed by another party": (signed(right.key, 0, proposal), "integrity"),
        "one bit changed": (replace(hostile.sign(proposal), body=body[:-1] + bytes([body[-1] ^ 1])), "integrity"),
        "in another's name": (hostile.sign(replace(proposal, asker=1)), "integrity"),
        "in another's name, all through": (signed(hostile.key, 1, replace(proposal, asker=1)), "integrity"),
        "another's true proposal": (right.sign(right.proposal()), "integrity"),
        "of nobody": (signed(hostile.key, 99, replace(proposal, asker=99)), "integrity"),
        "of less than nobody": (signed(hostile.key, -1, replace(proposal, asker=-1)), "integrity"),
        "an unknown contract": (hostile.sign(hostile.proposal(contract=secrets.token_bytes(32))), "contract_unknown"),
        "one byte of the contract": (hostile.sign(hostile.proposal(contract=changed)), "contract_unknown"),
        "no contract": (hostile.sign(hostile.proposal(contract=b"")), "contract_unknown"),
        "a long contract": (hostile.sign(hostile.proposal(contract=bytes(1 << 20))), "contract_unknown"),
        "no session": (hostile.sign(hostile.proposal(session=b"")), "session_used"),
        "session zero": (hostile.sign(hostile.proposal(session=bytes(16))), "session_used"),
        "a long session": (hostile.sign(hostile.proposal(session=b"1" * 17)), "session_used"),
        "no question": (hostile.sign(hostile.proposal(statement="")), "refused"),
        "not SQL": (hostile.sign(hostile.proposal(statement="\0\x1b[2J" * 1000)), "refused"),
        "deep SQL": (hostile.sign(hostile.proposal(statement="SELECT " + "(" * 100_000)), "refused"),
        "writing SQL": (hostile.sign(hostile.proposal(statement="COPY spending TO '/tmp/x'")), "refused"),
        "rows": (hostile.sign(hostile.proposal(statement="SELECT * FROM spending")), "refused"),
        "unknown parameter": (hostile.sign(hostile.proposal(parameters={"a": "b"})), "parameters"),
    }


async def test_a_bad_proposal_is_refused_with_a_signed_reason(fleet):
    hostile = Hostile(fleet)
    before = sessions(fleet, "notary")
    for name, (envelope, code) in bad_proposals(hostile).items():
        link = await hostile.link("notary")
        refusal = opened(hostile, "notary", await propose(link, envelope), Refusal)
        assert refusal.code == code, (name, refusal)
        assert refusal.summary
        assert sum(map(len, (refusal.summary, refusal.hint, *refusal.detail))) < 2000, name
        await link.close()
    assert sessions(fleet, "notary") == before
    assert await good(fleet)


async def test_a_party_that_may_not_ask_is_refused(fleet):
    hostile = Hostile(fleet, "notary")
    link = await hostile.link("right")
    refusal = opened(hostile, "right", await propose(link, hostile.sign(hostile.proposal())), Refusal)
    assert (refusal.code, refusal.step) == ("asker", "rules.ask")
    await link.close()


async def refused(hostile, contract, to="notary"):
    link = await hostile.link(to)
    proposal = hostile.sign(hostile.proposal(contract=contract.hash))
    refusal = opened(hostile, to, await propose(link, proposal), Refusal)
    await link.close()
    return refusal


async def test_contracts_that_do_not_hold_are_refused(fleet, tmp_path):
    """Expired, not begun, partly signed, signed by others, changed in the home: each by its own code."""
    hostile, home = Hostile(fleet), fleet.homes["notary"]
    text = fleet.contract.read_text()
    cases = {
        "contract_expired": text.replace("until = 2099-12-31", "until = 2026-02-01"),
        "contract_not_yet": text.replace("from = 2026-01-01", "from = 2099-01-01"),
        "contract_unsigned": text.replace("version = 1", "version = 2"),
        "integrity": text.replace("version = 1", "version = 3"),
    }
    for code, changed in cases.items():
        path = tmp_path / f"{code}.toml"
        path.write_text(changed)
        contract = read_contract(path)
        lines = [sign_contract(contract, other.key()) for other in fleet.homes.values()]
        if code == "contract_unsigned":
            lines.pop()
        if code == "integrity":  # the last line with the signature under the contract that does hold
            good_line = signature_file(fleet.contract).read_text().splitlines()[-1]
            lines[-1] = lines[-1].rsplit(" ", 1)[0] + " " + good_line.rsplit(" ", 1)[1]
        target = home.contracts / f"{contract.hash.hex()}.toml"
        target.write_text(changed)
        signature_file(target).write_text("".join(lines))
        assert (await refused(hostile, contract)).code == code
        if code == "contract_unsigned":
            target.write_text(changed + "\n")
            assert (await refused(hostile, contract)).code == "contract_changed"
    assert await good(fleet)


async def accepted(hostile, to="notary", **changes):
    """A control link, and the acceptance that a node sent on it; a place that is being given back is waited for."""
    while True:
        link = await hostile.link(to)
        proposal = hostile.proposal(**changes)
        envelope = await propose(link, hostile.sign(proposal))
        message = opened(hostile, to, envelope, Acceptance, Refusal)
        if isinstance(message, Acceptance):
            return link, proposal.session, envelope
        assert message.code == "busy", message
        await link.close()


def starts(fleet, session, own, folder):
    """Envelopes in the place of a good start, and the code of the failure that each must meet. own: the notary's."""
    left, right = Hostile(fleet), Hostile(fleet, "right")
    mine, theirs = left.sign(left.acceptance(session)), right.sign(right.acceptance(session))

    def start(*acceptances):
        return left.sign(Start(session, acceptances))

    other = start(left.sign(left.acceptance(session, plan=secrets.token_bytes(32))), theirs, own)
    older = start(left.sign(left.acceptance(session, plan_format=0)), theirs, own)
    strange = start(left.sign(left.acceptance(session, recipe=bytes(32))), theirs, own)
    body = evil(folder)
    return {
        "a pickle": (Signed(0, body, sign(left.key, "message/start", body)), "bad_frame"),
        "another plan": (other, "plan_differs"),
        "another plan format": (older, "plan_differs"),
        "another recipe for ids": (strange, "recipe_differs"),
        "one missing": (start(mine, own), "integrity"),
        "own missing": (start(mine, theirs), "integrity"),
        "another order": (start(theirs, mine, own), "integrity"),
        "one twice": (start(mine, mine, theirs, own), "integrity"),
        "of another session": (
            start(left.sign(left.acceptance(secrets.token_bytes(16))), theirs, own),
            "integrity",
        ),
        "in another's name": (start(mine, signed(left.key, 1, right.acceptance(session)), own), "integrity"),
        "by another number": (start(mine, replace(theirs, party=0), own), "integrity"),
        "of a party that is none": (
            start(mine, theirs, own, left.sign(left.acceptance(session, party=7))),
            "integrity",
        ),
        "own, changed": (
            start(mine, theirs, replace(own, body=own.body.replace(VERSION, VERSION.replace(b"0", b"9")))),
            "integrity",
        ),
        "signed by another party": (signed(right.key, 0, Start(session, (mine, theirs, own))), "integrity"),
        "cancel": (left.sign(Cancel(session, "no")), "cancelled"),
        "proposal": (left.sign(left.proposal(session=session)), "bad_frame"),
        "start of another session": (left.sign(Start(secrets.token_bytes(16), (mine, theirs, own))), "integrity"),
    }


async def test_a_bad_start_starts_nothing(fleet, tmp_path):
    hostile = Hostile(fleet)
    names = list(starts(fleet, bytes(16), Signed(2, b"12", b""), tmp_path))
    outcome = {}
    for name in names:
        link, session, own = await accepted(hostile)
        envelope, code = starts(fleet, session, own, tmp_path)[name]
        await link.send(envelope)
        failed = opened(hostile, "notary", await link.receive(PATIENCE_S), Failed)
        outcome[name] = (failed.code, code)
        await link.close()
        (_, state, _), *_ = sessions(fleet, "notary")
        assert state == "released", name
    assert {name: code for name, (code, _) in outcome.items()} == {name: code for name, (_, code) in outcome.items()}
    assert not (tmp_path / "ran").exists()
    assert count(fleet, "notary", "openings") == count(fleet, "right", "openings")
    assert await good(fleet)


async def test_a_session_id_is_good_for_one_proposal(fleet):
    """Again after it ended, while it is held, at the same moment, and as a dry run."""
    hostile = Hostile(fleet)
    link, session, _ = await accepted(hostile)
    again = await hostile.link("notary")
    envelope = hostile.sign(hostile.proposal(session=session))
    assert opened(hostile, "notary", await propose(again, envelope), Refusal).code == "session_used"
    right = Hostile(fleet, "right")
    for dry_run in (False, True):  # a member of the session that wants its slot or its end
        other = await right.link("notary")
        envelope = right.sign(right.proposal(session=session, dry_run=dry_run))
        assert opened(right, "notary", await propose(other, envelope), Refusal).code == "session_used"
        await other.close()
    await link.send(hostile.sign(Cancel(session, "no")))  # the first is still held and answers
    assert opened(hostile, "notary", await link.receive(PATIENCE_S), Failed).code == "cancelled"

    links = [await hostile.link("notary") for _ in range(3)]
    envelope = hostile.sign(hostile.proposal())
    replies = await asyncio.gather(*(propose(each, envelope) for each in links))
    kinds = [opened(hostile, "notary", reply, Acceptance, Refusal) for reply in replies]
    assert sorted(type(kind).__name__ for kind in kinds) == ["Acceptance", "Refusal", "Refusal"]
    assert {kind.code for kind in kinds if isinstance(kind, Refusal)} == {"session_used"}
    for each in (link, again, *links):
        await each.close()
    assert await good(fleet)


async def test_a_recorded_session_cannot_be_run_again(fleet):
    """Every envelope of a true session, in a new one and in its own (W9)."""
    hostile = Hostile(fleet)
    first, session, own = await accepted(hostile)
    recorded = starts(fleet, session, own, fleet.directory)["own missing"][0]
    await first.close()
    link = await hostile.link("notary")
    assert (
        opened(hostile, "notary", await propose(link, recorded_proposal(hostile, session)), Refusal).code
        == "session_used"
    )
    await link.close()
    second, fresh, _ = await accepted(hostile)
    assert fresh != session
    await second.send(recorded)
    assert opened(hostile, "notary", await second.receive(PATIENCE_S), Failed).code == "integrity"
    await second.close()


def recorded_proposal(hostile, session):
    return hostile.sign(hostile.proposal(session=session))


async def test_one_party_cannot_take_every_place(fleet):
    """Of six sessions a party may hold four; the seventh of all is told at once that the node is busy (F7)."""
    hostile, right = Hostile(fleet), Hostile(fleet, "right")
    await until_free(fleet)
    held = [(await accepted(hostile))[0] for _ in range(4)]
    link = await hostile.link("notary")
    assert opened(hostile, "notary", await propose(link, hostile.sign(hostile.proposal())), Refusal).code == "busy"
    assert await good_of(fleet, "right")
    held += [(await accepted(right))[0] for _ in range(2)]
    other = await right.link("notary")
    assert opened(right, "notary", await propose(other, right.sign(right.proposal())), Refusal).code == "busy"
    for each in (link, other, *held):
        await each.close()
    assert await good(fleet)


async def until_free(fleet):
    """Wait until the notary has given back the places of what came before."""
    while await places(fleet, "notary"):
        await asyncio.sleep(0.01)


async def good_of(fleet, party):
    return is_right(await fleet.ask_async(party, anew(QUESTION)))


async def test_silence_ends_by_its_deadline(fleet):
    """After an acceptance, in the middle of a start, and on more links than a party has use for."""
    hostile = Hostile(fleet)
    silent, _, _ = await accepted(hostile, expires_s=1)
    half, session, own = await accepted(hostile, expires_s=1)
    start = encode(starts(fleet, session, own, fleet.directory)["another plan"][0])
    half._writer.write(framed(start)[:100])
    never, _, _ = await accepted(hostile, expires_s=-5)
    for link in (silent, half, never):
        failed = opened(hostile, "notary", await link.receive(PATIENCE_S), Failed)
        assert (failed.code, failed.step) == ("peer_lost", "accepted")
    links = [await Hostile(fleet, "right").link("notary") for _ in range(40)]
    assert await good(fleet)
    for link in (silent, half, never, *links):
        await link.close()
    assert {state for _, state, _ in sessions(fleet, "notary")} <= {"released", "signed", "failed"}
