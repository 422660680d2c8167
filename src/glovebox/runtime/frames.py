"""Frames: how a message between two workers lies on the wire, and what is refused before it costs memory.

    kind: 1 byte | label length: 1 byte | payload length: 8 bytes, little-endian | label: ASCII | payload

`hello` comes first and once, `bye` or `abort` last. A data frame's label is the path of the protocol step. A payload
longer than the plan's largest is refused at its header, before anything is allocated for it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from glovebox.errors import BadFrame

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

HEADER = struct.Struct("<BBQ")
LABEL_BYTES = 200
HELLO_BYTES = 32  # HMAC-SHA256
PARTY_BYTES = 2  # an abort may name the party at fault, as in the preamble


class Kind(IntEnum):
    """What a frame is."""

    HELLO = 1
    DATA = 2
    HEARTBEAT = 3
    BYE = 4
    ABORT = 5


_label_form = {
    Kind.HELLO: re.compile(b""),
    Kind.DATA: re.compile(b"[!-~]{1,200}"),  # printable: a label is shown in errors
    Kind.HEARTBEAT: re.compile(b""),
    Kind.BYE: re.compile(b""),
    Kind.ABORT: re.compile(b"[a-z_]{1,32}"),  # the code of an error
}


class Frame(NamedTuple):
    """A whole frame that came; the payload is the receiver's own memory."""

    kind: Kind
    label: str
    payload: memoryview


def head(kind: Kind, label: str = "", size: int = 0) -> bytes:
    """The bytes before a payload of `size` bytes. Raises ValueError for a label that no decoder would take."""
    name = label.encode()
    if not _label_form[kind].fullmatch(name):
        raise ValueError(f"{label!r} is no label of a {kind.name.lower()} frame")
    return HEADER.pack(kind, len(name), size) + name


class Decoder:
    """Frames out of one direction of a link, fed with bytes as they come; no I/O.

    party: the sender's name, for errors. largest: bytes of the largest data payload, from the plan.
    """

    def __init__(self, party: str, largest: int) -> None:
        self._party = party
        self._most = {Kind.HELLO: HELLO_BYTES, Kind.DATA: largest, Kind.ABORT: PARTY_BYTES}
        self._head = bytearray()  # of the frame that is coming, as far as it came
        self._frame: Frame | None = None  # the frame that is coming, once its head is whole
        self._filled = 0  # bytes of its payload that came
        self._greeted = self._ended = False

    def feed(self, data: Buffer) -> Iterator[Frame]:
        """The frames that these bytes complete. Raises BadFrame, after which the decoder must not be used again."""
        rest = memoryview(data)
        while rest:
            if self._frame is None:
                rest = self._feed_head(rest)
            if self._frame is not None:
                payload = self._frame.payload
                part = rest[: len(payload) - self._filled]
                payload[self._filled : self._filled + len(part)] = part
                self._filled += len(part)
                rest = rest[len(part) :]
                if self._filled == len(payload):
                    frame, self._frame = self._frame, None
                    yield frame

    def _feed_head(self, rest: memoryview) -> memoryview:
        """Take bytes of a head; sets the frame when it is whole. Returns what is left."""
        missing = HEADER.size - len(self._head)
        if missing > 0:
            self._head += rest[:missing]
            rest = rest[missing:]
            if len(self._head) < HEADER.size:
                return rest
        kind, label_size, size = HEADER.unpack_from(self._head)
        if missing > 0:
            self._check_header(kind, label_size, size)
        missing = HEADER.size + label_size - len(self._head)
        self._head += rest[:missing]
        if len(self._head) == HEADER.size + label_size:
            self._begin(Kind(kind), bytes(self._head[HEADER.size :]), size)
        return rest[missing:]

    def _check_header(self, kind: int, label_size: int, size: int) -> None:
        if kind not in _label_form:
            raise self._bad(f"a frame of unknown kind {kind}")
        if not self._greeted and kind != Kind.HELLO:
            raise self._bad(f"a {Kind(kind).name.lower()} frame before hello")
        if self._greeted and kind == Kind.HELLO:
            raise self._bad("a second hello")
        if self._ended:
            raise self._bad(f"a {Kind(kind).name.lower()} frame after it said goodbye")
        if label_size > LABEL_BYTES:
            raise self._bad(f"a label of {label_size} bytes, more than {LABEL_BYTES}")
        if kind == Kind.HELLO and size != HELLO_BYTES:
            raise self._bad(f"a hello of {size} bytes")
        most = self._most.get(Kind(kind), 0)
        if size > most and kind != Kind.DATA:
            raise self._bad(f"a {Kind(kind).name.lower()} frame of {size} bytes")

    def _begin(self, kind: Kind, name: bytes, size: int) -> None:
        if not _label_form[kind].fullmatch(name):
            raise self._bad("a label that is none")
        label = name.decode("ascii")
        if size > self._most.get(kind, 0):
            raise self._bad(f"a frame of {size} bytes, more than the plan's largest of {self._most[kind]}", label)
        self._greeted = True
        self._ended = kind in (Kind.BYE, Kind.ABORT)
        self._head.clear()
        self._filled = 0
        self._frame = Frame(kind, label, memoryview(bytearray(size)))

    def _bad(self, what: str, step: str = "") -> BadFrame:
        return BadFrame(f"{self._party} sent {what}", party=self._party, step=step)
