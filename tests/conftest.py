"""Options of all tests."""


def pytest_addoption(parser):
    parser.addoption("--rewrite", action="store_true", help="write the pinned texts anew; the diff is what to review")
