"""OpenMined PSI: two owners, elliptic-curve Diffie-Hellman; the client learns which of its ids match."""

from __future__ import annotations

import socket
import time

from benchmarks.peers.party import Party, tell, this_party

ABOUT = {
    "name": "openmined-psi",
    "package": "openmined-psi",
    "parties": 2,
    "security": "semi-honest, two parties; DDH on P-256, random oracle",
    "reveals": {
        "count": "to one owner how many ids match, to both the row counts; the harness's link is not encrypted",
        "join": "to one owner WHICH of its ids match, to both the row counts; the harness's link is not encrypted",
    },
    "reveals_more": {"count": False, "join": True},
    "largest": 100_000,
}
FALSE_POSITIVES = 1e-9  # of the whole run: some more bits an id in the compressed set


def main() -> None:
    """Party 0 is the client, which gets the result, party 1 the server."""
    from private_set_intersection.python import Request, Response, ServerSetup, client, server

    party = this_party()
    ids, values = party.table()
    which = party.work == "join"
    seconds: list[float] = []
    answer: list[int] | None = None
    with linked(party) as link:
        for _ in range(party.runs):
            barrier(link)
            began = time.perf_counter()
            if party.number == 0:
                asker = client.CreateWithNewKey(which)
                send(link, asker.CreateRequest(ids).SerializeToString())
                setup, response = ServerSetup(), Response()
                setup.ParseFromString(receive(link))
                response.ParseFromString(receive(link))
                if which:
                    found = asker.GetIntersection(setup, response)
                    answer = [len(found), sum(values[place] for place in found)]
                else:
                    answer = [asker.GetIntersectionSize(setup, response)]
            else:
                holder = server.CreateWithNewKey(which)
                message = holder.CreateSetupMessage(FALSE_POSITIVES, len(ids), ids)
                request = Request()
                request.ParseFromString(receive(link))
                send(link, message.SerializeToString())
                send(link, holder.ProcessRequest(request).SerializeToString())
            seconds.append(time.perf_counter() - began)
    tell(seconds, answer)


def linked(party: Party) -> socket.socket:
    """A connection with the other party: 1 listens, 0 dials until it is there."""
    host, _, port = party.addresses()[1].rpartition(":")
    if party.number == 1:
        with socket.create_server((host, int(port))) as listener:
            return listener.accept()[0]
    for _ in range(1_200):
        try:
            return socket.create_connection((host, int(port)))
        except OSError:
            time.sleep(0.05)
    raise ConnectionError("the other party did not come")


def barrier(link: socket.socket) -> None:
    """Return when both are here."""
    send(link, b"-")
    receive(link)


def send(link: socket.socket, data: bytes) -> None:
    """One message: its length, and itself."""
    link.sendall(len(data).to_bytes(8, "little") + data)


def receive(link: socket.socket) -> bytes:
    """The next message."""
    return exactly(link, int.from_bytes(exactly(link, 8), "little"))


def exactly(link: socket.socket, size: int) -> bytes:
    """So many bytes."""
    parts = bytearray()
    while len(parts) < size:
        part = link.recv(min(1 << 20, size - len(parts)))
        if not part:
            raise ConnectionError("the other party has left")
        parts += part
    return bytes(parts)


if __name__ == "__main__":
    main()
