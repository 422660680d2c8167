"""A party changes its key, or takes one back: the log goes on under both, and the old key opens nothing any more."""

import shutil
from itertools import pairwise
from types import SimpleNamespace

import pytest

from glovebox.audit.log import Log, rotation, verify_log
from glovebox.contract.revocation import read_revocation, revocation
from glovebox.contract.signing import sign_contract
from glovebox.errors import GloveboxError, IntegrityError, PeerLost, UsageError
from glovebox.identity import Ed25519PrivateKey, key_text, public_bytes
from glovebox.node.contracts import add_contract, note_revocation, read_contract, signature_file
from glovebox.node.control import open_control
from glovebox.node.evidence import verify_home, verify_other
from glovebox.node.greeting import parties_of
from glovebox.node.home import Home
from glovebox.node.node import Node
from glovebox.node.records import _others
from glovebox.node.rotation import rotate

from ..questions.fleets import agreed, ask, bind_rows
from .test_bound_databases import TERMS
from .test_contract_ends import command

QUESTION = "SELECT COUNT(*) AS n FROM sales JOIN members USING (id)"


def bind(fleet):
    bind_rows(fleet, "alpha", "sales", ["id", "amount"], [[n, 1] for n in range(6)])
    bind_rows(fleet, "beta", "members", ["id"], [[n] for n in range(3, 9)])


def test_a_party_changes_its_key(tmp_path):
    fleet = agreed(tmp_path, ["alpha", "beta", "notary"], TERMS)
    bind(fleet)
    with fleet:
        assert ask(fleet, "alpha", QUESTION).rows[0][0] == 3
        assert "another node runs" in command(fleet, "beta", "key", "rotate").stderr
        first, old = read_contract(fleet.contract), fleet.homes["beta"].key()
        fleet.stop("beta")
        statement = tmp_path / "statement.txt"
        done = command(fleet, "beta", "key", "rotate")
        assert done.returncode == 0, done.stderr
        statement.write_text(done.stdout.splitlines()[0] + "\n")
        new = fleet.homes["beta"].key()
        assert public_bytes(new) != public_bytes(old)
        fleet.start("beta")

        done = command(fleet, "alpha", "key", "revoked", statement)
        assert done.returncode == 0, done.stderr
        with pytest.raises(GloveboxError) as refused:
            ask(fleet, "alpha", QUESTION)
        assert (refused.value.code, refused.value.exit_code) == ("key_revoked", 3)
        assert "the key of beta in test v1 was taken back" in refused.value.summary

        done = command(fleet, "alpha", "contract", "supersede", "test", "--out", "next.toml")  # with the next key in it
        assert done.returncode == 0, done.stderr
        fleet.contract = tmp_path / "next.toml"
        second = read_contract(fleet.contract)
        assert [party.key for party in second.parties][1] == public_bytes(new)
        lines = [sign_contract(second, home.key()) for home in fleet.homes.values()]
        signature_file(fleet.contract).write_text("".join(lines))
        for home in fleet.homes.values():
            add_contract(home, fleet.contract)
        bind(fleet)
        assert ask(fleet, "alpha", QUESTION).rows[0][0] == 3
    for home in fleet.homes.values():
        assert verify_home(home).receipts == 2
    log = fleet.homes["beta"].log_file
    assert verify_log(log, public_bytes(old)) == verify_log(log, public_bytes(new))
    for contract in (first, second):  # the log as both versions know its key, against the receipts under both
        assert verify_other(fleet.homes["alpha"], contract, "beta", log).receipts == 2


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.make("alpha", "127.0.0.1:7171")
    return home


