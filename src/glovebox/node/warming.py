"""What is done before a session, so that no session need do it: imports, and a question in small.

What libraries do for the first time takes them long: code to read in, functions to resolve, memory to get. That was
0.1 s of each party's session of 10^6 rows. It is done before workers are forked; a fork then has a page of its own of
all memory that it writes to, and gets it as it first does, which was 8 of the 45 ms of a worker's session: so a worker
that waits loads rows and answers a question, too. The rows are made up; no thread stays, for a fork has none but the
one that forked.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import secrets
import tempfile
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from glovebox.algebra.kernels import curve_kernels, kernels, transfer_kernels
from glovebox.data.database import Database, unused
from glovebox.data.loading import load_rows
from glovebox.data.sources import Source
from glovebox.errors import GloveboxError
from glovebox.protocols.conversion import secure_totals
from glovebox.protocols.finishing import Finishing, Part, finish
from glovebox.protocols.intersection import JoinShape, joined_totals
from glovebox.protocols.shards import Rows
from glovebox.protocols.totals import Total
from glovebox.protocols.verified import verified
from glovebox.runtime.context import Context
from glovebox.runtime.engine import modulus
from glovebox.runtime.world import World
from glovebox.schema.columns import Column, Table
from glovebox.schema.expressions import ColumnRef
from glovebox.schema.local import LocalQuery, Measure

LATER = ("cryptography.hazmat.backends.openssl.backend", "encodings.idna", "numpy.ma", "pyarrow.compute",
         "sqlglot.dialects.duckdb")  # fmt: skip
"""What libraries import when they are first used: 0.1 s of a session."""

ROWS, FEW = 1 << 11, 1 << 6
TABLE = Table(
    "made_up",
    (0,),
    ROWS,
    (
        Column("id", "id", form="exact", max_bytes=24, unique=True),
        Column("amount", "decimal", precision=10, scale=2, low=0, high=100 * ROWS, required=True),
    ),
)
AMOUNTS = LocalQuery(0, TABLE.name, (Measure("sum", ColumnRef("amount"), 2, 0, 100 * ROWS),), ROWS, "id")
TOTALS = (Total(None, None, 32), Total(0, None, 64))
_files: list[int] = []  # of the made-up rows, inherited by every fork
SHOWN = Finishing(1, (ROWS, 100 * ROWS * ROWS), 0, 2, True, (Part("total", 0), Part("total", 1)))


def warm() -> None:
    """Load modules and compiled kernels, and answer COUNT and SUM over 2,048 made-up rows, all parties in one."""
    for name in LATER:
        importlib.import_module(name)
    kernels()
    transfer_kernels()
    curve_kernels()
    modulus(64)
    with contextlib.suppress(OSError, duckdb.Error, GloveboxError):  # of a full disk, a session tells for itself
        _files.append(_made_up())
        with unused() as database:
            rows = _loaded(database)
        asyncio.run(_answered(rows))


async def warm_again(kernels: Executor, database: Database) -> None:
    """Load them in the session's database, and answer it over a few, in a worker that nobody has asked anything yet."""
    with contextlib.suppress(Exception):  # whatever is lacking, a session tells for itself, if it still is then
        await asyncio.get_running_loop().run_in_executor(kernels, _loaded, database)
    with contextlib.suppress(Exception):
        ids = np.frombuffer(secrets.token_bytes(32 * FEW), np.uint8).reshape(FEW, 32)
        await _answered(Rows(ids, np.arange(FEW)[None]))


def _made_up() -> int:
    """A Parquet file of rows, open and without a name: it goes with the last process that has it."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(":memory:") as maker:
        path = Path(folder) / "made_up.parquet"
        made = "SELECT sha256(range::text)[:24] AS id, range::decimal(10, 2) AS amount FROM range(?)"
        maker.sql(made, params=[ROWS]).to_parquet(str(path))
        return os.open(path, os.O_RDONLY)


def _loaded(database: Database) -> Rows:
    loaded = load_rows(database, AMOUNTS, TABLE, Source(f"/dev/fd/{_files[0]}", "parquet"), b"")
    return Rows(loaded.ids, loaded.values)


async def _answered(rows: Rows) -> None:
    async with World(shamir=True) as world:
        await world.run(_matched, query=rows, table=Rows(rows.ids, rows.values[:0]), n=len(rows.ids))


async def _matched(ctx: Context, rows: Rows | None, n: int) -> None:
    query, _, helper = ctx.parties
    rings = tuple(total.bits for total in TOTALS)
    shares = await joined_totals(ctx.narrow("join"), JoinShape(n, n, 0, TOTALS), rows)
    totals: Any = await secure_totals(ctx.narrow("conversion"), SHOWN.bits, rings, SHOWN.most, 1, query, helper, shares)
    await finish(ctx.narrow("finish"), SHOWN, totals)
    await verified(ctx.narrow("verified"))
