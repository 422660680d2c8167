"""Three hospitals' patients and their conditions, an immunisation registry, and an insurer."""

from ..public import DataSet, labels, parquet, table

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


HOSPITALS_AND_INSURER = DataSet(
    "health_synthea_hospitals_insurer",
    (*HOSPITALS, "immunisation_registry", "insurer"),
    tables,
    parquet(
        [(hospital, name) for hospital in HOSPITALS for name in ("patients", "conditions")]
        + [("immunisation_registry", "vaccinations"), ("insurer", "cover")]
    ),
)
