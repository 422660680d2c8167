"""Tables of a real Postgres server: the rows of a file, read-only, and no credential or cell in what is said."""

from __future__ import annotations

import traceback

import pytest
from msgspec.structs import replace

from glovebox.data.passes import table_snapshot
from glovebox.data.quality import check_table
from glovebox.data.sources import Source, source_at
from glovebox.errors import DataError, GloveboxError, UsageError
from glovebox.schema.columns import Column, Table

from .postgres_server import PASSWORD, postgres_server
from .shops import TABLE, cleaned, in_order

CREATE = (
    """CREATE TABLE purchases (customer text, amount numeric(12,4), n smallint, flag boolean,
       country varchar(10), "day" date, at timestamptz, "Code" char(3))""",
    """INSERT INTO purchases VALUES
       ('Anna@X.ex', 12.50, 7, true, 'DE', '2026-12-01', '2026-12-01 12:00:00.5+02', '007'),
       ('ben@x.ex', 0.1, 0, false, 'caf\u00e9', '2026-12-02', '2026-12-31 23:59:59Z', '7'),
       (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
       ('Zoe\u0308@x.ex', 5000, 100, true, 'FR', '2024-10-04', '1970-01-01Z', ' x ')""",
    "CREATE SCHEMA other",
    "CREATE TABLE other.t AS SELECT generate_series(1, 9) AS n",
    "CREATE TABLE hidden AS SELECT 1 AS n",
    "CREATE TABLE odd (x numeric, d date, at timestamp, f float8, u uuid, j jsonb)",
    """INSERT INTO odd VALUES ('NaN', 'infinity', '-infinity', 'Infinity', 'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11',
       '{"a": 1}'), (1.5, '2026-12-01', '2026-12-01 10:00', 0.1, NULL, NULL)""",
    "CREATE VIEW writing AS SELECT setval('sequence', 5) AS n",
    "GRANT SELECT ON purchases, odd, writing TO reader",
    "GRANT USAGE ON SCHEMA other TO reader",
    "GRANT SELECT ON other.t TO reader",
    "GRANT UPDATE ON SEQUENCE sequence TO reader",
)  # fmt: skip
N = Table("t", (0,), 100, (Column("n", "integer", low=0, high=10),))


@pytest.fixture(scope="module")
def running():
    with postgres_server() as server:
        server.admin("CREATE SEQUENCE sequence", *CREATE)
        yield server


@pytest.fixture
def source_of(running):
    def source(relation, **changes):
        servers = {"shop": replace(running.server, **changes)}
        return source_at("postgres:shop", relation=relation, servers=servers)

    return source


def test_a_table_of_a_server_gives_the_rows_of_a_file(opened, source_of):
    source = source_of("purchases")
    found = cleaned(opened(source), source)
    assert found[:7] == in_order()[:7]
    assert found[7] == ["007", "7", " x", None]  # char(3) is padded, and its padding is no part of the value
    assert not check_table(opened(source), TABLE, source).errors


def test_another_schema_is_named(opened, source_of):
    source = source_of("other.t")
    assert check_table(opened(source), N, source).rows == 9


@pytest.mark.parametrize("column", ["x", "d", "at", "f"])
def test_what_is_no_number_and_no_day_is_a_fault(opened, source_of, column):
    kinds = {"x": ("decimal", 9, 3), "d": ("date", 0, 0), "at": ("timestamp", 0, 0), "f": ("decimal", 9, 3)}
    kind, precision, scale = kinds[column]
    table = Table("odd", (0,), 9, (Column(column, kind, precision=precision, scale=scale),))
    report = check_table(opened(source_of("odd")), table, source_of("odd"))
    wanted = "not_finite" if kind == "decimal" else "unreadable"
    assert [(fault.kind, fault.count) for fault in report.faults] == [(wanted, 1)]


def test_types_of_its_own_come_as_text(opened, source_of):
    table = Table("odd", (0,), 9, (Column("u", "id", form="exact"),))
    assert cleaned(opened(source_of("odd")), source_of("odd"), table)[0][0] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


def test_rows_in_any_order_have_one_snapshot(opened, source_of, running):
    running.admin("CREATE TABLE mixed (n int)", "INSERT INTO mixed SELECT generate_series(1, 5)")
    running.admin("GRANT SELECT ON mixed TO reader")
    source = source_of("mixed")
    before = table_snapshot(opened(source), N, source, b"salt")
    running.admin("DELETE FROM mixed WHERE n < 3", "VACUUM FULL mixed", "INSERT INTO mixed VALUES (2), (1)")
    assert table_snapshot(opened(source), N, source, b"salt") == before
    running.admin("UPDATE mixed SET n = 6 WHERE n = 5")
    assert table_snapshot(opened(source), N, source, b"salt") != before


WRONG = [
    # what is changed of the server, what is said
    ({"port": 1}, DataError, "cannot be reached"),
    ({"host": "no.such.host.invalid"}, DataError, "cannot be reached"),
    ({"database": "nothing"}, DataError, "cannot be reached"),
    ({"user": "nobody"}, DataError, "refuses nobody"),
    ({"tls": True}, DataError, "no certificate that verifies"),
    ({"password_file": "/nowhere/password"}, UsageError, "cannot be read"),
    ({"user": "reader' options='-c default_transaction_read_only=off"}, DataError, "refuses"),
]


@pytest.mark.parametrize(("changes", "kind", "says"), WRONG)
def test_a_server_that_cannot_be_used_is_told_without_a_credential(opened, source_of, changes, kind, says):
    source = source_of("purchases", **changes)
    with pytest.raises(kind, match=says) as caught:
        check_table(opened(source), TABLE, source)
    said = "".join(traceback.format_exception(caught.value)) + repr(source) + "".join(caught.value.lines())
    assert PASSWORD not in said
    assert "libpq" not in said


def test_a_wrong_password_and_one_that_others_can_read(opened, source_of, running, tmp_path):
    password = tmp_path / "password"
    password.write_text("wrong-CANARY\n")
    password.chmod(0o600)
    source = source_of("purchases", password_file=str(password))
    with pytest.raises(DataError, match="refuses reader") as caught:
        check_table(opened(source), TABLE, source)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))
    password.chmod(0o640)
    with pytest.raises(UsageError, match="others can read"):
        check_table(opened(source), TABLE, source)


@pytest.mark.parametrize(
    "relation", ["hidden", "nothing", 'x"; DROP TABLE purchases; --', "pg_catalog.pg_authid", "writing"]
)
def test_what_may_not_be_read_is_not_read(opened, source_of, relation):
    with pytest.raises(DataError):
        check_table(opened(source_of(relation)), N, source_of(relation))
    assert check_table(opened(source_of("purchases")), TABLE, source_of("purchases")).rows == 4


def test_servers_are_named_in_the_settings():
    with pytest.raises(UsageError, match="names no Postgres server shop"):
        source_at("postgres:shop", relation="t")
    with pytest.raises(GloveboxError):
        Source("shop", "postgres", "t").place and check_table(None, N, Source("shop", "postgres", "t"))
