"""Two lists of people with misspellings. org_a also knows which record of the other list is the same person."""

import duckdb

from ..public import DataSet, Rewritten, table


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


RULES = {
    "date_of_birth+postcode": ("date_of_birth", "postcode"),
    "given_name+surname+date_of_birth": ("given_name", "surname", "date_of_birth"),
    "soc_sec_id": ("soc_sec_id",),
    "surname+postcode": ("surname", "postcode"),
}
TRUE = (["org_a.people.b_record_no"], ["org_b.people.record_no"])
JOINS = [join(*columns) for columns in RULES.values()]
JOINS += [[left + TRUE[0], right + TRUE[1]] for left, right in JOINS]
PAIRS = [f"SELECT COUNT(*) AS pairs FROM org_a.people JOIN org_b.people USING ({', '.join(rule)})"
         for rule in RULES.values()]  # fmt: skip
TRUE_PAIRS = [
    "SELECT COUNT(*) AS pairs FROM org_a.people a JOIN org_b.people b ON a.b_record_no = b.record_no AND "
    + " AND ".join(f"a.{column} = b.{column}" for column in rule)
    for rule in RULES.values()
]


def quality(*answers):
    """Precision and recall of each rule, from its pairs and its true pairs."""
    counts = [rows[0][0] for rows in answers]
    return [
        [rule, pairs, true, round(true / pairs, 4), round(true / 5000, 4)]
        for rule, pairs, true in zip(RULES, counts[:4], counts[4:], strict=True)
    ]


LINKAGE = DataSet(
    "record_linkage_febrl4",
    ("org_a", "org_b", "notary"),
    tables,
    files,
    str(JOINS),
    {
        "q3_exact_keys_quality": Rewritten(
            "a count of pairs for each rule, and one of true pairs", (*PAIRS, *TRUE_PAIRS), quality
        )
    },
)
