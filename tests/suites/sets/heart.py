"""Heart patients of four hospitals, one row each."""

from ..public import DataSet, parquet, table

HOSPITALS = ("cleveland", "budapest", "switzerland", "long_beach_va")


def tables(folder):
    return table(
        list(HOSPITALS),
        "patients",
        400,
        """age = { type = "integer", range = [0, 119], required = true, may = ["sum", "avg", "group", "filter"] }
sex = { type = "category", values = ["F", "M"], may = ["group", "filter"] }
chest_pain = { type = "integer", range = [1, 4], required = true, may = ["group", "filter"] }
cholesterol = { type = "integer", range = [0, 1000], may = ["sum", "avg", "filter"] }
st_slope = { type = "integer", range = [1, 3], may = ["filter"] }
vessels = { type = "integer", range = [0, 3], may = ["filter"] }
thal = { type = "integer", range = [3, 7], may = ["filter"] }
diagnosis = { type = "integer", range = [0, 4], required = true, may = ["sum", "avg", "filter"] }""",
        'person = "row"',
    )


HEART = DataSet(
    "health_heart_four_hospitals", HOSPITALS, tables, parquet([(hospital, "patients") for hospital in HOSPITALS])
)
