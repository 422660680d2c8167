"""Recipe `glovebox/snapshot/2`: a table's rows as 32 bytes that say nothing of them but whether they changed.

Each column has its own SHA-256, begun with the private salt and fed with its cleaned values in the file's order; the
snapshot is a SHA-256 over the salt, the number of rows and these. What is fed does not depend on how rows come in
batches. Of text: the bytes of all values, and in a second hash their lengths (int32, -1 for NULL); of all else:
int64 values (units of a decimal, days, microseconds, 0 and 1; 0 for NULL), of labels their places among the column's
(int32, from 1), and in the second one byte a row, 1 for NULL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from glovebox.data.arrays import integers, text_buffers, validity
from glovebox.schema.columns import Table

RECIPE = b"glovebox/snapshot/2"


class SnapshotHash:
    """A snapshot in the making: update it with every batch, in order."""

    def __init__(self, salt: bytes, table: Table) -> None:
        self._rows = 0
        self._salt = salt
        self._columns = []
        for column in table.columns:
            label = f"{column.kind} {column.name}".encode()
            prefix = RECIPE + len(salt).to_bytes(4, "little") + salt + label + b"\0"
            self._columns.append((hashlib.sha256(prefix + b"values"), hashlib.sha256(prefix + b"nulls")))

    def __repr__(self) -> str:
        return f"<SnapshotHash of {len(self._columns)} columns>"

    def update(self, columns: list[pa.Array[Any]]) -> None:
        """Take in the next rows: one array a column of the table, in the contract's order."""
        for array, (values, nulls) in zip(columns, self._columns, strict=True):
            if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
                offsets, data = text_buffers(array)
                valid = validity(array)
                lengths = np.diff(offsets).astype("<i4", copy=False)
                values.update(data[int(offsets[0]) :].data)
                nulls.update((lengths if valid is None else np.where(valid, lengths, np.int32(-1))).data)
            else:
                found, valid = integers(array)
                values.update(np.ascontiguousarray(found, "<i4" if pa.types.is_int32(array.type) else "<i8").data)
                nulls.update((np.zeros(len(array), np.uint8) if valid is None else (~valid).view(np.uint8)).data)
        self._rows += len(columns[0])

    def digest(self) -> bytes:
        """The snapshot of what came so far, 32 bytes."""
        digest = hashlib.sha256(RECIPE + len(self._salt).to_bytes(4, "little") + self._salt)
        digest.update(self._rows.to_bytes(8, "little"))
        for values, nulls in self._columns:
            digest.update(values.digest() + nulls.digest())
        return digest.digest()


def snapshot_of(snapshots: Sequence[bytes]) -> bytes:
    """One snapshot of all tables, 32 bytes; that of a single one is its own, and of none empty."""
    if len(snapshots) < 2:
        return b"".join(snapshots)
    return hashlib.sha256(b"glovebox/1/snapshots\0" + b"".join(snapshots)).digest()
