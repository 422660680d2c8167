"""Card transactions of three banks."""

from ..public import DataSet, parquet, table

BANKS = ("bank_a", "bank_b", "bank_c")
UNION = " UNION ALL ".join(f"SELECT '{bank}' AS bank, * FROM {bank}.card_transactions" for bank in BANKS)


def tables(folder):
    return table(
        list(BANKS),
        "card_transactions",
        100_000,
        """amount = { type = "decimal(10,2)", range = [0, 2000], required = true, may = ["sum", "avg", "filter"] }
fraud = { type = "integer", range = [0, 1], required = true, may = ["sum", "avg", "filter"] }""",
        'person = "row"',
    )


CARDS = DataSet("finance_card_fraud", BANKS, tables, parquet([(bank, "card_transactions") for bank in BANKS]))
