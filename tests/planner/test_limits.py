"""What a stranger can ask is bounded before it is worked on, and no name that the planner makes can be said."""

import pytest

from glovebox.errors import Refused
from glovebox.planner.meetings import MOST_CHOICES, Meeting
from glovebox.planner.question import plan_question

from . import test_events
from .test_meaning import CONTRACT, FEW

PEOPLE = "(SELECT id, COUNT(*) AS n, SUM(x) AS s, MIN(y) AS low, MAX(x) AS top FROM s GROUP BY id) q"


def many(number, one, between=", "):
    """This with every number in place of {0}."""
    return between.join(one.format(place) for place in range(number))


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (f"SELECT COUNT(*) AS n FROM e{many(17, ' JOIN b b{0} USING (id)', '')}", "18 tables cannot be joined"),
        (
            f"SELECT {many(20, 'COUNT(*) FILTER (WHERE e.id IN (SELECT id FROM b WHERE x > {0})) AS n{0}')} FROM e",
            "21 tables cannot be joined",
        ),
        (f"SELECT COUNT(*) AS n FROM e JOIN b USING (id) WHERE e.x IN ({many(2000, '{0}')})", "too long or too deep"),
        (f"SELECT {many(400, 'SUM(e.x + {0}) AS s{0}')} FROM e JOIN b USING (id)", "too long or too deep"),
        (f"SELECT COUNT(*) AS n FROM e JOIN b USING (id) WHERE e.x = {many(70, '{0}', ' + ')}", "too long or too deep"),
        (f"SELECT SUM(CASE {many(400, 'WHEN e.x = {0} THEN {0}', ' ')} END) AS s FROM e JOIN b USING (id)", "too long"),
    ],
)  # fmt: skip
def test_what_is_too_much_is_refused(question, sentence):
    with pytest.raises(Refused) as refused:
        plan_question(CONTRACT, question, {}, 0)
    assert sentence in refused.value.detail[-1], refused.value.lines()


def test_too_many_sums_of_rows_that_meet_are_refused_with_and_without_groups():
    sums = f"SUM(a.x - d.x) AS s, {many(150, 'AVG(a.x - {0}) AS s{0}')}"
    for group in ("", " GROUP BY a.f"):
        with pytest.raises(Refused, match="the question is refused") as refused:
            plan_question(FEW, f"SELECT {sums} FROM a JOIN d USING (id) JOIN h USING (id){group}", {}, 0)
        assert "totals of every row" in refused.value.detail[-1]


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (f"SELECT c, {many(150, 'SUM(nx + {0}) AS s{0}')} FROM {test_events.events()} GROUP BY c", "more than 400"),
        (f"SELECT x, {many(150, 'SUM(nx + {0}) AS s{0}')} FROM {test_events.events()} GROUP BY x", "totals of every"),
        (f"SELECT top, {many(150, 'SUM(s + {0}) AS s{0}')} FROM {PEOPLE} GROUP BY top", "totals of every row"),
        (
            f"SELECT n > 1, {many(120, 'COUNT(*) FILTER (WHERE s > {0} AND low < 1) AS n{0}')} FROM {PEOPLE} "
            "GROUP BY n > 1, top > 2",
            "more than 400",
        ),
    ],
)  # fmt: skip
def test_conditions_of_persons_are_counted_while_they_are_made(question, sentence, monkeypatch):
    made, total = [], Meeting.total
    monkeypatch.setattr(Meeting, "total", lambda *arguments: made.append(1) or total(*arguments))
    with pytest.raises(Refused) as refused:
        plan_question(test_events.CONTRACT, question, {}, 0)
    assert sentence in refused.value.detail[-1], refused.value.lines()
    assert len(made) <= 2 * MOST_CHOICES


def test_a_column_that_nobody_reads_is_not_made():
    plan = plan_question(test_events.CONTRACT, f"SELECT COUNT(*) AS n FROM {test_events.events()}", {}, 0)
    read = {str(measure.expression) for local in plan.source.owners for measure in local.measures if measure.slot}
    assert len(read) == 1
    assert "y" in read.pop(), "the time, by which a slot is told to be full"


MADE = ("folded 0", "among 0", "having 0", "key 0", "present 0", "group 0", "column 1", "label 0", "of line", "0", "",
        "of line.c", "a\u00a0b", "x\n", "naïve")  # fmt: skip


@pytest.mark.parametrize(
    "question",
    [
        'SELECT COUNT(*) AS "{}" FROM e JOIN b USING (id)',
        'SELECT COUNT(*) AS n FROM e JOIN b "{}" USING (id)',
        'SELECT SUM("{0}") AS n FROM (SELECT id, SUM(x) AS "{0}" FROM a GROUP BY id) q JOIN b USING (id)',
        'WITH "{0}" AS (SELECT id, SUM(x) AS s FROM a GROUP BY id) SELECT SUM(s) AS n FROM "{0}" JOIN b USING (id)',
        'SELECT COUNT(*) AS n FROM e JOIN b USING ("{}")',
        'SELECT COUNT(*) AS n FROM e JOIN b USING (id) WHERE e."{}" > 1',
        'SELECT COUNT(*) AS n FROM e WHERE e.id IN (SELECT id FROM b WHERE "{}".x > 1)',
    ],
)
def test_no_name_that_the_planner_makes_can_be_said(question):
    for name in MADE:
        with pytest.raises(Refused) as refused:
            plan_question(CONTRACT, question.format(name), {}, 0)
        assert refused.value.detail[-1] in ("This cannot be a name.", "This is not SQL that can be read."), name
