"""Two owners alone, through running nodes over TLS: as in the clear, thresholds, receipts, repeats, refusals."""

from contextlib import closing

import pytest

from glovebox.audit.receipts import verify_receipt
from glovebox.cli.demo import equal
from glovebox.errors import GloveboxError
from glovebox.node.contracts import read_contract
from glovebox.node.ledger import Ledger

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


@pytest.mark.parametrize("bound", ["SUM(amount) > 500000", "COUNT(*) < 100", "AVG(weight) < 59.5"])
def test_having_shows_the_groups_that_pass_and_no_other(fleet, bound):
    shape = "SELECT kind, COUNT(*) AS n, SUM(amount) AS s FROM a JOIN b USING (id) GROUP BY kind"
    answer, clear = ask(fleet, "beta", f"{shape} HAVING {bound} ORDER BY kind"), in_the_clear(f"{shape} HAVING {bound}")
    assert len(clear) == 1
    shown = [row for number, row in enumerate(answer.rows) if number not in answer.suppressed and row[1]]
    assert equal(of_rows(answer, shown), clear)


def test_noise_is_as_large_as_said_and_a_group_is_held_against_the_threshold_with_it(strict):
    exact, budget = strict.contract.read_text(), '[privacy]\nepsilon_total = "100"\nepsilon_per_question = "20"\n'
    head, _, _ = exact.replace('name = "test"', 'name = "noisy"').partition("exact = ")
    strict.agree(head.replace("overlap_checks = 1\n", "") + budget)
    try:
        for name in ROWS:
            owner = "alpha" if name in ("a", "many") else "beta"
            strict.bind(owner, name, strict.directory / f"{owner}-{name}.csv")
        question = "SELECT kind, COUNT(DISTINCT a.id) AS n, SUM(amount) AS s FROM a JOIN b USING (id) GROUP BY kind"
        answer, clear = ask(strict, "beta", question), {row[0]: row[1:] for row in in_the_clear(question)}
        assert {answer.rows[number][0] for number in answer.suppressed} == {"z", "never"}
        for number, (kind, *cells) in enumerate(answer.rows):
            for cell, told, within in zip(cells, clear.get(kind, ()), answer.within[number][1:], strict=False):
                assert abs(cell - told) <= 5 * within
    finally:
        strict.agree(exact)


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


THIN = """protocol = "two-party-homomorphic"
[[table]]
owner = "left"
name = "a"
rows = 300
[table.columns]
id = { type = "id", form = "integer", unique = true }
x = { type = "integer", range = [0, 10], may = ["filter"] }

[[table]]
owner = "right"
name = "b"
rows = 300
rows_per_id = 2
[table.columns]
id = { type = "id", form = "integer" }
c = { type = "category", values = ["u", "v"], may = ["group"] }
y = { type = "integer", range = [0, 10], required = true, may = ["sum", "avg"] }

[rules]
join = [["a.id", "b.id"]]
ask = ["left", "right"]
receive = ["left"]
groups_of_at_least = 20
questions = "any"

[privacy]
epsilon_total = "100"
epsilon_per_question = "20"
"""


def test_the_homomorphic_mode_answers_the_same_and_says_and_pays_what_it_tells(tmp_path):
    fleet = agreed(tmp_path, ["left", "right"], THIN)
    bind_rows(fleet, "left", "a", ("id", "x"), [(n, n % 10) for n in range(250)])
    held = [(n, "v" if n < 110 else "u", 5) for n in range(100, 200)]
    bind_rows(fleet, "right", "b", ("id", "c", "y"), held + [(n, "u", 1) for n in range(150, 250)])
    question = "SELECT c, COUNT(DISTINCT b.id) AS n, SUM(y) AS s FROM a JOIN b USING (id) WHERE x < 8 GROUP BY c"
    with fleet:
        first = fleet.ask("right", question)
        assert (bytes(first.answer), first.receivers) == (b"null", ("left",))
        assert "told besides: how many ids match, to left, with noise of epsilon 0.1" in first.receipt
        answer = ask(fleet, "left", question)  # kept: sent again, and paid once
        refused = pytest.raises(GloveboxError, match="refused")
        with refused as problem:
            fleet.ask("left", "SELECT SUM(x) AS s FROM a JOIN b USING (id)")
        assert problem.value.exit_code == 3
    (u, n, s), (v, few, none) = answer.rows
    assert (u, v, few, none) == ("u", "v", None, None)
    assert abs(n - 112) <= 5 * answer.within[0][1]  # 140 ids of u, of which eight in ten pass
    assert abs(s - (72 * 5 + 80)) <= 5 * answer.within[0][2]
    with closing(Ledger(fleet.homes["left"].ledger_file)) as ledger:
        assert ledger.spent(read_contract(fleet.contract).hash) == dict.fromkeys((0, 1), 20_100_000)
