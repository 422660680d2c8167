"""Could a role, from what it receives, tell anything beyond the leakage line of `protocols/intersection.py`?

Public: n_query, n_table (padded) and the shape of the totals. Every frame of a run, its receiver, and why it says no
more. "k_QT" is the secret of QUERY and TABLE, and so on; a stream is read once, for one frame.

ids/x, ids/y    QUERY > HELPER: 104 bits of AES of the CBC-MAC of each id, padding rows alike. Under k_QT, which
                HELPER lacks, these are distinct random strings: they tell nothing. (Whoever has k_QT, so HELPER
                together with QUERY or TABLE, can test guessed ids.)
table/rows      TABLE > HELPER: the key-value store. Words that no key needs are private randomness, the others
                complete values masked under k_QT: uniform whatever the ids (psi.md 5), up to 2^-44. HELPER looks up
                uniform words, on a match or not: it cannot see matches.
equal/and*/d    QUERY > HELPER: bits ^ a stream of k_QT, a one-time pad to HELPER: uniform.
equal/and*/d    HELPER > QUERY: bits ^ a stream of k_ST, which QUERY lacks: uniform.
equal/and*/c    TABLE > QUERY: a product of masks ^ a stream of k_ST: uniform, and of no data at all.
groups/d, /c    as equal/and*: a row's bit and its groups' bits, each under a mask of its own; with groups of TABLE.
totals/choices  HELPER > QUERY: bits ^ a stream of k_ST: uniform.
totals/choices  QUERY > HELPER: bits ^ a stream of k_QT: uniform. Only where a payload is summed without a value.
totals/job*/vector  QUERY > HELPER: a vector - a stream of k_QT: uniform in its ring.
totals/job*/vector  HELPER > QUERY: a vector - a stream of k_ST: uniform in its ring.
totals/corrections  TABLE > HELPER, TABLE > QUERY: sums of products of masks - a stream of k_QT, k_ST: uniform in its
                ring and of no data. In the clear it would tell a sum of the other's vector.
totals/lift/*   with many rows: as totals/choices, vector and corrections, of the top bits of shares of sums of 64 rows.
                Which sums are lifted, and from which ring, follows from the padded rows and the contract's ranges.
pick/*          with groups of QUERY; as `test_pick.py` argues: prefix sums under masks of k_ST to QUERY, and to HELPER
                as many distinct places as there are groups, a random set, for the order is of k_QT. How QUERY's rows
                are laid out in blocks shows nowhere: HELPER sees pseudonyms, and blocks are as many for any data.
shard           with a second table, QUERY > HELPER: the key by which ids fall to shards. HELPER gets as many pseudonyms
                of every shard whatever the ids are, and random ones.
                With matches apart, equal/* holds the rows' two tags one behind the other.
ids/*, table/*, equal/*  with several keys: a row once under each, all under one before those under the next; as of so
                many rows, for all of their ids differ (`test_keys.py`).
rows/*          with expressions, as `test_row_steps.py` argues: masked operands of gates, and what is dealt of masks.
second/*        as ids/* and table/*, with TABLE and HELPER in each other's place: pseudonyms under the key of QUERY and
                HELPER, which TABLE lacks, and words that look uniform to TABLE.
move            TABLE > HELPER: what TABLE looked up under a mask of k_QT: uniform. HELPER knows QUERY's shares of its
                own words, but not that mask, which QUERY's shares now hold too.
any > TABLE     else none: without a second table TABLE learns nothing, whatever it does.
the result      shares re-randomised under k_QS: each alone is uniform in its ring. QUERY and HELPER together have the
                totals, as they must. TABLE knows the masks that made the shares; without this step, a TABLE that is
                later shown both would see more than their sum.

Sizes and order of all frames follow from the public shape alone (tested here). Time: hashing, padding, look-ups and
vectors take whole passes over padded rows; the time to peel depends on pseudonyms, which are random; copying true rows
and drawing padding rows cost about the same. A run that fails (`no_table`) does so with a chance that no data changes.
"""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.protocols import intersection, totals
from glovebox.protocols import shards as sharding
from glovebox.protocols.alignment import TableSize
from glovebox.protocols.expression import Match, Operation
from glovebox.protocols.intersection import JoinShape, joined_totals, traffic
from glovebox.protocols.membership import all_ones
from glovebox.protocols.totals import Shares, Total, matched_totals
from glovebox.runtime.world import (
    World,
    blames,
    cut_short,
    frames_of,
    from_another_session,
    sent_twice,
    too_long,
)

