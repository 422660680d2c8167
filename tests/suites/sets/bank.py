"""A bank's customers, the calls that a call centre made, and the deposits that another bank took."""

from ..public import DataSet, labels, parquet, table


def tables(folder):
    customer = 'customer_id = { type = "id", form = "exact", unique = true }'
    return (
        table(
            "bank",
            "customers",
            46_000,
            f"""{customer}
age = {{ type = "integer", range = [18, 100], required = true, may = ["sum", "avg", "filter"] }}
job = {{ type = "category", values = {labels(folder, "bank/customers", "job")}, may = ["group", "filter"] }}
in_default = {{ type = "boolean", required = true, may = ["group", "filter"] }}
balance_eur = {{ type = "integer", range = [-10000, 110000], required = true, may = ["sum", "avg", "filter"] }}
personal_loan = {{ type = "boolean", required = true, may = ["group", "filter"] }}""",
        )
        + table(
            "call_centre",
            "contacts",
            33_000,
            f"""{customer}
seconds = {{ type = "integer", range = [0, 5000], required = true, may = ["sum", "avg", "filter"] }}
subscribed = {{ type = "boolean", required = true, may = ["filter"] }}""",
        )
        + table("deposit_bank", "new_deposits", 6_000, customer)
    )


BANK = DataSet(
    "finance_bank_marketing",
    ("bank", "call_centre", "deposit_bank"),
    tables,
    parquet([("bank", "customers"), ("call_centre", "contacts"), ("deposit_bank", "new_deposits")]),
    '[["customers.customer_id", "contacts.customer_id"], ["customers.customer_id", "new_deposits.customer_id"]]',
)
