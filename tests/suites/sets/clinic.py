"""A clinic, a laboratory and a pharmacy with one set of patients; the same patients at three hospitals."""

from ..public import DataSet, Rewritten, parquet, table

HOSPITALS = ("hospital_boston", "hospital_east", "hospital_west")

PATIENTS = " UNION ALL ".join(f"SELECT * FROM {hospital}.patients" for hospital in HOSPITALS)


def tables(folder):
    unique = 'patient_id = { type = "id", form = "exact", unique = true }'
    patient = 'patient_id = { type = "id", form = "exact" }'
    people = """
gender = { type = "category", values = ["female", "male"], may = ["group", "filter"] }
birth_date = { type = "date", range = [1900-01-01, 2009-12-31], required = true, may = ["group", "filter"] }"""
    may = 'may = ["sum", "avg", "quantile", "filter"]'
    load = f'viral_load = {{ type = "integer", range = [0, 1000000], required = true, {may} }}'
    stacked = 'same_person_at_several = "no"\n'
    return (
        table("clinic", "patients", 8_000, unique + people)
        + table(
            "clinic",
            "vitals",
            25_000,
            f"""{patient}
systolic_bp = {{ type = "integer", range = [0, 300], may = ["sum", "avg", "filter"] }}""",
            "rows_per_id = 30",
        )
        + table("lab", "results", 25_000, f"{patient}\n{load}", "rows_per_id = 30")
        + table(list(HOSPITALS), "patients", 4_000, unique + people, stacked)
        + table(list(HOSPITALS), "lab_results", 13_000, f"{patient}\n{load}", stacked + "rows_per_id = 30")
    )


CLINIC = DataSet(
    "health_fhir_clinic_lab",
    ("clinic", "lab", "pharmacy", *HOSPITALS),
    tables,
    parquet(
        [("clinic", "patients"), ("clinic", "vitals"), ("lab", "results")]
        + [(hospital, name) for hospital in HOSPITALS for name in ("patients", "lab_results")]
    ),
    '[["clinic.patients.patient_id", "results.patient_id"], ["vitals.patient_id", "results.patient_id"]]',
    {
        "h1_counts": Rewritten(
            "the patients and the results, each asked for itself",
            (
                f"SELECT COUNT(*) AS patients FROM ({PATIENTS})",
                "SELECT COUNT(*) AS results, ROUND(AVG(viral_load), 4) AS mean_viral_load, "
                "ROUND(STDDEV_POP(viral_load), 4) AS sd_viral_load FROM lab_results",
            ),
            lambda patients, results: [[*patients[0], *results[0]]],
        ),
    },
)
