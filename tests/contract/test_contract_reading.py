"""What `contract show` prints is made from the terms themselves: whatever changes in them changes it."""

from datetime import date
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from glovebox.contract.model import parse_contract
from glovebox.contract.reading import reading

FOLDER = Path(__file__).parents[2] / "examples" / "contracts"
EXAMPLES = sorted(FOLDER.glob("*.toml"))
ALL = """
[privacy]
epsilon_total = "6.0"
epsilon_per_question = "0.5"
"""


def contracts():
    for path in EXAMPLES:
        yield path.stem, parse_contract(path.read_bytes())
    text = (FOLDER / "spring-campaign.toml").read_text() + ALL
    text = text.replace("version  = 1", f'version = 2\nsupersedes = "sha256:{"ab" * 32}"')
    text = text.replace('type = "id", form = "email"', 'type = "id", form = "phone", country = "DE"')
    composed = '[["purchases.customer", "purchases.bought_on"], ["impressions.customer", "impressions.seen_on"]]'
    text = text.replace('[["purchases.customer"', f'[{composed}, ["purchases.customer"')
    text = text.replace("range = [0, 5000]", "range = [0, 5000], clip = true")
    text = text.replace('type = "date", range', 'type = "date", round = "month", range')
    text = text.replace(
        "country   = {", 'age = { type = "decimal(5,1)", bands = [0, 18, 65], values = ["other"] }\ncountry   = {'
    )
    yield "everything", parse_contract(text.encode())


def changed(value):
    """The same value, but different; None where no other value is as good."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case date():
            return date.fromordinal(value.toordinal() + 1)
        case bytes():
            return bytes([value[0] ^ 1]) + value[1:] if value else None
        case "id":
            return "row"
        case "DE":
            return "FR"
        case "month":
            return "year"
        case "any":
            return "approved"
        case "approved":
            return "any"
        case str():
            return value + "x"
    return None


def mutations(value, path="contract"):
    """Every value with one leaf changed, and the path of that leaf."""
    if isinstance(value, Struct):
        for field in value.__struct_fields__:
            for where, mutant in mutations(getattr(value, field), f"{path}.{field}"):
                yield where, replace(value, **{field: mutant})
    elif isinstance(value, tuple):
        if value:
            yield f"{path}[-1] dropped", value[:-1]
        for place, item in enumerate(value):
            for where, mutant in mutations(item, f"{path}[{place}]"):
                yield where, (*value[:place], mutant, *value[place + 1 :])
    elif (other := changed(value)) is not None:
        yield path, other


def is_told(contract, told):
    """Whether the reading tells this contract from the other; also where it cannot be read, as no text gives it."""
    try:
        return reading(contract) != told
    except (LookupError, ValueError):
        return True


def is_silent(path, contract):
    """What needs no word: the bytes (their hash is shown), and fields that a column of this kind does not have."""
    if path == "contract.text":
        return True
    ids, numbers = ("unique", "alone"), ("precision", "scale")
    has = {**dict.fromkeys(ids, "id"), **dict.fromkeys(numbers, "decimal"), "low": "boolean", "high": "boolean"}
    field = path.rpartition(".")[2]
    if field not in has:
        return False
    table, column = (int(part.partition("]")[0]) for part in path.split("[")[1:3])
    kind = contract.tables[table].columns[column].kind
    return kind == "boolean" if field in ("low", "high") else kind != has[field]


@pytest.mark.parametrize(
    ("name", "contract"), list(contracts()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_any_changed_term_changes_the_reading(name, contract):
    told, seen = reading(contract), 0
    for path, mutant in mutations(contract):
        if not is_silent(path, contract):
            assert is_told(mutant, told), f"{name}: {path} can change unseen"
            seen += 1
    assert seen > 50


def test_the_sentence_of_exact_answers_comes_first():
    told = reading(parse_contract((FOLDER / "online-retail.toml").read_bytes()))
    assert told.startswith("Everyone may see single persons")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_reading_is_the_pinned_one(path, request):
    pinned = Path(__file__).parent / "readings" / f"{path.stem}.txt"
    told = reading(parse_contract(path.read_bytes())) + "\n"
    if request.config.getoption("--rewrite"):
        pinned.parent.mkdir(exist_ok=True)
        pinned.write_text(told)
    assert pinned.read_text() == told
