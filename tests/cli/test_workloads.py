"""Every workload of `glovebox bench`: right answers through nodes, and a clear run that reads what nodes read."""

import itertools

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest
from msgspec.structs import replace

from glovebox.cli.bench import _runs as measured_runs
from glovebox.cli.bench import clear_run, clear_tables
from glovebox.cli.demo import equal
from glovebox.cli.fleet import Fleet
from glovebox.cli.practice import Workload as Name
from glovebox.cli.workloads import WORKLOADS, Held, Workload
from glovebox.contract.model import parse_contract
from glovebox.schema.answer import read_answer
from glovebox.schema.columns import Column

ROWS = 400
OF_THREE = [name for name, workload in WORKLOADS.items() if workload.protocol is None]


def merged():
    """One contract for all workloads: every table with all columns that any of them has."""
    tables = {}
    for held in itertools.chain.from_iterable(WORKLOADS[name].tables for name in OF_THREE):
        before = tables.get((held.owner, held.name), held)
        columns = tuple(dict.fromkeys((*before.columns, *held.columns)))
        tables[held.owner, held.name] = Held(held.owner, held.name, columns, held.first)
    return Workload("all", "", tuple(tables.values())).exercise(ROWS)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    directory = tmp_path_factory.mktemp("workloads")
    exercise = merged()
    fleet = Fleet(directory, list(exercise.parties))
    terms = exercise.contract(fleet.keys, fleet.addresses)
    fleet.agree(terms)
    files = exercise.write(directory / "data")
    for (party, table), path in files.items():
        fleet.bind(party, table, path)
    with fleet, duckdb.connect(":memory:") as database:
        clear_tables(database, parse_contract(terms.encode()), files)
        yield fleet, database


@pytest.mark.parametrize("name", [name for name in OF_THREE if name != "latency"])  # which asks what join asks
def test_a_workload_is_answered_as_in_the_clear(running, name):
    fleet, database = running
    statement = WORKLOADS[name].statement
    seconds, rows = clear_run(database, statement)
    assert set(seconds) == {1, 2}
    assert rows
    assert all(cell is not None for row in rows for cell in row)
    answered = fleet.ask("left", statement)
    assert equal(read_answer(bytes(answered.answer)), rows)


@pytest.mark.parametrize("name", sorted(set(WORKLOADS) - set(OF_THREE)))
def test_two_owners_alone_are_measured_beside_the_clear(tmp_path, name):
    exercise = WORKLOADS[name].exercise(ROWS)
    assert exercise.parties == ("left", "right")
    (run,), _, rows = measured_runs(exercise, tmp_path, 1, None)
    assert run.equal
    assert (run.size > 100 * ROWS, rows) == (True, ROWS)


def test_the_command_knows_every_workload():
    assert set(Name.__args__) == set(WORKLOADS)


def contract_of(exercise):
    """An exercise's contract, as parties would sign it."""
    keys = {party: bytes([number]) * 32 for number, party in enumerate(exercise.parties)}
    addresses = {party: f"{party}.example:7171" for party in exercise.parties}
    return parse_contract(exercise.contract(keys, addresses).encode())


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_is_a_sound_contract_with_tables_half_in_common(tmp_path, name):
    exercise = WORKLOADS[name].exercise(60)
    contract = contract_of(exercise)
    assert [table.rows for table in contract.tables] == [60] * len(contract.tables)
    paths = [str(path) for path in exercise.write(tmp_path).values()]
    joined = " JOIN ".join([f"'{paths[0]}'", *(f"'{path}' USING (id)" for path in paths[1:])])
    assert duckdb.sql(f"SELECT count(*) FROM {joined}").fetchall() == [(0 if name == "stacked" else 30,)]


def test_ids_in_the_clear_take_the_form_that_nodes_give_them(tmp_path):
    contract = contract_of(WORKLOADS["count"].exercise(3))
    spending = contract.tables[0]
    text = replace(spending, columns=(Column("id", "id", form="text"),))
    path = tmp_path / "ids.parquet"
    pyarrow.parquet.write_table(pa.table({"id": ["  ANNA\u00a0 Maria", "Straße", ""]}), path)
    with duckdb.connect(":memory:") as database:
        clear_tables(database, replace(contract, tables=(text,)), {("left", "spending"): path})
        found = database.execute("SELECT id FROM spending").fetchall()
    assert found == [("anna maria",), ("strasse",), (None,)]
