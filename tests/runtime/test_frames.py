from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.errors import BadFrame
from glovebox.runtime.frames import HEADER, Decoder, Kind, head

HELLO = head(Kind.HELLO, size=32) + bytes(32)
LARGEST = 1000

labels = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=200)
frames = st.lists(st.tuples(labels, st.binary(max_size=LARGEST)), max_size=8)


def data_frame(label: str, payload: bytes) -> bytes:
    return head(Kind.DATA, label, len(payload)) + payload


def decoded(chunks: list[bytes]) -> list[tuple[Kind, str, bytes]]:
    decoder = Decoder("left", LARGEST)
    return [(frame.kind, frame.label, bytes(frame.payload)) for chunk in chunks for frame in decoder.feed(chunk)]


@given(frames, st.data())
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(sent, data):
    wire = HELLO + b"".join(data_frame(*frame) for frame in sent) + head(Kind.HEARTBEAT) + head(Kind.BYE)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=20)))
    chunks = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert decoded(chunks) == [
        (Kind.HELLO, "", bytes(32)),
        *((Kind.DATA, label, payload) for label, payload in sent),
        (Kind.HEARTBEAT, "", b""),
        (Kind.BYE, "", b""),
    ]


def test_one_byte_at_a_time():
    wire = HELLO + data_frame("a/b", b"xyz") + head(Kind.ABORT, "bad_frame", 2) + b"\1\0"
    assert decoded([wire[i : i + 1] for i in range(len(wire))]) == decoded([wire])


@given(st.binary(max_size=400), st.booleans())
def test_any_other_bytes_are_bad_frames_and_nothing_else(noise, greeted):
    decoder = Decoder("left", LARGEST)
    try:
        for frame in decoder.feed(HELLO + noise if greeted else noise):
            assert len(frame.payload) <= LARGEST
    except BadFrame as error:
        assert error.party == "left"


@given(frames.filter(bool), st.data())
def test_a_changed_head_is_refused_or_says_something_else_but_never_breaks(sent, data):
    wire = bytearray(HELLO + b"".join(data_frame(*frame) for frame in sent))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert decoded([bytes(wire)]) != []
    except BadFrame as error:
        assert error.party == "left"


BAD = {
    "nothing before hello": (data_frame("a", b""), "data frame before hello"),
    "no heartbeat before hello": (head(Kind.HEARTBEAT), "heartbeat frame before hello"),
    "one hello": (HELLO + HELLO, "second hello"),
    "a whole hello": (head(Kind.HELLO, size=31) + bytes(31), "hello of 31 bytes"),
    "known kinds": (HELLO + HEADER.pack(6, 0, 0), "unknown kind 6"),
    "kinds from one on": (HEADER.pack(0, 0, 0), "unknown kind 0"),
    "nothing after goodbye": (HELLO + head(Kind.BYE) + data_frame("a", b""), "after it said goodbye"),
    "nothing after an abort": (HELLO + head(Kind.ABORT, "x") + head(Kind.BYE), "after it said goodbye"),
    "a goodbye is empty": (HELLO + HEADER.pack(Kind.BYE, 0, 1), "bye frame of 1 bytes"),
    "a heartbeat is empty": (HELLO + HEADER.pack(Kind.HEARTBEAT, 0, 1 << 40), "heartbeat frame of"),
    "an abort is short": (HELLO + HEADER.pack(Kind.ABORT, 1, 3), "abort frame of 3 bytes"),
    "data has a label": (HELLO + HEADER.pack(Kind.DATA, 0, 1), "label that is none"),
    "a label is short": (HELLO + HEADER.pack(Kind.DATA, 201, 1), "label of 201 bytes"),
    "a label is printable": (HELLO + HEADER.pack(Kind.DATA, 3, 1) + b"a\nb", "label that is none"),
    "a label is ASCII": (HELLO + HEADER.pack(Kind.DATA, 2, 1) + "é".encode(), "label that is none"),
    "a heartbeat has no label": (HELLO + HEADER.pack(Kind.HEARTBEAT, 1, 0) + b"a", "label that is none"),
    "a code is a word": (HELLO + HEADER.pack(Kind.ABORT, 3, 0) + b"<b>", "label that is none"),
}


@pytest.mark.parametrize(("wire", "reason"), BAD.values(), ids=BAD)
def test_bad_frames(wire, reason):
    with pytest.raises(BadFrame, match=reason) as caught:
        decoded([wire])
    assert caught.value.party == "left"


@pytest.mark.parametrize("size", [LARGEST + 1, 1 << 32, 1 << 63, (1 << 64) - 1])
def test_a_payload_above_the_plan_is_refused_at_its_head_and_costs_nothing(size):
    decoder = Decoder("left", LARGEST)
    list(decoder.feed(HELLO))
    tracemalloc.start()
    with pytest.raises(BadFrame, match=f"{size} bytes") as caught:
        list(decoder.feed(HEADER.pack(Kind.DATA, 4, size) + b"join"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.step == "join"
    assert peak < 100_000


@pytest.mark.parametrize(("kind", "label"), [(Kind.DATA, ""), (Kind.DATA, "a b"), (Kind.BYE, "a"), (Kind.ABORT, "A!")])
def test_no_head_is_written_that_would_be_refused(kind, label):
    with pytest.raises(ValueError, match="label"):
        head(kind, label)
