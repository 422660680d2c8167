"""Every refusal of a question, compared whole: `make refusals` writes them anew, and the diff is what to review."""

from pathlib import Path

import pytest

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError, Refused
from glovebox.planner.question import plan_question

EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"
REFUSALS = sorted(Path(__file__).parent.glob("*.test"))

NO_PLACE = {
    "asker-who-may-not", "no-select", "no-such-question", "not-approved", "nothing", "parameter-missing",
    "parameter-of-another-type", "parameter-too-many", "pragma", "two-statements",
}  # fmt: skip
"""Nothing in the text is what stands against these: all of it is, who asks, or a parameter."""


def refusal_of(first, statement):
    """The refusal as a person reads it; first: `-- contract asker [name=value ...]`."""
    _, name, asker, *parameters = first.split()
    contract = parse_contract((EXAMPLES / f"{name}.toml").read_bytes())
    given = dict(parameter.split("=") for parameter in parameters)
    with pytest.raises(GloveboxError) as refused:
        plan_question(contract, statement, given, contract.number(asker))
    assert isinstance(refused.value, Refused)
    return refused.value


@pytest.mark.parametrize("path", REFUSALS, ids=lambda path: path.stem)
def test_a_refusal_says_side_place_rule_and_way_out(path, request):
    asked, _, pinned = path.read_text().partition("----\n")
    first, _, statement = asked.partition("\n")
    refused = refusal_of(first, statement.rstrip("\n"))
    told = "glovebox ask: " + "\n".join(refused.lines()) + "\n"
    if request.config.getoption("--rewrite"):
        path.write_text(f"{asked}----\n{told}")
        pinned = told
    assert pinned == told
    assert refused.party in refused.summary
    assert refused.summary.endswith(("is refused", f"refused by {refused.party}", "may not ask under this contract"))
    assert refused.step, "a refusal names its rule"
    assert any("^" in line for line in refused.detail) == (path.stem not in NO_PLACE), "a refusal points at its place"
    assert refused.hint, "a refusal says what would work"


def test_there_are_refusals():
    assert len(REFUSALS) - len(NO_PLACE) >= 60
