"""A real node of a party with its true key, whose worker or node attacks: `python hostile_node.py serve --home HOME`.

`HOME/attack` names the attack of the next session; without that file the node is an honest one. The worker attacks
after true linking, over its true links. A pickle only creates the empty file `HOME/ran` where it is loaded.
"""

import asyncio
import os
import pickle
import secrets
import sys
from pathlib import Path

from msgspec.structs import replace

HOME = Path(os.environ.get("HOSTILE_HOME") or sys.argv[sys.argv.index("--home") + 1])
LONG_S = 120


class Touch:
    def __reduce__(self):
        return open, (str(HOME / "ran"), "w")


def attack() -> str:
    file = HOME / "attack"
    return file.read_text() if file.exists() else ""


def evil(size: int) -> bytes:
    """A pickle of exactly this many bytes; what follows its end is not looked at, and a short one is cut."""
    return pickle.dumps(Touch()).ljust(size, b"\0")[:size]


def frame(label: str, payload: bytes, size: int | None = None) -> bytes:
    from glovebox.runtime.frames import Kind, head

    return head(Kind.DATA, label, len(payload) if size is None else size) + payload


async def flood(link) -> None:
    """Frames of the largest size for labels that nobody waits for, 96 MiB of them."""
    size = min(link._largest, 1 << 20)
    for i in range((96 << 20) // size):
        if not goes_on(link):
            return
        link._transport.write(frame(f"later/{i}", bytes(size)))
        if i % 64 == 0:
            await asyncio.sleep(0)


async def small_flood(link) -> None:
    """A million empty frames."""
    for i in range(200):
        if not goes_on(link):
            return
        link._transport.write(b"".join(frame(f"later/{i}/{j}", b"") for j in range(5000)))
        await asyncio.sleep(0)


async def when_linked(links, name: str) -> None:
    """What the worker does at once when all are linked."""
    from glovebox.runtime.frames import Kind, head

    raw = {
        "4 GiB": frame("join/later", bytes(1 << 16), 4 << 30),
        "8 EiB": frame("join/later", b"", (1 << 63) - 1),
        "random": secrets.token_bytes(1 << 16),
        "a pickle": evil(1000),
        "second hello": head(Kind.HELLO, "", 32) + bytes(32),
        "twice": frame("join/later", b"1") + frame("join/later", b"2"),
        "goodbye": head(Kind.BYE),
        "blames": head(Kind.ABORT, "bad_frame", 2) + (2).to_bytes(2, "little"),
        "a long label": b"\2\xff" + (0).to_bytes(8, "little") + b"x" * 255,
        "a label that is none": b"\2\4" + (0).to_bytes(8, "little") + b"\x1b[2J",
    }
    for link in links:
        match name:
            case "closes":
                link._transport.abort()
            case "flood":
                await flood(link)
            case "small flood":
                await small_flood(link)
            case "silent":
                link._transport.write = link._transport.writelines = lambda *_: None
            case _ if name in raw:
                link._transport.write(raw[name])
            case _:
                return
    await asyncio.sleep(LONG_S)


def goes_on(link) -> bool:
    """Whether the peer has not ended the link yet."""
    return not link.lost.done()


def changed(name: str, label: str, data: bytes) -> bytes | None:
    """What is sent in the place of a good frame; None for nothing. name: the change, then the frames it is for."""
    kind, _, start = name.partition(" in ")
    if not start or not label.startswith(start):
        return data
    match kind:
        case "pickle":
            return evil(len(pickle.dumps(Touch())))
        case "pickle of that size":
            return evil(len(data))
        case "short":
            return data[:-1]
        case "long":
            return data + b"\0"
        case "ones":
            return b"\xff" * len(data)
        case "identity":
            return bytes(32) + data[32:]
        case "no element":
            return data[:-32] + b"\xff" * 32
        case "one element twice":
            return data[:32] + data[:32] + data[64:]
        case "one bit":
            return bytes([data[0] ^ 1]) + data[1:]
        case "nothing":
            return None
    return data


def attack_in_worker():
    from glovebox.node import run
    from glovebox.node.worker import serve
    from glovebox.runtime.links import SessionLink

    reached, post = run.Run._reached, SessionLink.post

    async def attacking(self, event):
        await reached(self, event)
        if event == "linked":
            await when_linked(self._links.values(), attack())

    def posting(self, label, data):
        opens = label.endswith(("masked", "top"))  # which go to the next party alone, that is notary
        elsewhere = attack().startswith("one bit in") and self.peer != 0 and not opens
        sent = bytes(data) if elsewhere else changed(attack(), label, bytes(data))
        if sent is not None:
            self._largest = max(self._largest, len(sent))
            post(self, label, sent)

    run.Run._reached, SessionLink.post = attacking, posting
    return serve


def attack_in_node() -> None:
    from glovebox.node import coordinator, participant, workers
    from glovebox.node.messages import Receipt

    workers.COMMAND = [sys.executable, __file__, "worker"]
    os.environ["HOSTILE_HOME"] = str(HOME)
    run_, endorse, have_signed = (
        participant.Participant.run,
        participant.Participant.endorse,
        coordinator.Attempt._have_signed,
    )

    async def never_ends(self, start, tell, *beat):
        ended = await run_(self, start, tell, *beat)
        if attack() == "never ends":
            await asyncio.sleep(LONG_S)
        return ended

    def endorses_wrongly(self, receipt):
        endorsement = endorse(self, receipt)
        wrong = replace(endorsement, signature=secrets.token_bytes(64))
        return wrong if attack() == "signs wrongly" else endorsement

    async def asks_for_no_signature(self, ended, began):
        if attack() == "no receipt":
            await asyncio.sleep(LONG_S)
        return await have_signed(self, ended, began)

    signed, whole = coordinator.signed, []

    def gives_an_earlier_receipt(key, me, message):
        if isinstance(message, Receipt) and message.signatures:
            whole.append(message)
            if attack() == "an earlier receipt":
                message = replace(message, text=whole[0].text, signatures=whole[0].signatures)
        return signed(key, me, message)

    coordinator.signed = gives_an_earlier_receipt
    participant.Participant.run, participant.Participant.endorse = never_ends, endorses_wrongly
    coordinator.Attempt._have_signed = asks_for_no_signature


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        from glovebox.node.starting import main

        sys.argv = sys.argv[1:]
        main(attack_in_worker)
    else:
        attack_in_node()
        from glovebox.cli.main import main

        main()
