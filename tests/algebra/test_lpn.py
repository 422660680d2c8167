"""The parameter table of learning parity with noise: its numbers, and which of them a run gets."""

import pytest

from glovebox.algebra.lpn import CODES, VERSION, code_for


def test_the_table_is_that_of_its_version():
    """Whoever changes a number makes a new version: two nodes of different tables must not meet."""
    assert (VERSION, CODES) == (1, ((850, 16, 10), (1170, 17, 11), (1520, 18, 12)))
    for code in CODES:
        samples = code.trees << code.depth
        assert 0.9 < (1 << code.log_base) / (64 * samples / code.trees) < 1.1
        assert code.given + (code.kept << code.depth) == samples
        assert 0 <= (code.kept << code.depth) - code.taken < 1 << code.depth


@pytest.mark.parametrize(("wanted", "index", "rounds"), [(0, 0, 1), (790_000, 0, 1), (90_000_000, 2, 16)])
def test_the_fewest_bytes_win(wanted, index, rounds):
    assert code_for(wanted, 3.125) == (CODES[index], rounds)


@pytest.mark.parametrize("code", CODES)
def test_pieces_are_all_trees_once_and_none_is_half_kept(code):
    pieces = code.pieces(1 << 15)
    assert [tree for piece in pieces for tree in range(piece.start, piece.stop)] == list(range(code.trees))
    assert code.kept in {piece.start for piece in pieces}
