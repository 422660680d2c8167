"""The table of faults, at the end of a run: what was done where, and what the asker was told."""


def pytest_terminal_summary(terminalreporter):
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    rows = [line for report in reports for name, line in report.user_properties if name == "fault"]
    if rows:
        terminalreporter.section("event, party, process: exit code, code, who was named, at which step, seconds")
        for row in sorted(rows):
            terminalreporter.line(row)
