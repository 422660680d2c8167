"""Finishing alone is right, and costs what its parts' cards say: a fixed price a group."""

import pytest
from benchmarks.finishing import WORKLOADS, measured

# Of 2 and 4 groups; of few groups the first check falls once, in two rounds less, some of which others run beside.
# Divisors are compared with their bounds beside the tests: 8 rounds of these are counted twice.
ROUNDS = {"threshold": (28, 30), "threshold, noise": (29, 33), "threshold, averages": (111, 112)}
CHECK_BYTES = 12_000  # of all parties together; averages check ten times, others twice


@pytest.mark.parametrize("workload", WORKLOADS)
async def test_finishing_opens_what_it_must(workload):
    few, more = [await measured(workload, groups, 1) for groups in (2, 4)]
    assert few["equal"]
    assert more["equal"]
    assert (few["rounds"], more["rounds"]) == ROUNDS[workload]
    small, large = (groups * one["bytes_per_row"] - one["check_bytes"] for groups, one in ((2, few), (4, more)))
    compared = 3 if "averages" in workload else 1  # of each a hash from all to all, and of each opening the salt
    assert 2 * small - large == pytest.approx(4 * 32 + compared * 6 * 32, abs=1)
    assert more["check_bytes"] < CHECK_BYTES * (2 + 8 * ("averages" in workload))


def test_what_is_not_served_is_reported_with_its_sentence():
    from benchmarks.run import absent

    error = {"exit_code": 3, "summary": "the question is refused", "detail": ["  SELECT …", "That is not served."]}
    assert absent(error) == "not served: That is not served."
    assert absent({**error, "exit_code": 5, "detail": []}) == "failed: the question is refused"
