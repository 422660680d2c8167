"""Two shops' invoices and a brand's members."""

from ..public import DataSet, parquet, table


def tables(folder):
    invoices = """customer_id = { type = "id", form = "integer" }
amount = { type = "decimal(14,3)", range = ["-200000", "200000"], required = true, may = ["sum", "avg", "filter"] }"""
    return (
        table("shop_early", "invoices", 12_000, invoices, "rows_per_id = 200")
        + table("shop_late", "invoices", 16_000, invoices, "rows_per_id = 200")
        + table(
            "brand",
            "members",
            2_000,
            """customer_id = { type = "id", form = "integer", unique = true }
tier = { type = "category", values = ["bronze", "silver", "gold"], may = ["group", "filter"] }""",
        )
    )


RETAIL = DataSet(
    "retail_online",
    ("brand", "shop_early", "shop_late"),
    tables,
    parquet([("shop_early", "invoices"), ("shop_late", "invoices"), ("brand", "members")]),
    """[
    ["shop_late.invoices.customer_id", "members.customer_id"],
    ["shop_early.invoices.customer_id", "members.customer_id"],
    ["shop_early.invoices.customer_id", "shop_late.invoices.customer_id"],
]""",
)
