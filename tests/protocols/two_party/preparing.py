"""Prepared transfers for tests of the steps that use them up, and runs of those steps."""

from __future__ import annotations

from glovebox.protocols.two_party.prepared import prepare


async def run_prepared(world, needs, protocol, query, table, **arguments):
    """Prepare, then run protocol(ctx, (prepared, own), ...) and return both parties' results; metered by itself."""
    made = await world.run(prepare, needs=needs)
    return await world.run(protocol, query=(made.query, query), table=(made.table, table), **arguments)
