"""Importing the engine leaves a process as it was, whatever argv and MPYC_* say; MPyC stays in its file."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "glovebox"
MPYC_ARGUMENTS = ["-T0", "--no-prss", "--no-gmpy2", "--no-numpy", "-M3", "-K1", "--mix32-64bit", "--no-async", "-H"]
MPYC_ENVIRONMENT = dict.fromkeys(
    ("MPYC_NOPRSS", "MPYC_MIX32_64BIT", "MPYC_NONUMPY", "MPYC_NOGMPY", "MPYC_NOUVLOOP", "MPYC_MAXWORKERS"), "1"
)

PROGRAM = """
import asyncio, logging, os, sys
before = (list(sys.argv), dict(os.environ), list(logging.root.handlers), logging.root.level)
policy = type(asyncio.get_event_loop_policy())
import glovebox.runtime.engine as engine
assert (list(sys.argv), dict(os.environ), list(logging.root.handlers), logging.root.level) == before
assert type(asyncio.get_event_loop_policy()) is policy
assert asyncio.events._get_running_loop() is None and getattr(asyncio.get_event_loop_policy(), "_local")._loop is None
from glovebox.runtime.world import World
import numpy as np

async def product(ctx, mine):
    runtime, array = ctx.shamir.runtime, ctx.shamir.integers(64).array
    ((a,),) = runtime.input([array(np.array([7, -9], dtype=object))], senders=[0])
    shares = await ctx.shamir.shares(runtime.np_sgn(a * a, l=20, LT=True))
    return runtime.threshold, runtime.options.sec_param, len(runtime._prss_keys), shares

async def main():
    async with World(shamir=True) as world:
        return await world.run(product, inputs=[None] * 3)

results = asyncio.run(main())
import mpyc.gmpy, mpyc.asyncoro, mpyc.numpy
children = open(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read().split()
print([r[:3] for r in results], mpyc.numpy.np is np, mpyc.gmpy.powmod.__module__,
      mpyc.asyncoro._hop([1, 0]) == hash((1, 0)), logging.root.handlers, children)
"""


def run(arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_arguments_and_environment_of_mpyc_change_nothing():
    plain = run([], {})
    assert plain.startswith("[(1, 60, 2), (1, 60, 2), (1, 60, 2)] True gmpy2")
    assert plain.endswith("True [] []\n")
    assert run(MPYC_ARGUMENTS, MPYC_ENVIRONMENT) == plain


def test_threshold_and_checks_hold_without_asserts():
    program = (
        "import asyncio; from glovebox.runtime.shamir import open_shamir; asyncio.run(open_shamir(0, {1: None}, b''))"
    )
    done = subprocess.run(
        [sys.executable, "-O", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "needs 3 to 9 computing parties" in done.stderr


def sources() -> list[Path]:
    found = sorted({*SOURCE.rglob("*.py"), *(SOURCE / "protocols").glob("*.py")})
    assert any(path.name == "reveal.py" for path in found)
    return found


def imports(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def calls(tree: ast.AST) -> set[str]:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {f.id if isinstance(f, ast.Name) else f.attr for f in called if isinstance(f, (ast.Name, ast.Attribute))}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_file_does_what_is_forbidden(path):
    tree = ast.parse(path.read_text())
    assert not imports(tree) & {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}
    assert not calls(tree) & {"eval", "exec", "__import__"}
    shells = [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "shell"]
    assert not shells
    if path.name != "engine.py":
        assert "mpyc" not in imports(tree)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_reveal_publishes_a_secret(path):
    """Opening needs shares in the clear, or MPyC's `output`: nobody else asks for either."""
    tree = ast.parse(path.read_text())
    publishing = {"recombined", "recombine", "np_recombine", "shares"}
    if path.relative_to(SOURCE) not in (
        Path("protocols/reveal.py"),
        Path("runtime/engine.py"),
        Path("runtime/shamir.py"),
    ):
        checking = {"recombined"} if path.name == "claims.py" else set()  # what is left of a claim is random
        assert not calls(tree) & publishing - checking
        assert "exchange.opened" not in path.read_text()
        if path.name not in ("threshold.py", "quotient.py"):  # their tests look at what opens under which masks
            assert "opened_masked" not in calls(tree)
        for node in ast.walk(tree):  # `output` is a word of its own elsewhere; on a runtime it opens
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "output":
                raise AssertionError(f"{path}:{node.lineno} calls .output(")
    if path.relative_to(SOURCE) == Path("protocols/reveal.py"):
        assert "output" not in calls(tree)
