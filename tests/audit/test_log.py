"""The log is a chain: any byte changed, any line moved or taken out is found."""

from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.audit.log import Log, rotation, verify_log
from glovebox.errors import IntegrityError
from glovebox.identity import public_bytes


@pytest.fixture
def key():
    return Ed25519PrivateKey.generate()


@pytest.fixture
def log_file(tmp_path, key):
    log = Log(tmp_path / "log.jsonl", key)
    for number in range(4):
        log.write("accepted", session=f"{number:032x}")
    log.close()
    return tmp_path / "log.jsonl"


def test_a_whole_log_verifies(log_file, key):
    assert verify_log(log_file, public_bytes(key)) == 4


def test_a_reopened_log_goes_on_with_its_chain(log_file, key):
    log = Log(log_file, key)
    log.write("serving")
    log.close()
    assert verify_log(log_file, public_bytes(key)) == 5


@pytest.mark.parametrize("line", range(4))
def test_every_changed_byte_is_found(log_file, key, line):
    lines = log_file.read_bytes().splitlines(keepends=True)
    for at in range(0, len(lines[line]) - 1, 7):
        changed = bytearray(lines[line])
        changed[at] ^= 1
        log_file.write_bytes(b"".join([*lines[:line], bytes(changed), *lines[line + 1 :]]))
        with pytest.raises(IntegrityError, match=r"line \d"):
            verify_log(log_file, public_bytes(key))


@pytest.mark.parametrize("edit", [lambda x: x[1:], lambda x: [x[0], x[2], x[1], x[3]], lambda x: x[:1] + x[2:]])
def test_lines_taken_out_or_swapped_are_found(log_file, key, edit):
    log_file.write_bytes(b"".join(edit(log_file.read_bytes().splitlines(keepends=True))))
    with pytest.raises(IntegrityError):
        verify_log(log_file, public_bytes(key))


def test_another_partys_key_does_not_verify(log_file):
    with pytest.raises(IntegrityError):
        verify_log(log_file, public_bytes(Ed25519PrivateKey.generate()))


def rotated_log(path, old, new, past, what=None):
    """A log with one entry before it goes over to another key; what its rotation says."""
    with closing(Log(path, old)) as log:
        log.write("asked", what=past)
        log.write("rotated", **(what := what or rotation(old, new, log.head)))
    with closing(Log(path, new)) as log:
        log.write("asked", what="rotated")
    return what


def test_the_old_key_gives_the_next_one_no_other_past(tmp_path, key):
    following = Ed25519PrivateKey.generate()
    what = rotated_log(tmp_path / "true", key, following, "as it was")
    assert verify_log(tmp_path / "true", public_bytes(following)) == verify_log(tmp_path / "true", public_bytes(key))
    rotated_log(tmp_path / "false", key, following, "as a thief of the old key says", what)
    with pytest.raises(IntegrityError, match="line 2"):
        verify_log(tmp_path / "false", public_bytes(following))


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_torn_line_is_named_whatever_it_says(tmp_path, key, line):
    following = Ed25519PrivateKey.generate()
    rotated_log(tmp_path / "log", key, following, "rotated")
    lines = (tmp_path / "log").read_bytes().splitlines()
    lines[line - 1] = lines[line - 1][:-9]
    (tmp_path / "log").write_bytes(b"\n".join(lines) + b"\n")
    for one in (key, following):
        with pytest.raises(IntegrityError, match=f"line {line}"):
            verify_log(tmp_path / "log", public_bytes(one))


def test_a_line_torn_by_a_power_cut_is_cut_off(log_file, key):
    whole = log_file.read_bytes()
    for torn in (1, 20, 100):
        log_file.write_bytes(whole + whole.splitlines()[0][:torn])
        log = Log(log_file, key)
        log.write("serving")
        log.close()
        assert verify_log(log_file, public_bytes(key)) == 5
        log_file.write_bytes(whole)


def test_only_the_owner_reads_the_log(log_file):
    assert log_file.stat().st_mode & 0o777 == 0o600
