import os
from pathlib import Path

import pytest

from glovebox.data.sources import Source, csv_header, source_at
from glovebox.errors import DataError, UsageError


def test_a_regular_file_is_known_by_its_absolute_path(tmp_path, monkeypatch):
    (tmp_path / "sales.csv").write_text("a\n1\n")
    monkeypatch.chdir(tmp_path)
    assert source_at(Path("sales.csv")) == Source(str(tmp_path / "sales.csv"), "csv")
    assert source_at(tmp_path / ".." / tmp_path.name / "sales.csv").path == str(tmp_path / "sales.csv")


def test_a_link_is_shown_as_what_it_leads_to(tmp_path):
    (tmp_path / "real.parquet").write_bytes(b"PAR1")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.parquet")
    assert source_at(tmp_path / "link.csv") == Source(str(tmp_path / "real.parquet"), "parquet")


@pytest.mark.parametrize("name", ["missing.csv", "folder.csv", "pipe.csv", "odd[1].csv", "odd*.csv", "table.xls"])
def test_what_is_no_plain_table_file_is_refused(tmp_path, name):
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    for file in ("odd[1].csv", "odd*.csv", "table.xls"):
        (tmp_path / file).write_text("a\n")
    with pytest.raises(UsageError):
        source_at(tmp_path / name)


@pytest.mark.parametrize(
    "given", ["http://example.org/a.csv", "s3://bucket/a.parquet", "/dev/null", "/dev/zero", "a\0b"]
)
def test_addresses_and_devices_are_refused(given):
    with pytest.raises(UsageError):
        source_at(Path(given))


def test_a_format_that_is_given_wins(tmp_path):
    (tmp_path / "export").write_text("a\n")
    assert source_at(tmp_path / "export", "csv").format == "csv"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,amount\n", (",", ["id", "amount"])),
        ("\ufeffid;amount,x\n1;2\n", (";", ["id", "amount,x"])),
        ("ID\tAmount\r\n", ("\t", ["ID", "Amount"])),
        ("id|amount", ("|", ["id", "amount"])),
        ('"id","amo""unt, 2"\n', (",", ["id", 'amo"unt, 2'])),
        ('"id\nof","amount"\n', (",", ["id\nof", "amount"])),
        ("id\n", (",", ["id"])),
    ],
)
def test_the_delimiter_is_the_one_that_shows_the_wanted_names(tmp_path, text, expected):
    (tmp_path / "t.csv").write_bytes(text.encode())
    assert csv_header(source_at(tmp_path / "t.csv"), ["id", "amount"]) == expected


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff\xfei\0d\0", b"i\xe4d,amount\n1,2\n"])
def test_a_file_without_a_header_in_utf8_is_refused(tmp_path, data):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(DataError, match="header line"):
        csv_header(source_at(tmp_path / "t.csv"), ["id", "amount"])
