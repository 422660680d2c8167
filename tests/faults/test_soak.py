"""The soak in short: sessions with random faults, every answer right and nothing that grows (`benchmarks/soak.py`)."""

import pytest
from benchmarks.soak import soak


@pytest.mark.fault
@pytest.mark.timeout(900)
def test_sessions_with_random_faults_are_right_and_leave_nothing(tmp_path):
    running = soak(10, 3, tmp_path)
    assert sum(running.told.values()) == 10
    assert any(told.endswith("answered") for told in running.told)
