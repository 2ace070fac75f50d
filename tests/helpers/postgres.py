"""A PostgreSQL server for the tests, made with the machine's own `initdb`."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from loan_default.sandbox.local_stack import free_ports

DEBIAN = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """The folder with initdb and pg_ctl, None where PostgreSQL is not installed."""
    on_path = shutil.which("initdb")
    found = sorted(path.parent for path in DEBIAN.glob("*/bin/initdb"))
    return Path(on_path).resolve().parent if on_path else (found[-1] if found else None)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A server with a database `airflow`, gone after the block; yields its SQLAlchemy address."""
    found, (port,) = programs(), free_ports(1)
    assert found, "ask programs() first"
    # PostgreSQL refuses to run as root, and its user cannot enter pytest's folders.
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    data = folder / "data"
    if user:
        shutil.chown(folder, "postgres")

    def run(program: str, *arguments: str) -> None:
        command = [*user, str(found / program), *arguments]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)

    run("initdb", "-D", str(data), "-U", "airflow", "--auth", "trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-o", options, "-w", "start")
    try:
        address = ("-h", "127.0.0.1", "-p", str(port), "-U", "airflow")
        run("createdb", *address, "airflow")
        yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/airflow"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder)
