import unicodedata

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from glovebox.data.database import batches
from glovebox.data.identifiers import (
    COMPOSED_VECTORS,
    EMAIL_BYTES,
    RECIPE,
    VECTORS,
    canonical,
    computed_compositions,
    computed_vectors,
    folded,
    recipe_digest,
    vector_column,
)  # fmt: skip
from glovebox.data.quality import check_table
from glovebox.data.trees import name
from glovebox.data.view import view_of
from glovebox.schema.columns import Column, Table


def forms_of(opened, source, column):
    """The canonical ids of a file, in order."""
    database = opened(source)
    view = view_of(database, Table("t", (0,), 1_000_000, (column,)), source)
    select = exp.select(name("c0")).from_(view.cleaned.subquery("cleaned"))
    return [value for batch in batches(database, select, view.parameters) for value in batch.column(0).to_pylist()]


@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_vectors_of_the_recipe(number):
    assert computed_vectors()[number] == VECTORS[number][2]


@pytest.mark.parametrize("number", range(len(COMPOSED_VECTORS)))
def test_vectors_of_composed_ids(number):
    assert computed_compositions()[number] == COMPOSED_VECTORS[number][1]


def test_the_digest_of_the_recipe_is_frozen():
    assert RECIPE == "glovebox/ids/2"
    assert recipe_digest().hex() == "03173a95aa55fed517c7dcee2513117dea907cddcaaa763e9d49b7b6c03da718"


def test_vectors_hold_as_columns_of_a_file(opened, parquet_file):
    for form in dict.fromkeys(form for form, _, _ in VECTORS):
        pairs = [(text, wanted) for own, text, wanted in VECTORS if own == form]
        source = parquet_file({"id": [text for text, _ in pairs]})
        wanted = [int(value) if value and form == "integer" else value for _, value in pairs]
        assert forms_of(opened, source, vector_column(form)) == wanted


PAIRS = [
    # threats.md N4, N5: form, two ids, whether they match
    ("text", "caf\u00e9", "cafe\u0301", True),
    ("text", "Caf\u00c9", "caf\u00e9", True),
    ("text", "anna ", "anna", True),
    ("text", "anna\u00a0", "anna", True),
    ("text", "an\u200bna", "anna", True),
    ("text", "\u202aanna\u202c", "anna", True),
    ("text", "anna\u0000", "anna", True),
    ("text", "anna  maria", "anna maria", True),
    ("text", "annamaria", "anna maria", False),
    ("text", "anna", "\u0430nna", False),
    ("text", "\uff21nna", "Anna", False),
    ("text", "\u00df", "SS", True),
    ("text", "\u03a3", "\u03c2", True),
    ("text", "007", "7", False),
    ("text", "1.0", "1", False),
    ("text", "\u0301", "\u0301\u0301", False),
    ("exact", "Anna", "anna", False),
    ("exact", "anna ", "anna", False),
    ("exact", "caf\u00e9", "cafe\u0301", False),
    ("exact", "007", "7", False),
    ("exact", "a\u0000", "a", False),
    ("email", "A@Example.ORG", "a@example.org", True),
    ("email", " a@example.org\t", "a@example.org", True),
    ("email", "\ufeffa@example.org", "a@example.org", True),
    ("email", "a.b@example.org", "ab@example.org", False),
    ("email", "a+b@example.org", "a@example.org", False),
    ("email", "a@example.org", "a@example.com", False),
    ("email", "a@stra\u00dfe.example", "a@strasse.example", False),
    ("integer", "007", "7", True),
    ("integer", "-7", "7", False),
    ("integer", " 7", "+7", True),
]


@pytest.mark.parametrize(("form", "one", "other", "equal"), PAIRS)
def test_pairs_that_match_and_pairs_that_do_not(opened, parquet_file, form, one, other, equal):
    left, right = forms_of(opened, parquet_file({"id": [one, other]}), Column("id", "id", form=form))
    assert left is not None
    assert (left == right) is equal


@pytest.mark.parametrize(
    ("form", "values", "wanted"),
    [
        ("exact", pa.array([7, None], pa.int32()), ["7", None]),
        ("text", pa.array([7, -1], pa.int64()), ["7", "-1"]),
        ("exact", pa.array([b"\xff\x00", b""], pa.binary()), [b"\xff\x00", None]),
        ("integer", pa.array([2**64 - 1, 7], pa.uint64()), [None, 7]),
        ("exact", pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
    ],
)
def test_typed_columns_as_ids(opened, parquet_file, form, values, wanted):
    assert forms_of(opened, parquet_file({"id": values}), Column("id", "id", form=form)) == wanted


@pytest.mark.parametrize("form", ["exact", "text", "email"])
def test_an_id_over_max_bytes_is_left_out_and_counted(opened, parquet_file, form):
    ids = ["ab@c.ex", "ab@cd.ex", "\u00e9b@c.ex", "", None]
    column = Column("id", "id", form=form, max_bytes=7)
    source = parquet_file({"id": ids})
    assert forms_of(opened, source, column) == ["ab@c.ex", None, None, None, None]
    report = check_table(opened(source), Table("t", (0,), 10, (column,)), source)
    assert [(fault.kind, fault.count, fault.is_error) for fault in report.faults] == [
        ("null_id", 1, False),
        ("no_form", 3, False),
    ]


addresses = st.text(st.sampled_from("aB.@+- \u00e9\u200b\u00a0\u0301\u00df"), max_size=12)


@settings(max_examples=40)
@given(st.lists(addresses | st.text(max_size=8), min_size=1, max_size=40))
def test_forms_do_not_depend_on_the_short_way(ids):
    """The short way for plain ASCII gives what the long way gives, and a form is its own form."""
    ids = [text.encode("utf-8", "ignore").decode() for text in ids]
    with duckdb.connect() as database:
        for form in ("text", "email"):
            column = Column("id", "id", form=form)

            def forms(values, column=column, database=database):
                given = exp.select("*").from_("(SELECT unnest($ids) AS r) AS given")
                step = exp.select(folded(column, name("r"), "VARCHAR").as_("f")).from_(given.subquery("g"))
                select = exp.select(canonical(column, name("f"), "VARCHAR")).from_(step.subquery("s"))
                return [row[0] for row in database.execute(select.sql("duckdb"), {"ids": values}).fetchall()]

            found = forms(ids)
            assert found == forms(["\u200b" + text for text in ids])
            assert [text for text in found if text] == forms([text for text in found if text])
            for text in filter(None, found):
                assert unicodedata.normalize("NFC", text) == text
                assert text == text.strip()
                assert form == "text" or (text.count("@") == 1 and len(text.encode()) <= EMAIL_BYTES)
