"""What the demo exercises: contracts, their tables, questions, and the same answers computed in the clear."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glovebox.contract.terms import EXACT
from glovebox.data.generated import write_campaign, write_hospitals
from glovebox.identity import key_text

Keys = dict[str, bytes]
Addresses = dict[str, str]


@dataclass(frozen=True)
class Question:
    """What is asked, by whom; clear: the same in DuckDB over the files, "" for what the contract must forbid.

    small: rows of the clear answer whose last column, the number of people, is below this are not to be shown.
    """

    asker: str
    asked: str
    clear: str
    says: str
    small: int = 0


@dataclass(frozen=True)
class Exercise:
    """A contract among parties, the files they bind, and questions. files: by (party, table)."""

    name: str
    parties: tuple[str, ...]
    terms: str
    write: Callable[[Path], dict[tuple[str, str], Path]]
    questions: tuple[Question, ...]
    learns: str

    def contract(self, keys: Keys, addresses: Addresses) -> str:
        """The contract's text, with the parties' keys and addresses."""
        cards = [
            f'[[party]]\nname = "{party}"\nkey = "{key_text(keys[party])}"\naddress = "{addresses[party]}"\n'
            for party in self.parties
        ]
        head, _, rest = self.terms.partition("[[table]]")
        return head + "\n".join(cards) + "\n[[table]]" + rest

    def statement(self, question: Question) -> str:
        """The SQL of a question that may be asked by its name."""
        for approved in tomllib.loads(self.terms.partition("[rules]")[2]).get("question", []):
            if approved["name"] == question.asked:
                return str(approved["sql"])
        return question.asked


CAMPAIGN_TERMS = """glovebox = 1
name = "spring-campaign"
version = 1
purpose = "Did people who saw the spring campaign buy more?"
from = 2026-01-01
until = 2099-12-31

[[table]]
owner = "retailer"
name = "purchases"
rows = 10_000
rows_per_id = 20
[table.columns]
customer = { type = "id", form = "email" }
amount = { type = "decimal(10,2)", range = [0, 5000], required = true, may = ["sum", "avg"] }
country = { type = "category", values = ["DE", "FR", "GB", "other"], may = ["filter"] }
bought_on = { type = "date", range = [2026-12-01, 2027-03-31], may = ["filter"] }

[[table]]
owner = "publisher"
name = "impressions"
rows = 30_000
rows_per_id = 50
[table.columns]
customer = { type = "id", form = "email" }
format = { type = "category", values = ["video", "banner"], may = ["filter"] }
seen_on = { type = "date", range = [2026-12-01, 2027-03-31], may = ["filter"] }

[rules]
join = [["purchases.customer", "impressions.customer"]]
ask = ["retailer", "publisher"]
receive = ["retailer", "publisher"]
groups_of_at_least = 25
questions = "approved"

[[question]]
name = "reach"
sql = '''SELECT COUNT(DISTINCT customer) AS people, SUM(amount) AS seen_spend
FROM purchases JOIN impressions USING (customer)'''

[[question]]
name = "average"
sql = '''SELECT AVG(amount) AS average FROM purchases JOIN impressions USING (customer) WHERE format = 'video' '''
"""


def _campaign_files(directory: Path) -> dict[tuple[str, str], Path]:
    purchases, impressions = write_campaign(directory, seed=1)
    return {("retailer", "purchases"): purchases, ("publisher", "impressions"): impressions}


HOSPITALS_TERMS = """glovebox = 1
name = "length-of-stay"
version = 1
purpose = "How long do patients stay, by diagnosis?"
from = 2026-01-01
until = 2099-12-31

[[table]]
owner = ["north", "harbour", "valley"]
name = "patients"
rows = 2_000
same_person_at_several = "no"
[table.columns]
patient = { type = "id", form = "exact", unique = true }
age = { type = "integer", range = [0, 120] }
sex = { type = "category", values = ["F", "M"] }
ward = { type = "category", values = ["surgery", "cardiology", "medicine", "neurology"] }
stay_days = { type = "integer", range = [0, 366], may = ["sum", "avg"] }
admitted_on = { type = "date", range = [2026-12-01, 2027-03-31] }
[table.columns.diagnosis]
type = "category"
values = ["fracture", "infarction", "pneumonia", "stroke", "porphyria"]
may = ["group"]

[rules]
ask = ["north", "harbour", "valley"]
receive = ["north", "harbour", "valley"]
groups_of_at_least = 11
questions = "approved"

