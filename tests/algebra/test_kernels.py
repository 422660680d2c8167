from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.algebra import arrays, kernels, loops


def test_a_private_cache_is_used(tmp_path):
    folder = tmp_path / "compiled"
    assert kernels.private_cache(folder)
    (folder / "loops.nbi").write_bytes(b"")
    (folder / "loops.nbi").chmod(0o644)
    assert kernels.private_cache(folder)


@pytest.mark.parametrize("mode", [0o775, 0o777, 0o757])
def test_a_cache_that_others_can_write_to_is_not_used(tmp_path, monkeypatch, mode):
    tmp_path.chmod(mode)
    assert not kernels.private_cache(tmp_path)
    monkeypatch.setattr(kernels, "CACHE", tmp_path)
    assert kernels.kernels.__wrapped__() is arrays


def test_a_file_in_the_cache_that_others_can_write_to_or_that_lies_elsewhere_is_not_read(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "loops.nbc").write_bytes(b"")
    (tmp_path / "loops.nbc").chmod(0o666)
    assert not kernels.private_cache(tmp_path)
    (tmp_path / "loops.nbc").unlink()
    (tmp_path / "loops.nbi").symlink_to("/tmp/elsewhere")
    assert not kernels.private_cache(tmp_path)


def test_numba_is_imported_only_where_it_is_used():
    code = "import sys, glovebox.protocols.intersection; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


FORMS = [arrays, loops]


@pytest.mark.parametrize("form", FORMS)
@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 3)), max_size=60), st.integers(0, 2**63 - 1))
def test_equal_rows_are_always_seen(form, rows, half):
    words = np.array(rows, np.uint64).reshape(-1, 2)
    assert form.may_repeat(words, 2 * half + 1) or len(set(rows)) == len(rows)
    assert form.may_repeat(np.concatenate([words, words[-1:]]), 2 * half + 1) == bool(rows)


@pytest.mark.parametrize("form", FORMS)
def test_many_different_rows_are_told_apart(form):
    words = np.random.default_rng(3).integers(0, 2**64, (200_000, 1), np.uint64)
    assert not form.may_repeat(words, 0x9E3779B97F4A7C15)
    assert form.may_repeat(np.concatenate([words, words[77:78]]), 0x9E3779B97F4A7C15)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("offset", [np.int32, np.int64])
@given(texts=st.lists(st.binary(max_size=31), max_size=40))
def test_a_text_its_mark_and_zeros_fill_a_row(form, offset, texts):
    offsets = np.cumsum([0, *map(len, texts)]).astype(offset)
    out = np.full((len(texts), 32), 9, np.uint8)
    form.mark_ends(np.frombuffer(b"".join(texts), np.uint8), offsets, out)
    assert [row.tobytes() for row in out] == [(text + b"\x80").ljust(32, b"\0") for text in texts]


@pytest.mark.parametrize("form", FORMS)
@given(numbers=st.lists(st.integers(0, 4), max_size=60), words=st.integers(1, 4))
def test_rows_go_behind_those_of_their_bin(form, numbers, words):
    bins, ends = np.array(numbers, np.uint32), np.array([0, 100, 200, 300, 400])
    rows, out = np.arange(words * len(bins), dtype=np.uint64).reshape(-1, words), np.zeros((500, words), np.uint64)
    for part in (slice(0, 20), slice(20, None)):
        form.put(rows[part], form.places(bins[part], ends), out)
    for number in range(5):
        own = rows[bins == number]
        assert ends[number] == 100 * number + len(own)
        assert out[100 * number : ends[number]].tolist() == own.tolist()