from .joins import COUNT, EVERYTHING, grouped, once, owner, two_tables
from .noise import assert_noise

QUERY, TABLE, HELPER = 0, 1, 2
WIDE = (
    Total(None, None, 64),
    Total(0, None, 64),
    Total(None, 0, 64),
    Total(0, 0, 64),
)  # every word of every frame is a whole ring element
SMALL = JoinShape(64, 16, 1, WIDE)
GROUPED = JoinShape(64, 16, 1, WIDE, 3, 5)
THREE = JoinShape(64, 16, 1, WIDE, second=TableSize(16, 1))
APART = JoinShape(64, 16, 1, WIDE, choices=(Match(0),), columns=(once(0),), second=TableSize(16, 1), apart=True)
KEYS = JoinShape(64, 16, 1, WIDE, choices=(Operation("or", (Match(0), Match(1))),), columns=(once(0),), keys=2)
LIFTED = JoinShape(
    512,  # eight segments: every bit of a byte of top bits is one
    16,
    1,
    (Total(None, None, 64), Total(0, None, 64, low=0, high=9), Total(None, 0, 64, low=-9), Total(0, 0, 64, high=99)),
)
RUNS = 40


def empty():
    return owner([], np.empty((1, 0)))


def tables_of(kind: str):
    """Data as different as they get, of one public size."""
    match kind:
        case "no row":
            return empty(), empty()
        case "all match":
            return owner(range(16), [1] * 16), owner(range(16), [1] * 16)
        case _:
            return owner(range(100, 164), [-(1 << 55)] * 64), owner(range(16), [1 << 55] * 16)


async def seen_in_many_runs(kind: str, shape: JoinShape) -> dict[tuple[int, int, str], np.ndarray]:
    """The bytes of each frame over many runs with fresh keys, and of the result at both."""
    query, table = tables_of(kind)
    arguments = {"helper": table} if shape.second else {}
    if shape.groups > 1:
        query, table = one_group(query, shape.query_groups), one_group(table, shape.table_groups)
    if shape.keys > 1:
        query, table = two_ids(query), two_ids(table)
    seen: dict[tuple[int, int, str], list[np.ndarray]] = {}
    async with World(seed=11, keep=True) as world:
        for _ in range(RUNS):
            shares = await world.run(joined_totals, shape=shape, query=query, table=table, **arguments)
            frames = world.meter.seen | {
                (QUERY, QUERY, "result"): shares.query,
                (HELPER, HELPER, "result"): shares.helper,
            }
            for frame, octets in frames.items():
                seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
    return {frame: np.stack(octets) for frame, octets in seen.items()}


def two_ids(rows):
    """The rows with a second id each, which is another row's first but for a bit."""
    second = rows.ids[::-1].copy()
    second[:, -1] = 1
    return type(rows)(np.concatenate([rows.ids, second], axis=1), rows.values)


def one_group(rows, groups: int):
    """The rows, all in the last group."""
    return type(rows)(rows.ids, rows.values, np.full(len(rows.ids), groups - 1))