[[question]]
name = "stays"
sql = "SELECT diagnosis, COUNT(*) AS patients, AVG(stay_days) AS days FROM patients GROUP BY diagnosis"
"""


def _hospital_files(directory: Path) -> dict[tuple[str, str], Path]:
    paths = write_hospitals(directory, seed=1)
    return {(party, "patients"): path for party, path in zip(("north", "harbour", "valley"), paths, strict=True)}


# Two statements of our own, put together from constants: nothing here comes from outside.
_EMAIL = "lower(trim(customer, ' '))"
_BUYS = f"(SELECT {_EMAIL} AS customer, * EXCLUDE customer FROM purchases WHERE customer LIKE '%@%')"
_SEES = f"(SELECT {_EMAIL} AS customer, * EXCLUDE customer FROM impressions WHERE customer LIKE '%@%')"

CAMPAIGN = Exercise(
    name="campaign",
    parties=("retailer", "publisher", "notary"),
    terms=CAMPAIGN_TERMS,
    write=_campaign_files,
    questions=(
        Question(
            "retailer",
            "reach",
            f"SELECT COUNT(DISTINCT customer), SUM(CAST(amount AS DECIMAL(10, 2))) FROM {_BUYS} "
            f"JOIN {_SEES} USING (customer)",
            "people who saw the campaign and bought, and what they spent, once for each time they saw it",
        ),
        Question(
            "publisher",
            "average",
            f"SELECT AVG(amount) FROM {_BUYS} JOIN {_SEES} USING (customer) WHERE format = 'video'",
            "their average purchase, weighed by how often they saw a video",
        ),
        Question(
            "retailer",
            "SELECT COUNT(*) FROM purchases JOIN impressions USING (customer) WHERE country = 'DE'",
            "",
            "a question that the contract does not hold",
        ),
    ),
    learns="retailer and publisher: these answers. notary: nothing but that they were asked.",
)
HOSPITALS = Exercise(
    name="hospitals",
    parties=("north", "harbour", "valley"),
    terms=HOSPITALS_TERMS,
    write=_hospital_files,
    questions=(
        Question(
            "north",
            "stays",
            "SELECT diagnosis, COUNT(*), AVG(stay_days) FROM patients GROUP BY diagnosis",
            "patients and days in hospital, by diagnosis, over the three hospitals",
            small=11,
        ),
    ),
    learns="each hospital: this answer, and of the other two nothing but their sum with its own.",
)

RETAIL_TERMS = f"""glovebox = 1
name = "brand-and-shop"
version = 1
purpose = "What do the brand's members buy at the shop? Public data."
from = 2026-01-01
until = 2099-12-31

[[table]]
owner = "shop_late"
name = "invoices"
rows = 16_000
rows_per_id = 200
[table.columns]
customer_id = {{ type = "id", form = "integer" }}
amount = {{ type = "decimal(14,3)", range = ["-200000", "200000"], required = true, may = ["sum", "avg"] }}

[[table]]
owner = "brand"
name = "members"
rows = 2_000
[table.columns]
customer_id = {{ type = "id", form = "integer", unique = true }}

[rules]
join = [["invoices.customer_id", "members.customer_id"]]
ask = ["brand", "shop_late"]
receive = ["brand", "shop_late"]
groups_of_at_least = 1
questions = "any"
exact = "{EXACT}"
"""

HEART_TERMS = f"""glovebox = 1
name = "heart-disease"
version = 1
purpose = "Heart disease at four hospitals. Public data."
from = 2026-01-01
until = 2099-12-31

[[table]]
owner = ["cleveland", "budapest", "switzerland", "long_beach_va"]
name = "patients"
rows = 400
person = "row"
[table.columns]
age = {{ type = "integer", range = [0, 120], may = ["sum", "avg", "filter"] }}
sex = {{ type = "category", values = ["F", "M"], may = ["group", "filter"] }}
diagnosis = {{ type = "integer", range = [0, 4], required = true, may = ["sum", "avg", "filter"] }}

[rules]
ask = ["cleveland", "budapest", "switzerland", "long_beach_va"]
receive = ["cleveland", "budapest", "switzerland", "long_beach_va"]
groups_of_at_least = 1
questions = "any"
exact = "{EXACT}"
"""


def retail(data: Path) -> Exercise:
    """The first question of the retail set: a brand and a shop that share customer numbers."""
    folder = data / "retail_online"
    files = {
        ("shop_late", "invoices"): folder / "shop_late" / "invoices.parquet",
        ("brand", "members"): folder / "brand" / "members.parquet",
    }
    return _real(folder, ("shop_late", "brand", "notary"), RETAIL_TERMS, files)


def heart(data: Path) -> Exercise:
    """The first question of the heart set: four hospitals, one row a patient."""
    folder = data / "health_heart_four_hospitals"
    hospitals = ("cleveland", "budapest", "switzerland", "long_beach_va")
    files = {(hospital, "patients"): folder / hospital / "patients.parquet" for hospital in hospitals}
    return _real(folder, hospitals, HEART_TERMS, files)


def _real(folder: Path, parties: tuple[str, ...], terms: str, files: dict[tuple[str, str], Path]) -> Exercise:
    asked = json.loads((folder / "expected.json").read_text())["questions"][0]
    return Exercise(
        name=folder.name,
        parties=parties,
        terms=terms,
        write=lambda directory: files,
        questions=(Question(parties[0], asked["sql"], asked["sql"], asked["question"]),),
        learns="all who ask: this answer.",
    )
