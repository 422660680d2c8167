"""Who is named when a party is lost: everybody says at once what it saw, the asker hears all and then tells all."""

import asyncio
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.errors import GloveboxError, PeerError, PeerLost
from glovebox.identity import public_bytes
from glovebox.node import coordinator
from glovebox.node.attendance import _until_ended
from glovebox.node.blame import Hearsay, rank
from glovebox.node.messages import Cancel, signed
from glovebox.node.workers import WORKER_LOST
from glovebox.runtime.links import BLAMED

from ..waiting import PATIENCE_S

NEVER_S = 1e9
SESSION = bytes(range(16))


async def raised(error, when=None):
    if when:
        await when.wait()
    raise error


def task(error, when=None):
    return asyncio.ensure_future(raised(error, when))


async def test_the_cause_ends_the_asker_s_waiting(monkeypatch):
    """left's own worker lost right, which had left because the notary was lost; right itself says nothing."""
    monkeypatch.setattr(coordinator, "BLAME_S", NEVER_S)
    said = asyncio.Event()
    own = task(PeerLost("right was lost", party="right"))
    right = asyncio.ensure_future(asyncio.sleep(NEVER_S))
    notary = task(PeerError("its worker was lost", code=WORKER_LOST, party="notary"), said)
    waiting = asyncio.ensure_future(coordinator._wait_ended([own, right, notary], [own]))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    said.set()
    await asyncio.wait_for(waiting, PATIENCE_S)
    assert right.cancelled()
    assert min((own.exception(), notary.exception()), key=rank).party == "notary"


async def test_when_all_have_spoken_nobody_is_waited_for(monkeypatch):
    monkeypatch.setattr(coordinator, "BLAME_S", NEVER_S)
    own, right = task(PeerLost("x", party="right")), task(Hearsay("x", code="peer_lost", party="notary"))
    await asyncio.wait_for(coordinator._wait_ended([own, right], [own]), PATIENCE_S)


def test_that_a_party_never_came_says_more_than_that_it_is_at_fault():
    """notary's deadline passes first, and it leaves left's worker with only the word that right is to blame."""
    own, notary = PeerLost("x", party="right", code=BLAMED), Hearsay("x", party="right", code="peer_absent")
    assert min((own, notary), key=rank) is notary


class Attending:
    """right's side of a session that left asked for, whose run ends with an error."""

    def __init__(self, error):
        self.key = Ed25519PrivateKey.generate()
        party = SimpleNamespace(key=public_bytes(self.key), name="left")
        names = ["left", "right", "notary"]
        number = dict(zip(names, range(3), strict=True)).get
        self.contract = SimpleNamespace(parties=[party], number=number)
        self.proposal = SimpleNamespace(asker=0)
        self.node = SimpleNamespace(settings=SimpleNamespace(deadline_s=NEVER_S))
        self.session, self.step, self.asker_name, self.revealing = SESSION, "linked", "left", False
        self.error, self.said = error, []
        self.following = asyncio.get_running_loop().create_future()

    def see_start(self, start):
        """Whatever it says."""

    async def run(self, start, reached):
        raise self.error

    async def failed(self, error):
        self.said.append(error)

    def hears(self, reason, blamed):
        """The asker's word comes."""
        self.following.set_result(signed(self.key, 0, Cancel(SESSION, reason, blamed, "linked")))

    def until_ended(self):
        return asyncio.ensure_future(_until_ended(self, None, None, self.failed, self.following))


@pytest.mark.parametrize("code", [PeerLost.code, BLAMED])
async def test_who_lost_a_peer_says_so_at_once_and_takes_the_asker_s_word(code):
    attending = Attending(PeerLost("left was lost", party="left", code=code))
    ending = attending.until_ended()
    while not attending.said:
        await asyncio.sleep(0)
    assert attending.said == [attending.error]
    assert not ending.done()
    attending.hears(WORKER_LOST, "notary")
    with pytest.raises(PeerError) as told:
        await asyncio.wait_for(ending, PATIENCE_S)
    assert (told.value.code, told.value.party) == (WORKER_LOST, "notary")


async def test_who_knows_the_cause_waits_for_nobody():
    attending = Attending(GloveboxError("its worker was lost", code=WORKER_LOST, party="right"))
    with pytest.raises(GloveboxError, match="its worker was lost"):
        await asyncio.wait_for(attending.until_ended(), PATIENCE_S)


async def test_an_asker_that_is_lost_itself_is_named():
    attending = Attending(PeerLost("notary was lost", party="notary"))
    ending = attending.until_ended()
    attending.following.set_exception(PeerLost("the control link to left ended", party="left"))
    with pytest.raises(PeerLost) as told:
        await asyncio.wait_for(ending, PATIENCE_S)
    assert told.value.party == "left"
