"""docs/questions.md, from the data sets, their rewritings and what is not answered yet."""

HEAD = """# Questions over public data

Forty questions over nine public data sets, split across organisations. Each is asked of running nodes, under a contract
that lets everyone see single persons, and its answer is compared with the one that DuckDB gave over all tables in one
place: exactly, numbers with a fraction to a millionth.

`tests/suites/test_public_data.py` asks them. It writes this page with `--rewrite`, and fails where the page is not what
the questions are. The sets and their rewritings stand in `tests/suites/sets/`.

Beside these, `make test` compares fifty random questions of each kind with DuckDB, and `make questions` 500.

{answered} of {all} are answered, {rewritten} of them in a rewriting.
"""


def page_of(sets, unanswered):
    """The page as Markdown."""
    lines, answered, rewritten, total = [], 0, 0, 0
    for dataset in sets:
        lines += [f"\n## {dataset.name}\n", "| question | asked about | answered |", "| --- | --- | --- |"]
        for number, question in dataset.questions().items():
            total += 1
            if reason := unanswered.get(f"{dataset.name}/{number}"):
                told = f"refused: {reason}"
            elif number in dataset.rewritten:
                told, answered, rewritten = f"rewritten: {dataset.rewritten[number].why}", answered + 1, rewritten + 1
            else:
                told, answered = "in its own words", answered + 1
            lines.append(f"| {number} | {question['question'].replace('|', '/')} | {told} |")
    return HEAD.format(answered=answered, all=total, rewritten=rewritten) + "\n".join(lines) + "\n"
