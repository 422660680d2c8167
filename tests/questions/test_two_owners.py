"""Two owners alone, through running nodes over TLS: as in the clear, thresholds, receipts, repeats, refusals."""

import pytest

from glovebox.audit.receipts import verify_receipt
from glovebox.cli.demo import equal
from glovebox.errors import GloveboxError
from glovebox.node.contracts import read_contract

from .fleets import agreed, ask, bind_rows
from .test_groups import QUESTIONS, ROWS, SHAPES, TERMS, in_the_clear, of_rows

ALONE = 'protocol = "two-party"\n'
MATCHED = "MATCH alpha.a.id WITH beta.b.id"


def started(directory, threshold):
    terms = TERMS.replace("groups_of_at_least", "overlap_checks = 1\ngroups_of_at_least")
    fleet = agreed(directory, ["alpha", "beta"], ALONE + terms.replace("THRESHOLD", str(threshold)))
    for name, rows in ROWS.items():
        owner = "alpha" if name in ("a", "many") else "beta"
        bind_rows(fleet, owner, name, ("id", *SHAPES[name]), rows)
    return fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with started(tmp_path_factory.mktemp("alone"), 1) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with started(tmp_path_factory.mktemp("strict"), 12) as fleet:
        yield fleet


MORE = [
    "SELECT COUNT(*) AS n, SUM(amount) AS s, SUM(weight) AS t FROM a JOIN b USING (id)",
    "SELECT COUNT(*) AS n, ROUND(AVG(amount * weight), 2) AS m FROM a JOIN b USING (id) WHERE kind <> 'x'",
    "SELECT COUNT(*) AS n, COUNT(amount) FILTER (WHERE band = 'low') AS low FROM a JOIN b USING (id)",
]


@pytest.mark.parametrize("question", [*QUESTIONS[4:8], *QUESTIONS[9:10], MORE[1]])
def test_two_owners_answer_as_in_the_clear(fleet, question):
    answer, clear = ask(fleet, "beta", question), in_the_clear(question)
    assert not answer.suppressed
    shown = [row for row in answer.rows if row[answer.columns.index("n")]]  # SQL has no row for an empty group
    assert equal(of_rows(answer, shown), clear)


def test_groups_of_too_few_people_are_not_shown(strict):
    question = QUESTIONS[3]
    answer = ask(strict, "beta", question)
    clear = {tuple(row[:2]): row for row in in_the_clear(question)}
    people = answer.columns.index("people")
    for number, row in enumerate(answer.rows):
        large = clear.get(row[:2], [0] * len(row))[people] >= 12
        assert (number in answer.suppressed) != large
        assert large or set(row[2:]) == {None}
    shown = [row for number, row in enumerate(answer.rows) if number not in answer.suppressed]
    assert 0 < len(shown) < len(answer.rows)
    assert equal(of_rows(answer, shown), [clear[row[:2]] for row in shown])


def test_how_many_match_is_told_as_a_band_and_so_many_times(strict):
    assert in_the_clear("SELECT COUNT(*) FROM a JOIN b USING (id)") == [[280]]
    assert ask(strict, "beta", MATCHED).rows == (("200 or more",),)
    with pytest.raises(GloveboxError, match="allows 1 match check"):
        ask(strict, "beta", MATCHED)


def test_an_answer_is_signed_by_both_and_given_again_without_a_run(fleet):
    events = []
    question = MORE[0] + " -- again"
    first = fleet.ask("beta", question)
    second = fleet.ask("beta", question, seen=lambda event, party: events.append(event))
    assert bytes(first.answer) == bytes(second.answer)
    assert "matched" not in events
    keys = {party.name: party.key for party in read_contract(fleet.contract).parties}
    verify_receipt(first.receipt, keys, ["alpha", "beta"])
    assert "\nprotocol: two-party\n" in first.receipt
    assert "\ncomputed by: alpha, beta\n" in first.receipt


def test_what_two_parties_cannot_compare_is_refused_with_the_way_out(fleet):
    with pytest.raises(GloveboxError) as refused:
        fleet.ask("beta", "SELECT COUNT(*) AS n FROM a JOIN b USING (id) WHERE amount > weight")
    assert (refused.value.exit_code, refused.value.step) == (3, "protocol")
    assert "neutral third party" in refused.value.hint
