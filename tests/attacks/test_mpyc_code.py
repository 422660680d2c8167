"""A peer's bytes run code in plain MPyC at five places; in Glovebox they are integers or an error (threats.md M1)."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from glovebox.errors import BadFrame, PeerError
from glovebox.runtime.world import World, frames_of

from ..waiting import PATIENCE_S
from .plain_mpyc import Touch, parties

pytestmark = pytest.mark.attack

PLACES = {"transfer", "input", "product", "output", "shutdown"}

EVIL_PARTY = """
sys.path.insert(0, {tests!r})
from tests.attacks.plain_mpyc import Touch
place = "transfer"

class Evil:
    loads = staticmethod(pickle.loads)

    @staticmethod
    def dumps(obj):
        return pickle.dumps(Touch(Path.cwd() / place, obj))

async def main():
    global place
    if mpc.pid == 2:
        mpyc.runtime.pickle = Evil
    await mpc.start()
    await mpc.transfer(1)
    place = "input"
    secint = mpc.SecInt(32)
    a = mpc.input(secint.array(np.array([1, 2])), senders=2)
    await mpc.gather(a)
    place = "product"
    b = a * a
    await mpc.gather(b)
    place = "output"
    result = await mpc.output(b)
    place = "shutdown"
    await mpc.shutdown()
    if mpc.pid == 0:
        print(list(map(int, result)))

mpc.run(main())
"""


@pytest.mark.parametrize(
    ("option", "places"), [("--no-log", PLACES), ("--mix32-64bit", {"transfer", "shutdown"})], ids=["plain", "its fix"]
)
def test_plain_mpyc_runs_a_peers_code_and_nobody_notices(tmp_path, request, option, places):
    program = EVIL_PARTY.format(tests=str(request.config.rootpath))
    with parties(tmp_path, program, options=(option,)) as running:
        out = running[0].communicate(timeout=PATIENCE_S)[0]
    assert out.strip().endswith("[1, 4]")
    assert {path.name for path in tmp_path.iterdir()} & set(PLACES) == set(places)


async def all_kinds(ctx, mine):
    """An input, a product, masked openings: every kind of frame the engine sends."""
    runtime, array = ctx.shamir.runtime, ctx.shamir.integers(64).array
    ((a,),) = runtime.input([array(np.array([5, -7, 9, 11] * 8, dtype=object))], senders=[2])
    return await ctx.shamir.shares(runtime.np_sgn(a * a, l=12, LT=True))


@pytest.mark.parametrize("fit", [False, True], ids=["as it is", "cut or filled to the size"])
async def test_a_pickle_in_any_frame_of_the_engine_is_no_code(tmp_path, fit):
    marker = tmp_path / "ran"
    evil = pickle.dumps(Touch(marker))

    def in_its_place(packet):
        size = len(packet.octets)
        return [packet._replace(octets=memoryview((evil * (size // len(evil) + 1))[:size] if fit else evil))]

    frames = [frame for frame in await frames_of(all_kinds, shamir=True, inputs=[None] * 3) if frame.sender == 2]
    assert len(frames) > 15
    for frame in frames:
        async with World(shamir=True, tamper=(frame, in_its_place), deadline_s=5) as world:
            if fit:  # whole frames of integers below p are shares, wrong ones: semi-honest (threats.md 4)
                _, errors = await world._session(all_kinds, [None] * 3, {})
                assert all(isinstance(error, PeerError) for error in errors.values())
            else:
                errors = await world.fails(all_kinds, inputs=[None] * 3)
                assert any(type(error) is BadFrame and error.party == "party 2" for error in errors.values())
    assert not marker.exists()
    async with World(shamir=True) as world:
        await world.run(all_kinds, inputs=[None] * 3)
