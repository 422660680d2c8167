"""Days and times of one owner's columns, and of two: as their owners' databases and DuckDB have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.errors import GloveboxError
from glovebox.planner.question import plan_question

from .test_among import check_of_three
from .test_counted_once import label_of
from .test_derived import computed as of_files
from .test_meaning import CONTRACT, QUICK, in_the_clear, rows, same

JOIN = "FROM e JOIN b ON b.id = e.id"
PERIOD = st.sampled_from(["week", "month", "quarter", "year", "day"])
KEYS = [
    "CAST(DATE_TRUNC('PERIOD', a.day) AS DATE)", "a.day", "YEAR(a.day)", "QUARTER(a.day)", "EXTRACT(DAY FROM a.day)",
    "DAYOFWEEK(a.day)", "ISODOW(a.day)", "MONTH(a.day)", "GREATEST(a.day, DATE '2026-01-09')",
]  # fmt: skip
CONDITIONS = [
    "DATE_TRUNC('PERIOD', e.day) = DATE '2026-01-05'", "DATE_TRUNC('PERIOD', e.hour) <= '2026-01-12'",
    "DATE_DIFF('PERIOD', e.day, b.day) BETWEEN 0 AND 1", "DATEDIFF('PERIOD', b.hour, e.hour) > 0",
    "DATE_DIFF('PERIOD', DATE '2025-12-30', e.day) = 1", "DATE_DIFF('hour', e.hour, b.hour) < 30",
    "DATE_DIFF('minute', TIMESTAMP '2026-01-03 11:30:00', b.hour) >= 5", "CAST(e.hour AS DATE) = b.day",
    "CAST(e.hour AS DATE) IN ('2026-01-03', '2026-01-09')", "HOUR(e.hour) < 12 AND DAY(e.hour) = 6",
    "DAYOFWEEK(e.hour) = 0", "EXTRACT(isodow FROM e.hour) = 7", "e.hour >= DATE '2026-01-10'",
    "e.day + 3 >= DATE '2026-01-09'", "e.day - INTERVAL 2 DAY < DATE '2026-02-28' - INTERVAL 1 MONTH - INTERVAL 2 WEEK",
    "e.day - DATE '2026-01-10' > 4", "DATE_TRUNC('PERIOD', e.day) = DATE_TRUNC('PERIOD', b.day)",
    "DATE_TRUNC('PERIOD', e.hour) < b.hour", "DATE_DIFF('PERIOD', e.day, e.hour) = 0",
]  # fmt: skip


@QUICK
@given(rows(), rows(unique=True), st.sampled_from(KEYS), PERIOD)
def test_days_make_groups(a, b, key, period):
    key = key.replace("PERIOD", period)
    question = f"SELECT {key} AS k, COUNT(*) AS n, SUM(b.x) AS s FROM a JOIN b USING (id) GROUP BY {key} ORDER BY k"
    held = {"a": a, "b": b}
    wanted = [(label_of(row[0]), *row[1:]) for row in in_the_clear(question, held)]
    there = {row[0] for row in wanted}
    found = [(label_of(row[0]), *row[1:]) for row in of_files(question, held)[1]]
    found = [row for row in found if row[0] in there]
    assert [row[0] for row in found] == [row[0] for row in wanted]
    for row, other in zip(found, wanted, strict=True):
        assert all(map(same, row, other)), (row, other)


@pytest.mark.parametrize("condition", CONDITIONS)
@QUICK
@given(e=rows(unique=True), b=rows(unique=True), period=PERIOD)
def test_conditions_on_days_and_times(condition, e, b, period):
    if "DIFF" in condition:
        period = period.replace("week", "quarter")
    condition = condition.replace("PERIOD", period)
    check_of_three(f"SELECT COUNT(*) AS n, SUM(e.y) AS s {JOIN} WHERE {condition}", {"e": e, "b": b}, CONTRACT)


BETWEEN = [
    "SUM(ONE.day - b.day) AS s", "AVG(DATE_DIFF('day', b.day, ONE.day)) AS m",
    "SUM(DATEDIFF('PERIOD', ONE.day, b.day)) AS s",
    "SUM(ONE.day - b.day) FILTER (WHERE ONE.x > 0 AND b.f) AS s, COUNT(*) AS n", "SUM(ONE.x - b.y) AS s",
    "AVG(b.y - ONE.x) FILTER (WHERE b.c = 'u') AS m", "SUM(ONE.day - DATE '2026-01-03') AS s, AVG(b.x - b.y) AS m",
    "1.0 * SUM(ONE.day - b.day) / COUNT(*) AS m", "SUM((b.day + 3) - ONE.day) AS s",
    "SUM(DATE_DIFF('day', ONE.day, DATE '2026-01-31')) FILTER (WHERE ONE.f) AS s",
]  # fmt: skip


@pytest.mark.parametrize("one", ["a", "e"])
@QUICK
@given(st.data(), rows(unique=True), st.sampled_from(BETWEEN), PERIOD, st.booleans())
def test_days_between_two_columns_are_added_up(one, data, b, asked, period, grouped):
    asked = asked.replace("ONE", one).replace("PERIOD", period.replace("week", "quarter"))
    key, groups = ("b.c AS k, ", " GROUP BY 1 ORDER BY 1") if grouped else ("", "")
    held = {one: data.draw(rows(unique=one == "e")), "b": b}
    check_of_three(f"SELECT {key}{asked} FROM {one} JOIN b USING (id){groups}", held, CONTRACT)


@QUICK
@given(rows(), rows(), rows())
def test_days_between_columns_whose_ids_repeat_at_all(a, d, h):
    question = (
        "SELECT SUM(a.day - d.day) AS s, AVG(gap) AS m FROM (SELECT a.day, d.day AS other, d.day - h.day AS gap FROM a "
        "JOIN d USING (id) JOIN h USING (id)) q"
    ).replace("a.day - d.day", "day - other")
    check_of_three(question, {"a": a, "d": d, "h": h}, CONTRACT)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (f"SELECT SUM(DATE_DIFF('day', e.hour, b.day)) {JOIN}", "may not be summed"),
        (f"SELECT SUM(e.day) {JOIN}", "A date cannot be added up"),
        (f"SELECT SUM(e.day - b.x) {JOIN}", "Days and times cannot be added up"),
        ("SELECT SUM(a.hour - b.hour) FROM a JOIN b USING (id)", "how far they are apart"),
        ("SELECT SUM(a.day - b.day) FROM a JOIN b USING (id) WHERE a.x > b.x", "in up to 99 pairs"),
        (f"SELECT DATE_TRUNC('month', e.hour), COUNT(*) {JOIN} GROUP BY 1", "e.hour may not be grouped by"),
        (f"SELECT COUNT(*) {JOIN} WHERE DATE_TRUNC('decade', e.day) = '2020-01-01'", "DATE_TRUNC takes no decade"),
        (f"SELECT COUNT(*) {JOIN} WHERE DATE_TRUNC('hour', e.day) = '2020-01-01'", "DATE_TRUNC takes no hour"),
        (f"SELECT COUNT(*) {JOIN} WHERE DATE_TRUNC('month', e.x) = 1", "a column of dates or of times"),
        (f"SELECT COUNT(*) {JOIN} WHERE DATE_DIFF('day', e.x, b.day) = 1", "two dates or times"),
        (f"SELECT COUNT(*) {JOIN} WHERE DATE_DIFF('century', e.day, b.day) = 1", "counts no century"),
        (f"SELECT COUNT(*) {JOIN} WHERE DATE_DIFF('week', e.day, b.day) = 1", "counts no week"),
        (f"SELECT COUNT(*) {JOIN} WHERE EXTRACT(WEEK FROM e.day) = 1", "weekday are taken"),
        (f"SELECT COUNT(*) {JOIN} WHERE HOUR(e.day) = 1", "A date has no hours"),
        (f"SELECT COUNT(*) {JOIN} WHERE e.day > INTERVAL 7 DAY", "An interval is added to a date"),
        (f"SELECT COUNT(*) {JOIN} WHERE e.day + INTERVAL 1 MONTH > '2026-01-05'", "to a constant months too"),
        (f"SELECT COUNT(*) {JOIN} WHERE e.hour + INTERVAL 1 DAY > '2026-01-05'", "to times nothing"),
        (f"SELECT COUNT(*) {JOIN} WHERE e.day > DATE '2026-01-05' - INTERVAL 99999999 DAY", "no such day"),
    ],
)
def test_what_is_made_of_no_day(question, sentence):
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, question, {}, 0)
    assert sentence in refused.value.detail[-1], refused.value.lines()
