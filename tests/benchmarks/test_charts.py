"""Charts stand where their numbers say, and are well-formed."""

from xml.etree import ElementTree

import pytest
from benchmarks.charts import HEIGHT, WIDTH, Axis, Curve, chart

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    "axis, places",
    [
        (Axis(1.0, 100.0, 0.0, 200.0, True), {1: 0.0, 10: 100.0, 100: 200.0}),
        (Axis(0.0, 10.0, 100.0, 0.0, False), {0: 100.0, 5: 50.0, 10: 0.0}),
        (Axis(10.0, 10.0, 7.0, 9.0, True), {10: 7.0}),
    ],
)
def test_values_stand_at_their_places(axis, places):
    assert {value: axis.place(value) for value in places} == pytest.approx(places)


def test_ticks_are_decades_or_round_numbers():
    assert [text for _, text in Axis(0.01, 1_000.0, 0, 1, True).ticks()] == ["0.01", "0.1", "1", "10", "100", "1,000"]
    assert [text for _, text in Axis(0.0, 110.0, 0, 1, False).ticks()] == ["0", "20", "40", "60", "80", "100"]


def test_a_chart_has_every_curve_and_point_inside_its_frame():
    curves = [
        Curve("ours & theirs", [(1_000, 0.3), (10, 0.1), (100, 0.2)]),
        Curve("other", [(10, 5.0)], dashed=True),
        Curve("none", []),
    ]
    drawn = ElementTree.fromstring(chart("title", "rows", "seconds", curves))
    points = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in drawn.iter(f"{SVG}circle")]
    assert len(points) == 4
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in points)
    assert [x for x, _ in points[1:]] == sorted(x for x, _ in points[1:])
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {"title", "rows", "seconds", "ours & theirs", "other"} <= set(texts)
    assert "none" not in texts
    assert sum("stroke-dasharray" in path.attrib for path in drawn.iter(f"{SVG}path")) == 1
