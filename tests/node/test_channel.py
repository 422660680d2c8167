"""The channel between node and worker carries long messages and open sockets, and ends cleanly."""

import asyncio
import socket

import pytest

from glovebox.node.channel import Channel, PeerSocket, Store, Stored


@pytest.fixture
async def ends():
    pair = [Channel(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)]
    yield pair
    for end in pair:
        end.close()


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 5_000_000])
async def test_a_message_of_any_length_arrives_whole(ends, size):
    near, far = ends
    sending = asyncio.create_task(near.send(Store(b"x" * size)))
    message, passed = await far.receive()
    await sending
    assert message == Store(b"x" * size)
    assert passed is None


async def test_an_open_socket_arrives_with_its_message(ends):
    near, far = ends
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            await near.send(PeerSocket(2), theirs)
        message, passed = await far.receive()
        assert message == PeerSocket(2)
        ours.send(b"through")
        with passed:
            assert passed.recv(7) == b"through"


async def test_messages_keep_their_order(ends):
    near, far = ends
    for size in (1, 100_000, 2):
        await near.send(Store(bytes(size)))
    await near.send(Stored())
    got = [(await far.receive())[0] for _ in range(4)]
    assert [len(message.opening) for message in got[:3]] == [1, 100_000, 2]


async def test_the_end_of_the_other_side_is_an_end_of_file(ends):
    near, far = ends
    near.close()
    with pytest.raises(EOFError):
        await far.receive()
