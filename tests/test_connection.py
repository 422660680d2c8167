"""Asking from Python, through running nodes: rows, Arrow and pandas, receipts, errors, and the page that shows it."""

import asyncio
import contextlib
import io
import re
import sys
from decimal import Decimal
from pathlib import Path

import pandas
import pyarrow as pa
import pytest

import glovebox
from glovebox.audit.receipts import verify_receipt
from glovebox.cli.exercises import HOSPITALS
from glovebox.cli.fleet import Fleet
from glovebox.connection import SignedAnswer
from glovebox.errors import GloveboxError, Refused, UsageError
from glovebox.node.contracts import add_contract
from glovebox.node.home import Home
from glovebox.schema.answer import Answer

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hospitals")
    fleet = Fleet(directory, list(HOSPITALS.parties))
    fleet.agree(HOSPITALS.contract(fleet.keys, fleet.addresses))
    for (party, table), path in HOSPITALS.write(directory).items():
        fleet.bind(party, table, path)
    with fleet:
        yield fleet


@pytest.fixture(scope="module")
def answer(hospitals):
    return glovebox.connect(hospitals.homes["north"].root).ask("stays")


def test_an_answer_comes_with_a_receipt_of_all(hospitals, answer):
    assert answer.columns == ("diagnosis", "patients", "days")
    assert answer.rows[0] == ("fracture", 704, Decimal("6.2886904762"))
    assert [answer.rows[number] for number in answer.suppressed] == [("porphyria", None, None)]
    told = verify_receipt(answer.receipt, hospitals.keys, list(HOSPITALS.parties))
    assert told["session"] == answer.session
    assert answer.receivers == HOSPITALS.parties


def test_an_answer_as_a_table_keeps_every_digit(answer):
    table = answer.to_arrow()
    assert table.column_names == list(answer.columns)
    assert table.schema.field("patients").type == pa.int64()
    assert list(zip(*table.to_pydict().values(), strict=True)) == list(answer.rows)


def test_an_answer_as_a_frame_has_whole_counts_beside_missing_ones(answer):
    frame = answer.to_pandas()
    assert frame["patients"].dtype == pandas.Int64Dtype()
    assert frame["patients"].sum() == sum(row[1] for row in answer.rows if row[1])
    assert frame["days"].astype(float)[0] == pytest.approx(6.2886904762)
    assert frame["patients"].isna().tolist() == [False] * 4 + [True]


async def test_a_notebook_may_ask_within_its_own_loop(hospitals, answer):
    assert asyncio.get_running_loop()
    assert glovebox.connect(str(hospitals.homes["north"].root)).ask("stays").rows == answer.rows


def test_a_refusal_is_an_error_with_place_and_way_out(hospitals):
    node = glovebox.connect(hospitals.homes["north"].root)
    with pytest.raises(Refused) as refused:
        node.explain("SELECT AVG(age) FROM patients")
    assert refused.value.hint
    with pytest.raises(GloveboxError) as told:
        node.ask("SELECT AVG(age) FROM patients")
    assert told.value.lines() == refused.value.lines()


def test_who_is_no_party_is_explained_nothing(tmp_path, hospitals):
    """Nor who has another key by now: what is explained is what this party would be answered."""
    home = Home(tmp_path / "stranger")
    home.make("north", "127.0.0.1:7171")
    add_contract(home, hospitals.contract)
    with pytest.raises(Refused) as refused:
        glovebox.connect(home.root).explain("stays")
    assert refused.value.code == "no_party"


def test_which_contract_is_meant_must_be_clear(tmp_path, hospitals):
    with pytest.raises(UsageError) as problem:
        glovebox.connect(tmp_path).ask("stays")
    assert problem.value.hint == "glovebox contract add FILE"
    with pytest.raises(UsageError):
        glovebox.connect(hospitals.homes["north"].root).ask("stays", "no-such-contract")


NOISY = Answer(("c", "n", "s"), (("u", 3, 7), (None, 4, Decimal("0.5"))), (), ((None, 2, 1), (None, 2, Decimal("1.5"))))


def test_error_bars_stand_beside_their_numbers():
    table = SignedAnswer(NOISY, "", "", (), 0.0).to_arrow()
    assert table.column_names == ["c", "n", "s", "n_within", "s_within"]
    assert table.column("s").to_pylist() == [Decimal(7), Decimal("0.5")]
    assert table.column("s_within").to_pylist() == [Decimal(1), Decimal("1.5")]


def test_what_is_not_there_is_said(monkeypatch):
    with pytest.raises(UsageError, match="gives the answer to publisher"):
        _ = SignedAnswer(None, "", "", ("publisher",), 0.0).rows
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="pandas is not installed here"):
        SignedAnswer(NOISY, "", "", (), 0.0).to_pandas()


def test_the_page_shows_what_python_prints(hospitals, monkeypatch, request):
    text = PAGE.read_text()
    monkeypatch.chdir(hospitals.directory)
    names, printed = {}, []
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, names)
        printed.append(out.getvalue())
    if request.config.getoption("--rewrite"):
        outputs = iter(printed)
        text = re.sub(r"```text\n.*?```", lambda _: f"```text\n{next(outputs)}```", text, flags=re.DOTALL)
        PAGE.write_text(text)
    assert re.findall(r"```text\n(.*?)```", text, re.DOTALL) == printed