@pytest.mark.parametrize(
    "shape", [SMALL, GROUPED, THREE, APART, KEYS, LIFTED], ids=["whole", "groups", "three", "apart", "keys", "lifted"]
)
@pytest.mark.parametrize("kind", ["no row", "all match", "no match, extreme values"])
async def test_every_frame_is_noise_to_its_receiver(monkeypatch, kind, shape):
    """Bytes, and XORs of neighbouring words, of each frame by itself are uniform over keys, whatever the data."""
    if shape is LIFTED:
        monkeypatch.setattr(totals, "LIFTED_ROWS", 0)
    for frame, octets in (await seen_in_many_runs(kind, shape)).items():
        if not frame[2].endswith("pick/places"):  # distinct indices: `test_pick.py`
            assert_noise(frame, octets)


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize(
    ("n", "wanted", "frames_of_totals"), [(256, WIDE, 2 + 9 + 2), (512, LIFTED.totals, 2 + 9 + 2 + 6)]
)
async def test_each_step_masks_what_it_sends(monkeypatch, bit, n, wanted, frames_of_totals):
    """Shares are random already, so a mask that is missing shows only where a step's shares are constant."""
    if wanted is LIFTED.totals:
        monkeypatch.setattr(totals, "LIFTED_ROWS", 0)
    tags = np.full(n, -bit).view(np.uint64)
    shares = Shares(np.full((1, n), bit, np.uint8), np.full((2, n), bit, np.uint64), np.full((1, n), bit))
    seen: dict[tuple[int, int, str], list[np.ndarray]] = {}
    async with World(seed=12, keep=True) as world:
        for _ in range(RUNS):
            await world.run(all_ones, n=n, query=tags, helper=tags)
            frames = world.meter.seen
            got = await world.run(matched_totals, totals=wanted, n=n, query=shares, helper=shares)
            results = {(QUERY, QUERY, "result"): got.query, (HELPER, HELPER, "result"): got.helper}
            for frame, octets in (frames | world.meter.seen | results).items():
                seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
    assert len(seen) == 3 * 6 + frames_of_totals + 2  # layers; choices, vectors, corrections; results
    for frame, octets in seen.items():
        assert_noise(frame, np.stack(octets))


async def test_corrections_depend_on_keys_alone():
    """What TABLE deals is the same for any data: it could send it before it has any."""
    dealt = []
    for kind in ("no row", "all match", "no match, extreme values"):
        query, table = tables_of(kind)
        async with World(seed=3, keep=True) as world:
            await world.run(joined_totals, shape=SMALL, query=query, table=table)
        dealt.append({f: b for f, b in world.meter.seen.items() if f[0] == TABLE and not f[2].endswith("rows")})
    assert len(dealt[0]) == 8
    assert dealt[0] == dealt[1] == dealt[2]


async def test_table_receives_nothing_and_helper_cannot_make_pseudonyms():
    query, table = two_tables(64, 16, 8)
    async with World(seed=3) as world:
        await world.run(joined_totals, shape=SMALL, query=query, table=table)
    assert not [frame for frame in world.meter.frames if frame.receiver == TABLE]
    shared = {party: set(ground.secrets.values()) for party, ground in enumerate(world.grounds)}
    assert len(shared[QUERY] & shared[TABLE]) == 1
    assert not shared[QUERY] & shared[TABLE] & shared[HELPER]


async def test_both_ends_of_a_secret_read_the_same_streams_for_what_the_specification_says():
    query, table = two_tables(64, 16, 8)
    async with World(seed=3) as world:
        await world.run(joined_totals, shape=SMALL, query=query, table=table)
    used = {
        (party, other): {label for kind, peer, label in world.grounds[party].used if kind == "key" and peer == other}
        for party in range(3)
        for other in range(3)
        if party != other
    }
    for (party, other), labels in used.items():
        assert labels == used[other, party]
    assert used[QUERY, HELPER] == {"open"}
    assert {label.rsplit("/", 1)[-1] for label in used[QUERY, TABLE]} == {
        "shard", "id", "pseudonym", "mask0", "d", "choices", "vector", "split",
    }  # fmt: skip
    assert {label.rsplit("/", 1)[-1] for label in used[HELPER, TABLE]} == {"d", "c", "choices", "vector", "split"}


async def test_two_runs_of_one_question_share_no_key():
    query, table = tables_of("all match")
    async with World(seed=3, keep=True) as world:
        views = []
        for _ in range(2):
            shares = await world.run(joined_totals, shape=SMALL, query=query, table=table)
            views.append(set(world.meter.seen.values()) | {shares.query.tobytes()})
    assert not views[0] & views[1]


