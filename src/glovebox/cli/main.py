"""The command line: `glovebox COMMAND …`. Commands are thin; what they need is imported when they run.

Exit codes: 0 done, 2 usage, 3 refused by a contract or a party, 4 data problem, 5 a peer is unreachable or failed,
6 budget exhausted, 7 integrity failure, 130 cancelled (Ctrl-C), 1 anything else.
"""

from __future__ import annotations

import os
import sys

import cyclopts

from glovebox import __version__
from glovebox.cli import accounts, contracts, evidence, keys, practice, questions, serving, tables
from glovebox.errors import Cancelled, GloveboxError, UsageError

app = cyclopts.App(
    name="glovebox",
    version=__version__,
    suppress_keyboard_interrupt=False,
    help="Answers questions over data that no one may see.",
    help_epilogue=(
        "Exit codes: 0 done, 2 usage, 3 refused, 4 data problem, 5 a peer failed, 6 budget exhausted, "
        "7 integrity failure, 130 cancelled (Ctrl-C), 1 anything else."
    ),
)
for room in (serving, contracts, tables, questions, accounts, keys, evidence, practice):
    room.register(app)


def main() -> None:
    """Run the command line. Every error is a few lines on stderr and an exit code, never a traceback."""
    if not __debug__:
        sys.exit("glovebox: not run under python -O")
    arguments = sys.argv[1:]
    try:
        result = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        code = result if isinstance(result, int) else 0
    except GloveboxError as error:
        code = _told(error, arguments)
    except cyclopts.CycloptsError as error:
        known = _command(arguments) if app.parse_commands(arguments)[0] else ""
        hint = " ".join(["glovebox", *known.split(), "--help"])
        code = _told(UsageError(str(error).strip(), hint=hint), arguments)
    except KeyboardInterrupt:
        code = _told(Cancelled("cancelled"), arguments)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        code = _told(
            GloveboxError(f"this is a fault in Glovebox: {type(error).__name__} in {_place(error)}"), arguments
        )
    sys.exit(code)


def _told(error: GloveboxError, arguments: list[str]) -> int:
    if "--json" in arguments:
        import json

        fields = ("code", "summary", "party", "step", "detail", "hint", "exit_code")
        print(json.dumps({"error": {name: getattr(error, name) for name in fields}}))
    first, *rest = error.lines()
    print(f"glovebox {_command(arguments)}".rstrip() + f": {first}", *rest, sep="\n", file=sys.stderr)
    return error.exit_code


def _command(arguments: list[str]) -> str:
    """The command that was given, without what it was given."""
    chain, _, _ = app.parse_commands(arguments)
    return " ".join(chain or [word for word in arguments[:1] if word.isalpha()])


def _place(error: Exception) -> str:
    """The last place of our own code that the error passed through."""
    place, trace = "the command line", error.__traceback__
    while trace:
        file = trace.tb_frame.f_code.co_filename
        if "glovebox" in file:
            place = f"{file.rpartition('glovebox/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
