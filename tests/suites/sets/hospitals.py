"""Three hospitals' patients and their conditions, an immunisation registry, and an insurer."""

import duckdb

from ..public import DATA, DataSet, Rewritten, labels, parquet, table

HOSPITALS = ("hospital_middlesex", "hospital_boston_south", "hospital_west_north")


def tables(folder):
    patient = 'patient_id = { type = "id", form = "exact" }'
    payers = labels(folder, "insurer/cover", "payer")
    vaccines = labels(folder, "immunisation_registry/vaccinations", "vaccine_code")
    codes = labels(folder, "*/conditions", "CODE")
    stacked = 'same_person_at_several = "no"\n'
    return (
        table(
            list(HOSPITALS),
            "patients",
            1_000,
            """patient_id = { type = "id", form = "exact", unique = true }
sex = { type = "category", values = ["F", "M"], may = ["group", "filter"] }
death_date = { type = "date", range = [1900-01-01, 2020-12-31], may = ["filter"] }""",
            stacked,
        )
        + table(
            list(HOSPITALS),
            "conditions",
            4_000,
            f'{patient}\ncode = {{ type = "category", values = {codes}, may = ["group", "filter"] }}',
            stacked + "rows_per_id = 50",
        )
        + table(
            "immunisation_registry",
            "vaccinations",
            16_000,
            f"""{patient}
given_on = {{ type = "date", range = [1940-01-01, 2020-12-31], required = true, may = ["filter"] }}
vaccine_code = {{ type = "category", values = {vaccines}, may = ["filter"] }}""",
            "rows_per_id = 40",
        )
        + table(
            "insurer",
            "cover",
            4_000,
            f'{patient}\npayer = {{ type = "category", values = {payers}, may = ["group", "filter"] }}',
            "rows_per_id = 40",
        )
    )


PREDIABETES = " UNION ALL ".join(
    f"SELECT '{hospital}' AS hospital, patient_id FROM {hospital}.conditions WHERE code = '15777000'"
    for hospital in HOSPITALS
)
CONDITIONS = " UNION ALL ".join(f"SELECT * FROM {hospital}.conditions" for hospital in HOSPITALS)


def with_names(rows):
    """The name of each condition beside its code, both of a public list."""
    files = DATA / "health_synthea_hospitals_insurer" / "*" / "conditions.parquet"
    names = dict(duckdb.sql(f"SELECT DISTINCT code, description FROM '{files}'").fetchall())
    return [[code, names[code], patients] for code, patients in rows]


REWRITTEN = {
    "h1_top_conditions": Rewritten(
        "the codes, whose names stand in a public list",
        (
            f"SELECT code, COUNT(DISTINCT patient_id) AS patients FROM ({CONDITIONS}) GROUP BY code "
            "ORDER BY patients DESC, code LIMIT 10",
        ),
        with_names,
    ),
    "v3_all_with_insurer": Rewritten(
        "IN a sub-query as a LEFT JOIN and a condition on what it finds",
        (
            "SELECT hospital, COUNT(DISTINCT u.patient_id) AS patients, "
            "COUNT(DISTINCT u.patient_id) FILTER (WHERE payer = 'Medicaid') AS ever_medicaid "
            f"FROM ({PREDIABETES}) u LEFT JOIN insurer.cover ON u.patient_id = cover.patient_id "
            "GROUP BY hospital ORDER BY hospital",
        ),
        sorted,
    ),
}

HOSPITALS_AND_INSURER = DataSet(
    "health_synthea_hospitals_insurer",
    (*HOSPITALS, "immunisation_registry", "insurer"),
    tables,
    parquet(
        [(hospital, name) for hospital in HOSPITALS for name in ("patients", "conditions")]
        + [("immunisation_registry", "vaccinations"), ("insurer", "cover")]
    ),
    '[["conditions.patient_id", "cover.patient_id"], ["patients.patient_id", "conditions.patient_id"], '
    '["patients.patient_id", "vaccinations.patient_id"]]',
    rewritten=REWRITTEN,
)
