"""`glovebox identity`, `serve`, `status` and `doctor`: this party's node."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from glovebox.errors import UsageError

if TYPE_CHECKING:
    from glovebox.node.home import Home

HomeOption = Annotated[Path | None, Parameter(name="--home", help="The node's home directory [GLOVEBOX_HOME].")]
JsonOption = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


def home_of(given: Path | None) -> Home:
    """The home a command works on."""
    from glovebox.node.home import Home, default_home

    return Home((given or default_home()).absolute())


def register(app: cyclopts.App) -> None:
    """Add these commands."""
    app.command(identity)
    app.command(serve)
    app.command(status)
    app.command(doctor)


def identity(
    *,
    new: Annotated[str | None, Parameter(help="Make a new home and key for a party of this name.")] = None,
    listen: Annotated[str, Parameter(help="With --new: the HOST:PORT to listen on.")] = "127.0.0.1:7171",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show this node's public card: name, key and address, as they go into a contract."""
    import re
    import sys

    from glovebox.identity import key_text, public_bytes

    place = home_of(home)
    if new is not None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", new):
            raise UsageError(f"{new!r} is no name of a party", hint="lower-case letters, digits, - and _")
        place.make(new, listen)
    settings = place.settings()
    card = {"name": settings.name, "key": key_text(public_bytes(place.key())), "address": settings.listen}
    if json:
        import msgspec

        print(msgspec.json.encode(card).decode())
        return
    print("[[party]]", *(f'{name:<7} = "{value}"' for name, value in card.items()), sep="\n")
    if new is not None:
        print(
            f"The secret key is {place.key_file}. Back it up offline: a lost key needs a new contract.", file=sys.stderr
        )


def serve(*, home: HomeOption = None) -> None:
    """Run the node until it is stopped."""
    import gc
    import signal

    from glovebox.node.node import Node
    from glovebox.node.process import harden
    from glovebox.node.reports import report_in_lines

    harden()
    report_in_lines()
    node = Node(home_of(home))
    gc.collect()
    gc.freeze()  # what is there for good need not be looked through when the node frees what connections left

    async def run() -> None:
        ready = asyncio.Event()
        serving = asyncio.ensure_future(node.serve(ready))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not serving.done():
            print(f"{node.name} serves at {node.settings.listen}", flush=True)
        try:
            await serving
        except asyncio.CancelledError:
            print(f"{node.name} stopped", flush=True)

    asyncio.run(run())


def status(*, home: HomeOption = None, json: JsonOption = False) -> None:
    """Say what the node is doing."""
    import msgspec

    from glovebox.cli.progress import in_words
    from glovebox.node.local import Status, StatusRequest, talk

    async def run() -> Status:
        async for reply in talk(home_of(home), StatusRequest()):
            if isinstance(reply, Status):
                return reply
        raise UsageError("the node gave no status")

    found = asyncio.run(run())
    if json:
        print(msgspec.json.encode(found).decode())
        return
    print(f"{found.name}, version {found.version}")
    for one in found.sessions:
        print(f"session {one.session[:8]} under {one.contract}, asked by {one.asker}: {in_words(one)}")
    if not found.sessions:
        print("no session runs")


def doctor(*, home: HomeOption = None, json: JsonOption = False) -> int:
    """Look for what could keep this node from answering: who has to act, and how. Exit code 1 if something could."""
    import msgspec

    from glovebox.node.doctor import examine

    found = asyncio.run(examine(home_of(home)))
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        for one in found:
            print(f"{'well' if one.well else 'ILL ':<5} {one.what}: {one.said}")
            if not one.well:
                print(f"      {one.side} has to act.  Try:  {one.fix}")
    return 0 if all(one.well for one in found) else 1
