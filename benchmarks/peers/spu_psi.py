"""SPU's PSI: two owners, RR22 (oblivious key-value stores and vector OLE); the receiver learns which ids match."""

from __future__ import annotations

import csv
import time

from benchmarks.peers.party import Party, tell, this_party

ABOUT = {
    "name": "spu psi rr22",
    "package": "spu",
    "parties": 2,
    "security": "semi-honest, two parties; vector OLE from LPN",
    "reveals": {
        "count": "to one owner WHICH of its ids match, to both the row counts; its links are not encrypted",
        "join": "to one owner WHICH of its ids match, to both the row counts; its links are not encrypted",
    },
    "reveals_more": {"count": True, "join": True},
    "largest": 1_000_000,
}


def main() -> None:
    """Party 0 receives. SPU reads and writes CSV files itself; adding the amounts up is not timed."""
    from spu import psi

    party = this_party()
    link = linked(party)
    found = party.file.with_name(f"found-{party.number}.csv")
    config = psi.PsiExecuteConfig(
        protocol_conf=psi.PsiProtocolConfig(protocol=psi.PsiProtocol.PROTOCOL_RR22, receiver_rank=0),
        input_params=psi.InputParams(path=str(party.file), selected_keys=["id"], keys_unique=True),
        output_params=psi.OutputParams(path=str(found), disable_alignment=True),
    )
    seconds: list[float] = []
    matches = 0
    for _ in range(party.runs):
        link.barrier()
        began = time.perf_counter()
        matches = psi.psi_execute(config, link).intersection_count
        seconds.append(time.perf_counter() - began)
    answer = None
    if party.number == 0:
        answer = [matches]
        if party.work == "join":
            with found.open(newline="") as file:
                answer.append(sum(int(row["amount"]) for row in csv.DictReader(file)))
    link.stop_link()
    tell(seconds, answer)


def linked(party: Party) -> object:
    """SPU's own links between the parties."""
    from spu import libspu

    described = libspu.link.Desc()
    described.recv_timeout_ms = 10 * 60 * 1000
    described.http_timeout_ms = 10 * 60 * 1000
    for number, address in enumerate(party.addresses()):
        described.add_party(f"party-{number}", address)
    return libspu.link.create_brpc(described, party.number)


if __name__ == "__main__":
    main()
