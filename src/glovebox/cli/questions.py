"""`glovebox ask`, `explain` and `answers`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts
from cyclopts import Parameter

from glovebox.cli.serving import HomeOption, JsonOption, home_of

if TYPE_CHECKING:
    from glovebox.node.local import Answered

Format = Literal["table", "csv", "json"]
Parameters = Annotated[
    dict[str, str] | None,
    Parameter(name="--parameter", help="A parameter of an approved question: --parameter.NAME VALUE."),
]


def register(app: cyclopts.App) -> None:
    """Add these commands."""
    app.command(ask)
    app.command(cancel)
    app.command(match)
    app.command(explain)
    app.command(answers)


def ask(
    contract: str,
    question: str,
    *,
    parameter: Parameters = None,
    format: Annotated[Format, Parameter(help="How to print the answer.")] = "table",
    out: Annotated[Path | None, Parameter(help="Write the answer to a new file.")] = None,
    dry_run: Annotated[bool, Parameter(negative="", help="Only ask every party whether it would accept.")] = False,
    wait: Annotated[float, Parameter(help="Seconds to wait for a busy party.")] = 30.0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a question: SQL, or the name of an approved one. CONTRACT is a contract's name, or its file.

    Ctrl-C ends the session at every party, and this command with exit code 130.
    """
    from glovebox.cli.progress import shown
    from glovebox.node.local import Answered, Ask, talk

    request = Ask(contract, question, parameter or {}, wait, dry_run)

    async def run() -> Answered | None:
        with shown(json) as show:
            async for reply in talk(home_of(home), request):
                if isinstance(reply, Answered):
                    return reply
                show(reply)
        return None

    answered = asyncio.run(run())
    if answered is None:
        return
    if json:
        import msgspec

        print(msgspec.json.encode(answered).decode())
    elif dry_run:
        print("every party would accept")
    else:
        _print_answer(answered, format, out)


def cancel(session: str, *, home: HomeOption = None, json: JsonOption = False) -> None:
    """End a session that this party asked for, at every party. SESSION: the first digits of its id in `status`."""
    import msgspec

    from glovebox.node.local import CancelDone, CancelRequest, talk

    async def run() -> None:
        async for reply in talk(home_of(home), CancelRequest(session)):
            if isinstance(reply, CancelDone):
                print(msgspec.json.encode(reply).decode() if json else f"session {reply.session} is cancelled")

    asyncio.run(run())


def match(
    contract: str,
    join: Annotated[str | None, Parameter(help="TABLE.COLUMN of one side, where there are several joins.")] = None,
    *,
    wait: Annotated[float, Parameter(help="Seconds to wait for a busy party.")] = 30.0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask how many ids of a join match, as a band: the contract says how often. See also `data check`, for hints."""
    from glovebox.errors import UsageError
    from glovebox.node.contracts import find_contract
    from glovebox.planner.matching import match_statements

    possible = match_statements(find_contract(home_of(home), contract))
    wanted = [one for one in possible if join is None or any(word.endswith(join) for word in one.split(" "))]
    if len(wanted) != 1:
        raise UsageError(f"{len(wanted)} joins are meant", detail=tuple(possible), hint="TABLE.COLUMN of one of them")
    ask(contract, wanted[0], wait=wait, home=home, json=json)


def explain(
    contract: str, question: str, *, parameter: Parameters = None, home: HomeOption = None, json: JsonOption = False
) -> None:
    """Say what a question would do: who computes what where, who learns what, rows, bytes and rounds."""
    from glovebox.node.contracts import find_contract, own_number
    from glovebox.planner.explain import explanation, in_words
    from glovebox.planner.question import plan_question

    place = home_of(home)
    found = find_contract(place, contract)
    plan = plan_question(found, question, parameter or {}, own_number(place, found))
    if json:
        import json as text

        print(text.dumps(explanation(plan, found)))
    else:
        print(in_words(plan, found))


def answers(session: str | None = None, *, home: HomeOption = None, json: JsonOption = False) -> None:
    """List the answers that this party received, or print one of them with its receipt."""
    from datetime import UTC, datetime

    import msgspec

    from glovebox.cli.tabular import rendered
    from glovebox.errors import UsageError
    from glovebox.node.receipt import AnswerFile
    from glovebox.node.state import State

    state = State(home_of(home).state_file)
    found = [row for row in state.answers() if session is None or row.session.hex().startswith(session)]
    if session is not None and len(found) != 1:
        raise UsageError(f"{len(found)} answers begin with {session}", hint="glovebox answers")
    for row in found:
        if json:
            stored = AnswerFile(msgspec.Raw(row.answer), row.salt.hex())
            print(msgspec.json.encode(stored).decode())
        else:
            received = datetime.fromtimestamp(row.received, UTC).strftime("%Y-%m-%d %H:%M:%S")
            print(f"{row.session.hex()}  {received}  {row.contract}  {row.statement}")
    if session is not None and not json:
        receipt = state.receipt(found[0].session) or "there is no receipt yet\n"
        print(f"\n{rendered(found[0].answer, 'table')}\n\n{receipt}", end="")


def _print_answer(answered: Answered, format: Format, out: Path | None) -> None:
    from glovebox.cli.tabular import rendered

    if bytes(answered.answer) == b"null":
        print(f"answered; the contract gives the answer to {', '.join(answered.receivers)}")
        return
    text = rendered(bytes(answered.answer), format)
    if out is None:
        print(text)
    else:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    print(f"session {answered.session[:8]}, {answered.seconds:.2f} s, receipt signed by all", file=sys.stderr)
