"""Card transactions of three banks, whose cards are used at the same terminals."""

from ..public import DataSet, Rewritten, parquet, table

BANKS = ("bank_a", "bank_b", "bank_c")
UNION = " UNION ALL ".join(f"SELECT * FROM {bank}.card_transactions" for bank in BANKS)


def tables(folder):
    return "".join(
        table(
            bank,
            "card_transactions",
            100_000,
            """terminal_id = { type = "id", form = "integer", range = [0, 9999], required = true, may = ["group"] }
amount = { type = "decimal(10,2)", range = [0, 2000], required = true, may = ["sum", "avg", "filter"] }
fraud = { type = "integer", range = [0, 1], required = true, may = ["sum", "avg", "filter"] }""",
            "rows_per_id = 100",
        )
        for bank in BANKS
    )


CARDS = DataSet(
    "finance_card_fraud",
    BANKS,
    tables,
    parquet([(bank, "card_transactions") for bank in BANKS]),
    """[
    ["bank_a.card_transactions.terminal_id", "bank_b.card_transactions.terminal_id"],
    ["bank_a.card_transactions.terminal_id", "bank_c.card_transactions.terminal_id"],
]""",
    rewritten={
        "q6_amount_bands": Rewritten(
            "the bands in the order in which CASE names them, without ORDER BY min(amount)",
            (
                "SELECT CASE WHEN amount < 50 THEN '0-50' WHEN amount < 100 THEN '50-100' WHEN amount < 220 "
                "THEN '100-220' ELSE '220+' END AS band, COUNT(*) AS transactions, SUM(fraud) AS frauds "
                f"FROM ({UNION}) GROUP BY 1",
            ),
        )
    },
)
