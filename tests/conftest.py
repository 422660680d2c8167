"""Options of all tests."""

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("untimed")

PROCESSES_S = 300
"""For a test of real nodes that waits for states (`waiting.py`): more than one patience, on a machine that is busy."""


def pytest_addoption(parser):
    parser.addoption("--rewrite", action="store_true", help="write the pinned texts anew; the diff is what to review")


def pytest_collection_modifyitems(items):
    for item in items:
        of_processes = item.get_closest_marker("fault") or item.get_closest_marker("attack")
        if of_processes and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(PROCESSES_S))
