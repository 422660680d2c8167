"""Links are tested under the loop of nodes and workers, and under asyncio's own, in which a `World` runs."""

import asyncio

import uvloop


def pytest_asyncio_loop_factories():
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
