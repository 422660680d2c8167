"""Lung patients of three sites, breast cancer patients of three centres, and a registry with a laboratory."""

from ..public import DataSet, parquet, table

LUNG = ("lung_site_a", "lung_site_b", "lung_site_c")
BREAST = ("breast_centre_1", "breast_centre_2", "breast_centre_3")


def tables(folder):
    person = 'person_id = { type = "id", form = "exact", unique = true }'
    died = 'died = { type = "integer", range = [0, 1], required = true, may = ["sum", "avg", "filter"] }'
    return (
        table(
            list(LUNG),
            "patients",
            100,
            f"""days = {{ type = "integer", range = [0, 1099], required = true, may = ["sum", "avg", "filter"] }}
{died}
sex = {{ type = "category", values = ["F", "M"], may = ["group", "filter"] }}
ecog = {{ type = "integer", range = [0, 4], may = ["group", "filter"] }}""",
            'person = "row"',
        )
        + table(
            list(BREAST),
            "patients",
            300,
            f"""days = {{ type = "integer", range = [0, 2999], required = true, may = ["sum", "avg", "filter"] }}
{died.replace("died", "died_or_relapsed")}
hormone_therapy = {{ type = "category", values = ["no", "yes"], may = ["group", "filter"] }}""",
            'person = "row"',
        )
        + table(
            "flc_registry",
            "people",
            8_000,
            f"""{person}
days = {{ type = "integer", range = [0, 5999], required = true, may = ["sum", "avg", "filter"] }}
{died}""",
        )
        + table(
            "flc_lab",
            "samples",
            8_000,
            person + '\nflc_group = { type = "integer", range = [1, 10], required = true, may = ["group", "filter"] }',
        )
    )


SURVIVAL = DataSet(
    "survival",
    (*LUNG, *BREAST, "flc_registry", "flc_lab"),
    tables,
    parquet([(site, "patients") for site in (*LUNG, *BREAST)] + [("flc_registry", "people"), ("flc_lab", "samples")]),
    '[["people.person_id", "samples.person_id"]]',
)
