"""Plain MPyC's import obeys argv and the environment; the engine's does not (threats.md P3).

That nothing of the kind changes the engine is in tests/runtime/test_engine_import.py.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.attack

PROGRAM = """
import os
{imported}
children = open(f"/proc/{{os.getpid()}}/task/{{os.getpid()}}/children").read().split()
print(len(children), {state})
"""


def run(imported: str, state: str, arguments: list[str], **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(imported=imported, state=state), *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "environment", "came"),
    [(["-M3", "-I0", "-T0"], {}, "0 0 False"), (["-M3", "-I0"], {"MPYC_NOPRSS": "1"}, "0 1 True")],
)
def test_plain_mpycs_threshold_and_keys_are_set_from_outside(arguments, environment, came):
    plain = "from mpyc.runtime import mpc"
    assert run(plain, "mpc.threshold, mpc.options.no_prss", arguments, **environment) == came


def test_importing_plain_mpyc_starts_processes_and_importing_the_engine_none():
    program = ["--no-log", "-M3", "-B", "23500"]
    assert run("import mpyc.runtime", "0", program) == "2 0"
    assert run("import glovebox.runtime.engine", "0", program) == "0 0"