@pytest.mark.parametrize("groups", [(1, 1), (7, 3)])
@pytest.mark.parametrize(("shards", "lifted_rows"), [(1, 1 << 15), (5, 1 << 15), (5, 0)])
async def test_traffic_has_one_shape_whatever_the_data(monkeypatch, shards, lifted_rows, groups):
    monkeypatch.setattr(totals, "LIFTED_ROWS", lifted_rows)
    monkeypatch.setattr(sharding, "SHARD_ROWS", 1000 // shards)
    shape = JoinShape(1000, 900, 1, EVERYTHING, *groups)
    assert intersection.shards_of(shape)[0] == shards
    shapes = []
    for tables in (two_tables(1000, 900, 0), two_tables(900, 900, 900), (empty(), empty()), two_tables(1, 800, 1)):
        query, table = tables if shape.groups == 1 else map(one_group, tables, groups)
        async with World(seed=3) as world:
            await world.run(joined_totals, shape=shape, query=query, table=table)
        shapes.append(world.meter.shape())
        assert max(frame.size for frame in world.meter.frames) <= intersection.largest_frame(shape)
    assert shapes[0] == shapes[1] == shapes[2] == shapes[3]


@pytest.mark.parametrize("wanted", [(COUNT,), EVERYTHING, (Total(None, 0, 64), Total(0, 1, 64))])
@pytest.mark.parametrize("groups", [(1, 1), (3, 1), (1, 70), (300, 2)])
@pytest.mark.parametrize("lifted_rows", [1 << 15, 0])
async def test_rounds_and_bytes_are_the_cards(monkeypatch, lifted_rows, wanted, groups):
    monkeypatch.setattr(totals, "LIFTED_ROWS", lifted_rows)
    query, table = two_tables(300, 500, 100, measures=2)
    shape = JoinShape(310, 500, 2, wanted, *groups)
    query, table = (
        grouped(rows, many) if many > 1 else rows for rows, many in zip((query, table), groups, strict=True)
    )
    async with World(seed=3) as world:
        await world.run(joined_totals, shape=shape, query=query, table=table)
    assert world.matches_card(joined_totals, **traffic(shape))


@pytest.mark.parametrize("fault", [cut_short, too_long, sent_twice, from_another_session])
@pytest.mark.parametrize("shape", [SMALL, LIFTED], ids=["whole", "lifted"])
async def test_a_bad_frame_stops_everyone(monkeypatch, fault, shape):
    if shape is LIFTED:
        monkeypatch.setattr(totals, "LIFTED_ROWS", 0)
    tables = dict(zip(("query", "table"), two_tables(20, 16, 8), strict=True))
    for frame in await frames_of(joined_totals, shape=shape, **tables):
        async with World(tamper=(frame, fault), deadline_s=10) as world:
            errors = await world.fails(joined_totals, shape=shape, **tables)
        assert blames(errors[frame.receiver], frame), (frame, errors[frame.receiver].lines())
        assert set(errors) == {QUERY, TABLE, HELPER}
        assert all(error.party and error.step for error in errors.values())


class OtherSecret(World):
    """A World in which QUERY and HELPER agreed on another secret; all else is alike."""

    def _secret(self, purpose: str) -> bytes:
        return super()._secret("another" if purpose == "pair 0 2" else purpose)


async def test_shares_of_the_result_are_masked_by_a_key_that_table_lacks():
    query, table = two_tables(64, 16, 8)
    frames, shares = [], []
    for make in (World, OtherSecret):
        async with make(seed=3, keep=True) as world:
            shares.append(await world.run(joined_totals, shape=SMALL, query=query, table=table))
            frames.append(world.meter.seen)
    assert frames[0] == frames[1]  # TABLE could compute all of it
    one, other = shares
    assert (one.query != other.query).all()
    np.testing.assert_array_equal(one.query + one.helper, other.query + other.helper)
