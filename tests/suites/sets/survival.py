"""Lung patients of three sites, breast cancer patients of three centres, and a registry with a laboratory."""

from math import exp, log

from ..public import DataSet, Rewritten, parquet, table

LUNG = ("lung_site_a", "lung_site_b", "lung_site_c")
BREAST = ("breast_centre_1", "breast_centre_2", "breast_centre_3")


def days(most):
    may = '["sum", "avg", "group", "filter"]'
    return f'days = {{ type = "integer", range = [0, {most}], required = true, may = {may} }}'


def tables(folder):
    person = 'person_id = { type = "id", form = "exact", unique = true }'
    died = 'died = { type = "integer", range = [0, 1], required = true, may = ["sum", "avg", "filter"] }'
    return (
        table(
            list(LUNG),
            "patients",
            100,
            f"""{days(1099)}
{died}
sex = {{ type = "category", values = ["F", "M"], may = ["group", "filter"] }}
ecog = {{ type = "integer", range = [0, 4], may = ["group", "filter"] }}""",
            'person = "row"',
        )
        + table(
            list(BREAST),
            "patients",
            300,
            f"""{days(2999)}
{died.replace("died", "died_or_relapsed")}
hormone_therapy = {{ type = "category", values = ["no", "yes"], may = ["group", "filter"] }}""",
            'person = "row"',
        )
        + table(
            "flc_registry",
            "people",
            8_000,
            f"""{person}
{days(5999)}
{died}""",
        )
        + table(
            "flc_lab",
            "samples",
            8_000,
            person + '\nflc_group = { type = "integer", range = [1, 10], required = true, may = ["group", "filter"] }',
        )
    )


def life_table(rows):
    """At risk, deaths and others who leave, by interval of 90 days."""
    leaving = [row[1] for row in rows]
    return [[90 * i, sum(leaving[i:]), rows[i][2], rows[i][1] - rows[i][2]] for i in range(12)]


def survival(rows, days):
    """The Kaplan-Meier curve at some days, from (day, leaving, deaths)."""
    at_risk, logarithm, curve = sum(leaving for _, leaving, _ in rows), 0.0, {}
    for day, leaving, deaths in rows:
        logarithm += log(1 - deaths / at_risk) if leaving else 0.0
        at_risk -= leaving
        curve[day] = exp(logarithm)
    return [[day, round(curve[max(at for at in curve if at <= day)], 6)] for day in days]


def by_group(days):
    """The curve of each group, from rows of all groups."""
    return lambda rows: [
        [group, *point]
        for group in sorted({row[0] for row in rows})
        for point in survival([row[1:] for row in rows if row[0] == group], days)
    ]


def leaving(group, died, sites):
    parts = " UNION ALL ".join(f"SELECT {group}, days, {died} FROM {site}.patients" for site in sites)
    return (
        f"SELECT {group}, days, COUNT(*) AS leaving, SUM({died}) AS deaths FROM ({parts}) GROUP BY 1, 2 ORDER BY 1, 2"
    )


LIVES = " UNION ALL ".join(f"SELECT days, died FROM {site}.patients" for site in LUNG)
CURVE = "the counts of every day; the curve is computed from them"
REWRITTEN = {
    "l1_life_table": Rewritten(
        "the counts of every interval; who is at risk is a sum of them",
        (
            "SELECT CAST(floor(days / 90) AS INTEGER) AS i, COUNT(*) AS leaving, SUM(died) AS deaths "
            f"FROM ({LIVES}) GROUP BY 1 ORDER BY 1",
        ),
        life_table,
    ),
    "l2_kaplan_meier": Rewritten(CURVE, (leaving("sex", "died", LUNG),), by_group((90, 180, 365, 545, 730))),
    "g1_kaplan_meier": Rewritten(
        CURVE, (leaving("hormone_therapy", "died_or_relapsed", BREAST),), by_group((365, 730, 1095, 1825))
    ),
    "f3_kaplan_meier_top_group": Rewritten(
        CURVE,
        tuple(
            "SELECT days, COUNT(*) AS leaving, SUM(died) AS deaths FROM flc_registry.people "
            f"JOIN flc_lab.samples USING (person_id) WHERE flc_group {sign} 10 GROUP BY days ORDER BY days"
            for sign in ("<>", "=")
        ),
        lambda rest, top: [
            [which, *point] for which, rows in ((False, rest), (True, top)) for point in survival(rows, (1826, 3652))
        ],
    ),
}

SURVIVAL = DataSet(
    "survival",
    (*LUNG, *BREAST, "flc_registry", "flc_lab"),
    tables,
    parquet([(site, "patients") for site in (*LUNG, *BREAST)] + [("flc_registry", "people"), ("flc_lab", "samples")]),
    '[["people.person_id", "samples.person_id"]]',
    rewritten=REWRITTEN,
)
