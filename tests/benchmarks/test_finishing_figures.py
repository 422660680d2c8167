"""Finishing alone is right, and costs what its parts' cards say: a fixed price a group."""

import pytest
from benchmarks.finishing import WORKLOADS, measured

ROUNDS = {"threshold": 15, "threshold, noise": 19, "threshold, averages": 53}


@pytest.mark.parametrize("workload", WORKLOADS)
async def test_finishing_opens_what_it_must(workload):
    few, more = [await measured(workload, groups, 1) for groups in (3, 6)]
    assert few["equal"]
    assert more["equal"]
    assert few["rounds"] == more["rounds"] == ROUNDS[workload]
    fixed = 3 * few["bytes_per_row"] - (6 * more["bytes_per_row"] - 3 * few["bytes_per_row"])
    salts, checks = 4 * 32, (3 + 3 * 6) * 16  # of each opening that is sent; a coin and three zeros that check noise
    assert fixed == pytest.approx(salts + ("noise" in workload) * checks, abs=1)


def test_what_is_not_served_is_reported_with_its_sentence():
    from benchmarks.run import absent

    error = {"exit_code": 3, "summary": "the question is refused", "detail": ["  SELECT …", "That is not served."]}
    assert absent(error) == "not served: That is not served."
    assert absent({**error, "exit_code": 5, "detail": []}) == "failed: the question is refused"
