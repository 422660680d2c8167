"""Two shops' invoices and a brand's members."""

from ..public import DataSet, Rewritten, parquet, table


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


SPEND = (
    "(SELECT customer_id, SUM(amount) AS spend FROM shop_late.invoices WHERE customer_id IS NOT NULL "
    "GROUP BY customer_id) s"
)
OF_THEM = "COUNT(*) AS customers, SUM(spend) AS net_amount, ROUND(AVG(spend), 2) AS average_spend"
MEMBERS_AND_OTHERS = (
    f"SELECT {OF_THEM} FROM {SPEND} ANTI JOIN brand.members USING (customer_id)",
    f"SELECT {OF_THEM} FROM {SPEND} JOIN brand.members USING (customer_id)",
)
BUYERS = "(SELECT DISTINCT customer_id FROM {0}.invoices) {0}"
OF_BOTH_SHOPS = f"""SELECT tier, COUNT(*) AS customers FROM brand.members
JOIN {BUYERS.format("shop_early")} USING (customer_id) JOIN {BUYERS.format("shop_late")} USING (customer_id)
GROUP BY tier ORDER BY tier"""


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
    {
        "q3_members_vs_others": Rewritten(
            "the others and the members, each asked for itself",
            MEMBERS_AND_OTHERS,
            lambda others, members: [[False, *others[0]], [True, *members[0]]],
        ),
        "q7_three_way": Rewritten("customers who are in both, by joins with each shop's own", (OF_BOTH_SHOPS,)),
    },
)
