"""SPU as a circuit: the match bits of two owners' ids on shares of three parties, and their sums.

The owners put their ids into bins (`bins.py`), as circuit PSI does; SPU compares all pairs of a bin and adds.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.peers.bins import all_bins_each, bins_for, depth_for, one_bin_each
from benchmarks.peers.party import tell, this_party
from benchmarks.peers.spu_psi import linked

TOTALS = "nothing but the answer, to one owner, and to all the row counts; its links are not encrypted"
ABOUT = {
    "name": "spu circuit aby3",
    "package": "spu",
    "parties": 3,
    "security": "semi-honest, one corrupt party of three (ABY3)",
    "reveals": {"count": TOTALS, "join": TOTALS},
    "reveals_more": {"count": False, "join": False},
    "largest": 100_000,
}


def main() -> None:
    """Parties 0 and 1 own tables, party 2 owns none; 0 gets the answer."""
    from spu import api, libspu

    party = this_party()
    ids, values = party.table()
    counts = [sum(1 for _ in (party.file.parent / name).open()) - 1 for name in ("left.csv", "right.csv")]
    bins = bins_for(max(counts))
    shapes = {"x": (bins,), "amount": (bins,), "y": (depth_for(max(counts), bins), bins)}
    config = libspu.RuntimeConfig(protocol=libspu.ProtocolKind.ABY3, field=libspu.FieldType.FM64)
    program = compiled(shapes, party.work)
    link = linked(party)
    runtime, shares = api.Runtime(link, config), api.Io(3, config)
    seconds: list[float] = []
    answer: list[int] | None = None
    for _ in range(party.runs):
        link.barrier()
        began = time.perf_counter()
        own: dict[str, Any] = {}
        if party.number == 0:
            own["x"], own["amount"] = one_bin_each(ids, values, b"session")
        if party.number == 1:
            own["y"] = all_bins_each(ids, b"session")
        for name, owner in (("x", 0), ("amount", 0), ("y", 1)):
            runtime.set_var(name, share_of(link, party.number, owner, shares, own.get(name)))
        runtime.run(program)
        answer = opened(link, party.number, shares, [runtime.get_var(name) for name in program.output_names])
        seconds.append(time.perf_counter() - began)
    link.stop_link()
    tell(seconds, answer)


def compiled(shapes: dict[str, tuple[int, ...]], work: str) -> Any:
    """The question for SPU's virtual machine."""
    import jax
    import jax.numpy as jnp
    from spu import libspu
    from spu.utils import frontend

    jax.config.update("jax_enable_x64", True)

    def joined(x: Any, amount: Any, y: Any) -> Any:
        bits = jnp.sum(y == x, axis=0)
        return (jnp.sum(bits), jnp.sum(bits * amount)) if work == "join" else (jnp.sum(bits),)

    arguments = [np.zeros(shapes[name], np.int64) for name in ("x", "amount", "y")]
    program, _ = frontend.compile(
        frontend.Kind.JAX, joined, arguments, {}, ["x", "amount", "y"], [libspu.Visibility.VIS_SECRET] * 3,
        lambda outputs: [f"out{number}" for number in range(len(outputs))],
    )  # fmt: skip
    return program


def share_of(link: Any, me: int, owner: int, shares: Any, column: Any) -> Any:
    """This party's share of an owner's column, which sends the others theirs."""
    from spu import libspu

    if me != owner:
        return receive(link, owner)
    made = shares.make_shares(column, libspu.Visibility.VIS_SECRET)
    for other in range(len(made)):
        if other != me:
            send(link, other, made[other])
    return made[me]


def opened(link: Any, me: int, shares: Any, outputs: list[Any]) -> list[int] | None:
    """The outputs, at party 0."""
    if me:
        for output in outputs:
            send(link, 0, output)
        return None
    return [int(shares.reconstruct([output, receive(link, 1), receive(link, 2)])) for output in outputs]


def send(link: Any, to: int, share: Any) -> None:
    """A share: what it is, how many chunks, and the chunks."""
    for part in (share.meta, str(len(share.share_chunks)).encode(), *share.share_chunks):
        link.send_async(to, part)


def receive(link: Any, frm: int) -> Any:
    """The next share."""
    from spu import libspu

    share = libspu.Share()
    share.meta = link.recv(frm)
    share.share_chunks = [link.recv(frm) for _ in range(int(link.recv(frm)))]
    return share


if __name__ == "__main__":
    main()
