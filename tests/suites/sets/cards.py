"""Card transactions of three banks, whose cards are used at the same terminals."""

from ..public import DataSet, parquet, table

BANKS = ("bank_a", "bank_b", "bank_c")


def tables(folder):
    return "".join(
        table(
            bank,
            "card_transactions",
            100_000,
            """terminal_id = { type = "id", form = "integer" }
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
)
