"""Files of any kind, opened as a node opens them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest

from glovebox.data.database import Database, open_database
from glovebox.data.sources import Source, source_at

Open = Callable[[Source], Database]


@pytest.fixture
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens the locked-down database of a source."""
    databases: list[duckdb.DuckDBPyConnection] = []

    def open_(source: Source) -> Database:
        databases.append(open_database([source], tmp_path_factory.mktemp("spill"), 500, 2))
        return databases[-1]

    yield open_
    for database in databases:
        database.close()


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Source]:
    """Writes a CSV of a header and rows."""

    def write(header: list[str], rows: list[list[str]], name: str = "table.csv") -> Source:
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return source_at(tmp_path / name)

    return write


@pytest.fixture
def parquet_file(tmp_path: Path) -> Callable[..., Source]:
    """Writes a Parquet file of columns."""

    def write(columns: dict[str, Any], name: str = "table.parquet", **options: Any) -> Source:
        pyarrow.parquet.write_table(pa.table(columns), tmp_path / name, **options)
        return source_at(tmp_path / name)

    return write
