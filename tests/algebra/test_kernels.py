from __future__ import annotations

import subprocess
import sys

import pytest

from glovebox.algebra import arrays, kernels


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
