"""What has become worse since the last run of the same kind, on made-up history."""

import pytest
from benchmarks.history import append, last, marks, read, replaced

RUN = {
    "system": "glovebox", "workload": "join", "rows": 1_000, "line": "loopback", "machine": "one",
    "seconds": 1.0, "clear_seconds": 0.5, "cpu_seconds": 2.0, "clear_cpu_seconds": 0.5,
    "bytes_per_row": 75.0, "rounds": 9,
}  # fmt: skip

WORSE = {
    "seconds": ({"seconds": 1.21}, "REGRESSION: +21% seconds, clear +0%"),
    "seconds, and the clear too": ({"seconds": 2.0, "clear_seconds": 1.0}, "REGRESSION: +100% seconds, clear +100%"),
    "processor": ({"cpu_seconds": 3.0}, "REGRESSION: +50% cpu seconds, clear +0%"),
    "bytes": ({"bytes_per_row": 76.0}, "REGRESSION: 75.0 to 76.0 bytes per row"),
    "rounds": ({"rounds": 10}, "REGRESSION: 9 to 10 rounds"),
}


@pytest.mark.parametrize("change, said", WORSE.values(), ids=WORSE)
def test_what_is_worse_is_marked(change, said):
    assert marks({**RUN, **change}, RUN) == [said]


@pytest.mark.parametrize(
    "change", [{"seconds": 1.19}, {"seconds": 0.1}, {"bytes_per_row": 75.7}, {"bytes_per_row": 1.0, "rounds": 1}, {}]
)
def test_what_is_not_worse_is_not_marked(change):
    assert marks({**RUN, **change}, RUN) == []


def test_figures_that_an_older_run_lacks_are_not_marked():
    assert marks(RUN, {name: value for name, value in RUN.items() if "cpu" not in name}) == []


def test_a_first_run_and_one_without_figures_are_not_marked():
    assert marks(RUN, None) == []
    assert marks({"workload": "window", "absent": "not served"}, RUN) == []


def test_runs_are_held_against_the_last_of_the_same_kind(tmp_path):
    path = tmp_path / "history.jsonl"
    for change in ({"seconds": 5.0}, {}, {"rows": 2}, {"line": "slow"}, {"machine": "two"}, {"system": "another"}):
        append({**RUN, **change}, path)
    append({"workload": "window", "absent": "not served"}, path)
    stored = read(path)
    assert len(stored) == 6
    assert last(stored, RUN)["seconds"] == 1.0
    assert last(stored, {**RUN, "workload": "count"}) is None
    assert read(tmp_path / "none.jsonl") == []


def test_new_figures_take_the_place_of_those_of_their_kind():
    other = {**RUN, "rows": 2}
    assert replaced([RUN, other], [{**RUN, "seconds": 9.0}]) == [other, {**RUN, "seconds": 9.0}]