def test_a_rotation_that_was_cut_off_is_ended_by_doing_it_again(home, monkeypatch):
    old = public_bytes(home.key())

    def cut_off(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("glovebox.node.rotation.note_revocation", cut_off)
        with pytest.raises(KeyboardInterrupt):
            rotate(home)
    with pytest.raises(UsageError, match="begun and not ended"):
        Node(home)
    stated = read_revocation(rotate(home))
    assert (stated.key, stated.successor) == (old, public_bytes(home.key()))
    assert verify_log(home.log_file, old) == 1
    rotate(home)
    assert verify_log(home.log_file, public_bytes(home.key())) == verify_log(home.log_file, old) == 2


def test_a_log_goes_over_to_no_key_that_did_not_sign(home):
    rotate(home)
    old_log, stranger = home.log_file.read_bytes(), Ed25519PrivateKey.generate()
    with pytest.raises(IntegrityError, match="the log of another key"):
        verify_log(home.log_file, public_bytes(stranger))
    shutil.rmtree(home.log_file.parent)
    next_key = public_bytes(home.key())
    thief = Log(home.log_file, stranger)  # somebody's log that says it goes on under this party's key
    thief.write("rotated", **rotation(stranger, stranger, thief.head) | {"new": key_text(next_key)})
    thief.close()
    for key in (next_key, public_bytes(stranger)):
        with pytest.raises(IntegrityError, match="line 1"):
            verify_log(home.log_file, key)
    home.log_file.write_bytes(old_log)
    assert verify_log(home.log_file, next_key) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace("none", "ed25519:" + "A" * 43),
        lambda line: line.replace("revokes", "withdraws"),
        lambda line: line.rsplit(" ", 1)[0],
        lambda line: line.rsplit(" ", 1)[0] + " " + "A" * 86 + "==",
        lambda line: line.replace(" 20", " 19", 1),
    ],
)
def test_only_the_holder_of_a_key_takes_it_back(change):
    line = revocation(Ed25519PrivateKey.generate())
    assert read_revocation(line).successor is None
    with pytest.raises(IntegrityError):
        read_revocation(change(line))


def test_a_next_version_has_the_last_key_of_each_party_and_says_who_stated_it(tmp_path):
    fleet = agreed(tmp_path, ["alpha", "beta", "notary"], TERMS)
    home, old = fleet.homes["alpha"], fleet.homes["beta"].key()
    second, third, thief = (Ed25519PrivateKey.generate() for _ in range(3))
    first = revocation(old, public_bytes(second))
    for line in (first, first, revocation(second, public_bytes(third))):
        note_revocation(home, line)
    done = command(fleet, "alpha", "contract", "supersede", "test", "--out", "next.toml")
    assert done.returncode == 0, done.stderr
    assert read_contract(tmp_path / "next.toml").parties[1].key == public_bytes(third)
    keys = [key_text(public_bytes(key)) for key in (old, second, third)]
    told = [line.split(", by its statement of ") for line in done.stdout.splitlines()[:2]]
    assert [way for way, _ in told] == [f"key of beta: {a} -> {b}" for a, b in pairwise(keys)]
    assert all(said.endswith("; ask beta by another way") for _, said in told)

    for key, following in ((third, old), (second, thief)):  # a circle; two that one key named
        note_revocation(home, revocation(key, public_bytes(following)))
        done = command(fleet, "alpha", "contract", "supersede", "test", "--out", "none.toml")
        assert done.returncode == 3
        assert "the next key of beta disagrees" in done.stderr
        assert key_text(public_bytes(following)) in done.stderr
        assert not (tmp_path / "none.toml").exists()


def test_nobody_dials_a_key_that_was_taken_back(tmp_path):
    fleet = agreed(tmp_path, ["alpha", "beta", "notary"], TERMS)
    home, thief = fleet.homes["notary"], fleet.homes["alpha"].key()
    node = SimpleNamespace(home=home, public=fleet.keys["notary"])
    assert [number for _, number in _others(node)] == [0, 1]
    note_revocation(home, revocation(thief))
    assert [number for _, number in _others(node)] == [1]
    assert list(parties_of(home)) == [fleet.keys["beta"]]


async def test_a_revoked_key_gets_no_link(tmp_path):
    fleet = agreed(tmp_path, ["alpha", "beta", "notary"], TERMS)
    thief = fleet.homes["alpha"].key()
    statement = tmp_path / "statement.txt"
    fleet.start("notary")
    try:
        where = (fleet.keys["notary"], "notary", fleet.addresses["notary"], 30.0)
        link = await open_control(thief, *where)
        await link.close()
        statement.write_text(command(fleet, "alpha", "key", "revoke").stdout.splitlines()[0])
        assert command(fleet, "notary", "key", "revoked", statement).returncode == 0
        with pytest.raises(PeerLost):
            link = await open_control(thief, *where)
            await link.receive(30)
    finally:
        fleet.stop("notary")
