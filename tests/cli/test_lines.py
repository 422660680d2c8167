"""Slow lines: when bytes arrive, by the line's own arithmetic, and that a relay carries all of them in order."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.cli.lines import LINES, LOOPBACK, Line, Pace, Relay

MEGABIT = Line(1e6, 0.25)


def test_bytes_arrive_after_those_before_them_and_the_way():
    pace = Pace(MEGABIT)
    assert pace.arrival(10.0, 125_000) == pytest.approx(10.0 + 1.0 + 0.25)
    assert pace.arrival(10.5, 12_500) == pytest.approx(11.0 + 0.1 + 0.25)  # waits for the line until 11.0
    assert pace.arrival(20.0, 0) == pytest.approx(20.25)  # the line was free


@given(st.lists(st.tuples(st.floats(0, 0.01), st.integers(0, 65_536)), min_size=1), st.sampled_from([*LINES.values()]))
def test_no_bytes_overtake_and_none_beat_the_rate(pieces, line):
    pace, now, sent, last = Pace(line), 0.0, 0, 0.0
    for pause, size in pieces:
        now, sent = now + pause, sent + size
        arrival = pace.arrival(now, size)
        assert arrival >= last
        assert arrival >= now + line.delay_s
        assert arrival >= 8 * sent / line.bits_per_s + line.delay_s - 1e-9
        last = arrival
    slack = sum(pause for pause, _ in pieces)  # the line never rests longer than nothing came
    assert last <= slack + 8 * sent / line.bits_per_s + line.delay_s + 1e-9


@pytest.mark.parametrize("name", LINES)
def test_a_line_is_what_its_name_says(name):
    rate, delay = name.split("-")
    assert LINES[name].bits_per_s == {"1gbit": 1e9, "100mbit": 1e8}[rate]
    assert LINES[name].delay_s == int(delay.removesuffix("ms")) / 1000


async def echo(reader, writer):
    while part := await reader.read(1 << 16):
        writer.write(part)
        await writer.drain()
    writer.close()


async def there_and_back(relay, data):
    """What an echo sends back of these bytes, and the seconds that took."""
    loop = asyncio.get_running_loop()
    host, _, port = relay.addresses["echo"].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    began = loop.time()
    writer.write(data)
    writer.write_eof()
    back = await reader.read(-1)
    writer.close()
    return back, loop.time() - began


@pytest.mark.parametrize("line", [LOOPBACK, Line(1e8, 0.02)], ids=["loopback", "slow"])
async def test_a_relay_carries_all_bytes_in_order_and_not_too_soon(line):
    data = bytes(range(256)) * 4_096
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    with Relay({"echo": f"127.0.0.1:{server.sockets[0].getsockname()[1]}"}, line) as relay:
        back, seconds = await there_and_back(relay, data)
        assert relay.carried == 2 * len(data)
    server.close()
    assert back == data
    assert seconds >= 2 * line.delay_s + 8 * len(data) / line.bits_per_s


async def test_a_broken_connection_breaks_at_the_other_end():
    async def leave(reader, writer):
        await reader.read(1)
        writer.transport.abort()

    server = await asyncio.start_server(leave, "127.0.0.1", 0)
    with Relay({"echo": f"127.0.0.1:{server.sockets[0].getsockname()[1]}"}, MEGABIT) as relay:
        async with asyncio.timeout(20):
            back, _ = await there_and_back(relay, b"-")
    server.close()
    assert back == b""


async def test_a_node_that_comes_up_later_is_waited_for():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with Relay({"echo": f"127.0.0.1:{port}"}, LOOPBACK) as relay:
        asking = asyncio.create_task(there_and_back(relay, b"late"))
        await asyncio.sleep(0.2)
        server = await asyncio.start_server(echo, "127.0.0.1", port)
        async with asyncio.timeout(20):
            assert (await asking)[0] == b"late"
    server.close()
