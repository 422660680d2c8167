"""Two lists of people with misspellings. org_a also knows which record of the other list is the same person."""

import duckdb

from ..public import DataSet, table


def tables(folder):
    fields = "\n".join(
        f'{name} = {{ type = "id", form = "exact" }}'
        for name in ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode", "b_record_no")
    )
    return table("org_a", "people", 5_000, fields, "rows_per_id = 200") + table(
        "org_b", "people", 5_000, fields.replace("b_record_no", "record_no"), "rows_per_id = 200"
    )


def files(folder, made):
    known = made / "people.parquet"
    people, links = folder / "org_a" / "people.parquet", folder / "truth" / "links.parquet"
    duckdb.sql(
        f"COPY (SELECT p.*, b_record_no FROM '{people}' p LEFT JOIN '{links}' ON a_record_no = record_no ORDER BY "
        f"record_no) TO '{known}'"
    )
    return {("org_a", "people"): known, ("org_b", "people"): folder / "org_b" / "people.parquet"}


def join(*columns):
    return [[f"org_a.people.{one}" for one in columns], [f"org_b.people.{one}" for one in columns]]


LINKAGE = DataSet(
    "record_linkage_febrl4",
    ("org_a", "org_b", "notary"),
    tables,
    files,
    str([join("soc_sec_id"), join("given_name", "surname", "date_of_birth")]),
)
