"""Batches in ristretto255: both forms equal libsodium, vectors of RFC 9496, and the field and the programs beneath."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.algebra import curve, curve_calls, ristretto
from glovebox.algebra import curve_loops as machine
from glovebox.algebra.curve_programs import Element, Program, limbs, registers
from glovebox.algebra.kernels import curve_kernels
from glovebox.algebra.ristretto import ORDER, hashed, scalar, times

P = machine.P
LANES = machine.LANES
FORMS = [curve, curve_calls]

VECTORS = [
    line.split("\t")
    for line in (Path(__file__).parent / "rfc9496.txt").read_text().splitlines()
    if not line.startswith("#")
]
MULTIPLES = [encoding for why, encoding in VECTORS if why == "multiple"]
MAPPED = [(uniform, encoding) for uniform, encoding in VECTORS if len(uniform) == 128]
BAD = [
    *((why, encoding) for why, encoding in VECTORS if why != "multiple" and len(why) < 128),
    ("the identity", "00" * 32),
    ("bit 255", MULTIPLES[0][:-2] + f"{int(MULTIPLES[0][-2:], 16) | 0x80:02x}"),
]

SIZES = st.one_of(st.integers(0, 3 * LANES), st.sampled_from([LANES * machine.GROUPS + one for one in (-1, 0, 1, 70)]))


def number(value):
    return value.to_bytes(32, "little")


def rows(encodings, width=32):
    return np.frombuffer(b"".join(encodings), np.uint8).reshape(-1, width)


def test_the_compiled_form_is_there():
    assert curve_kernels() is curve, "numba's cache is not private here: only libsodium was tested"


@pytest.mark.parametrize("form", FORMS)
@given(n=SIZES, seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_a_batch_is_what_libsodium_says_of_each(form, n, seed):
    rng = np.random.default_rng(seed)
    factor, uniform = scalar(rng.bytes(64)), rng.integers(0, 256, (n, 64), np.uint8)
    points = [hashed(row.tobytes()) for row in uniform]
    expected = [times(factor, point) for point in points]
    np.testing.assert_array_equal(form.all_times(factor, rows(points)), rows(expected))
    np.testing.assert_array_equal(form.hashed_times(factor, uniform), rows(expected))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("factor", [1, 2, 3, 7, 8, 9, 16, 2**252, 2**128 - 1, ORDER - 1, ORDER - 2, (ORDER + 1) // 2])
def test_any_scalar_will_do(form, factor):
    points = rows(bytes.fromhex(one) for one in MULTIPLES)
    expected = [times(number(factor), point.tobytes()) for point in points]
    np.testing.assert_array_equal(form.all_times(number(factor), points), rows(expected))


@pytest.mark.parametrize("form", FORMS)
def test_multiples_of_the_generator_are_those_of_the_rfc(form):
    for factor, expected in enumerate(MULTIPLES, 1):
        assert form.all_times(number(factor), rows([bytes.fromhex(MULTIPLES[0])])).tobytes().hex() == expected


@pytest.mark.parametrize("form", FORMS)
def test_uniform_bytes_stand_for_the_elements_of_the_rfc(form):
    uniform = rows((bytes.fromhex(one) for one, _ in MAPPED), 64)
    assert [row.tobytes().hex() for row in form.hashed_times(number(1), uniform)] == [one for _, one in MAPPED]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("edge", [0, 1, P - 1, P, P + 1, 2**255 - 1, 2**256 - 1, (P - 1) // 2])
def test_the_map_takes_any_bytes(form, edge):
    uniform = rows([number(edge) + number(one) for one in (1, 2**255 - 1, P - 1, 5)], 64)
    expected = [times(number(5), hashed(row.tobytes())) for row in uniform]
    np.testing.assert_array_equal(form.hashed_times(number(5), uniform), rows(expected))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("why", "bad"), BAD)
def test_one_encoding_that_is_none_refuses_the_batch(form, why, bad):
    fine = [bytes.fromhex(one) for one in MULTIPLES]
    for place in (0, 7, 15):
        batch = rows([*fine[:place], bytes.fromhex(bad), *fine[place:]])
        with pytest.raises(ValueError, match="none of the group"):
            form.all_times(number(2), batch)


@pytest.mark.parametrize("form", FORMS)
def test_a_product_that_is_the_identity_refuses_the_batch(form):
    points = rows(bytes.fromhex(one) for one in MULTIPLES)
    with pytest.raises(ValueError, match="identity"):
        form.all_times(number(0), points)
    first = np.random.default_rng(2).bytes(32)
    with pytest.raises(ValueError, match="identity"):
        form.hashed_times(number(0), rows([first + first], 64))


def test_half_of_a_scalar():
    for factor in (0, 1, 2, ORDER - 1):
        half = int.from_bytes(ristretto.halved(number(factor)), "little")
        assert half < ORDER
        assert 2 * half % ORDER == factor


@given(st.integers(0, ORDER - 1))
def test_windows_add_up_to_the_scalar(factor):
    masks = curve.windows(number(factor))
    assert set(np.unique(masks)) <= {0, 2**32 - 1}
    sizes = masks[:, : machine.ENTRIES] & np.arange(machine.ENTRIES, dtype=np.uint32)
    signs = np.where(masks[:, machine.ENTRIES], -1, 1)
    assert (masks[:, : machine.ENTRIES] > 0).sum() == curve.WINDOWS
    assert sum(int(size) * int(sign) << 4 * place for place, (size, sign) in enumerate(
        zip(sizes.sum(axis=1)[::-1], signs[::-1], strict=True))) == factor  # fmt: skip


LARGEST = [3 * ((1 << bits) + (1 << 13 if bits == 26 else 1 << 17)) - 1 for bits in machine.BITS]
EDGES = [0, 1, 2, 19, P - 1, P, P + 1, P - 19, 2**255 - 1, (P - 1) // 2, 2**254, *(2**one for one in range(0, 255, 17))]
OPERAND = st.one_of(
    st.builds(limbs, st.one_of(st.sampled_from(EDGES), st.integers(0, 2**255 - 1))),
    st.just(LARGEST),
    st.tuples(*(st.sampled_from([0, 1, largest - 1, largest]) for largest in LARGEST)).map(list),
)
OPERANDS = st.lists(OPERAND, min_size=LANES, max_size=LANES)
FREE = machine.KEPT - 10


def whole(register):
    """The numbers that a register holds."""
    starts = [(51 * limb + 1) // 2 for limb in range(machine.LIMBS)]
    lanes = register.reshape(machine.LIMBS, LANES).T.tolist()
    return [sum(limb << start for limb, start in zip(lane, starts, strict=True)) for lane in lanes]


def done(operation, *operands):
    """The register that one instruction makes, for the place of its operand and for another."""
    made = []
    for to in (FREE, FREE + 5):
        work, nothing = registers(), np.zeros((LANES, 4), np.uint64)
        for place, operand in enumerate(operands):
            work[FREE + place] = np.array(operand, np.uint32).T.reshape(-1)
        line = [operation, to, *(FREE + place for place in range(len(operands))), 0, 0, 0][:5]
        machine.run(np.array([line]), nothing, np.zeros((1, 10), np.uint32), 0, work, nothing)
        made.append(work[to])
    np.testing.assert_array_equal(*made)
    return made[0]


def values(operand):
    return whole(np.array(operand, np.uint32).T.reshape(-1))


def is_carried(register):
    lanes = register.reshape(machine.LIMBS, LANES).max(axis=1)
    return all(3 * int(limb) <= largest for limb, largest in zip(lanes, LARGEST, strict=True))


@given(OPERANDS, OPERANDS)
@settings(max_examples=200)
def test_the_field_is_that_of_python_integers(a, b):
    pairs = list(zip(values(a), values(b), strict=True))
    expected = {
        machine.PRODUCT: [x * y % P for x, y in pairs],
        machine.MINUS: [(x - y) % P for x, y in pairs],
        machine.SQUARE: [x * x % P for x, _ in pairs],
        machine.CANONICAL: [x % P for x, _ in pairs],
    }
    for operation, numbers in expected.items():
        made = done(operation, *((a, b) if operation in (machine.PRODUCT, machine.MINUS) else (a,)))
        assert [one % P for one in whole(made)] == numbers
        assert is_carried(made)
        if operation == machine.CANONICAL:
            assert whole(made) == numbers
    for operation, holds in ((machine.NEGATIVE, lambda x: x % P % 2), (machine.ZERO, lambda x: x % P == 0)):
        masks = done(operation, a).reshape(machine.LIMBS, LANES)
        assert (masks == np.array([0xFFFFFFFF * bool(holds(x)) for x, _ in pairs])).all()


def test_programs_keep_to_the_bounds():
    m = Program()
    one = Element(m, m.fixed(FREE))
    assert (one + one + one).parts == 3
    for operation in (lambda x: x * one, lambda x: one * x, lambda x: one - x, lambda x: x.squared(), lambda x: -x):
        operation(one + one + one)
        with pytest.raises(OverflowError):
            operation(one + one + one + one)


def test_what_a_program_does_not_need_is_not_computed():
    m = Program()
    one = Element(m, m.fixed(FREE))
    one.squared(9)
    m.put(FREE + 1, one.squared(2) * one)
    assert m.assembled()[:, 0].tolist() == [machine.SQUARE, machine.SQUARE, machine.PRODUCT, machine.COPY]
