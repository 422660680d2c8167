"""A drafted contract holds for the very data it was drafted from, and says no more of it than it must."""

from __future__ import annotations

import sqlite3
import tomllib
from pathlib import Path

import pytest

from glovebox.contract.model import parse_contract
from glovebox.data.generated import write_campaign, write_hospitals
from glovebox.data.sources import source_at
from glovebox.errors import UsageError
from glovebox.identity import key_text
from glovebox.node.binding import check, own_table
from glovebox.node.drafting import draft_contract, table_name
from glovebox.node.home import Home

OTHERS = "".join(
    f'[[party]]\nname = "other{n}"\nkey = "{key_text(bytes([n]) * 32)}"\naddress = "other{n}.example:7171"\n'
    for n in (1, 2)
)
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.make("own", "127.0.0.1:7171")
    return made


def finished(text):
    """A draft whose other parties have come."""
    return parse_contract(text.replace("# [[party]]", OTHERS + "# [[party]]", 1).encode())


def check_draft(home, paths):
    """A draft of these sources, of which each is as the draft says. Returns its text and tables."""
    text = draft_contract(home, paths, None)
    contract = finished(text)
    for path in paths:
        table = own_table(home, contract, table_name(path.stem))
        report, _ = check(home, contract, table, source_at(path, relation=table.name))
        assert not report.errors, report.lines()
    return text, {table.name: table for table in contract.tables}


def test_a_draft_of_a_campaign_fits_it(home, tmp_path):
    text, tables = check_draft(home, list(write_campaign(tmp_path, 1)))
    purchases, impressions = tables["purchases"], tables["impressions"]
    assert [(column.name, column.kind) for column in purchases.columns] == [
        ("customer", "id"), ("amount", "decimal"), ("country", "category"), ("bought_on", "date"),
    ]  # fmt: skip
    assert purchases.column("customer").form == impressions.column("customer").form == "email"
    assert purchases.column("amount").high == 200_000
    assert purchases.rows_per_id == 20
    assert impressions.column("format").values == ("banner", "video")
    assert "@" not in text.replace("@GLOVEBOX", "")


def test_a_draft_of_hospitals_names_no_rare_diagnosis(home, tmp_path):
    text, tables = check_draft(home, list(write_hospitals(tmp_path, 1)))
    patient = tables["north"].column("patient")
    assert (patient.form, patient.unique) == ("exact", True)
    assert "porphyria" not in text
    assert tables["north"].column("diagnosis").values[-1] == "other"


def test_codes_words_and_times_are_what_they_look_like(home, tmp_path):
    lines = [
        f"00{n:04},{n},{'yes' if n % 2 else 'no'},2026-01-0{n % 9 + 1}T10:00:00Z,+49 30 {1000000 + n},w{n} words"
        for n in range(60)
    ]
    (tmp_path / "t.csv").write_text("Code,No,flag,at,call,text\n" + "\n".join(lines))
    _, tables = check_draft(home, [tmp_path / "t.csv"])
    found = {column.name: (column.kind, column.form) for column in tables["t"].columns}
    assert found == {
        "code": ("id", "exact"), "no": ("id", "integer"), "flag": ("boolean", None), "at": ("timestamp", None),
        "call": ("id", "phone"), "text": ("id", "exact"),
    }  # fmt: skip


def test_a_draft_of_a_database_and_of_nothing(home, tmp_path):
    with sqlite3.connect(tmp_path / "crm.sqlite") as crm:
        crm.execute('CREATE TABLE "crm" (id INTEGER, "free text" TEXT, note TEXT)')
        crm.executemany("INSERT INTO crm VALUES (?, 'x', ?)", [(n, f"note {n % 50}") for n in range(100)])
    text, tables = check_draft(home, [tmp_path / "crm.sqlite"])
    assert [column.name for column in tables["crm"].columns] == ["id"]
    assert "# left out, as free text or for their names: free text, note" in text
    assert tomllib.loads(text)["name"] == "draft"
    with pytest.raises(UsageError):
        draft_contract(home, [], None)
    with pytest.raises(UsageError):
        draft_contract(home, [tmp_path / "crm.sqlite"] * 2, None)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public data sets are not beside this repository")
@pytest.mark.parametrize(
    "folder", ["finance_bank_marketing/deposit_bank", "health_heart_four_hospitals/cleveland", "retail_online/brand",
               "advertising_open_bandit/advertiser", "record_linkage_febrl4/org_a", "survival/flc_lab"],
)  # fmt: skip
def test_a_draft_of_real_tables_fits_them(home, folder):
    paths = sorted((SHARED / folder).glob("*.parquet"))
    _, tables = check_draft(home, paths)
    assert len(tables) == len(paths)
