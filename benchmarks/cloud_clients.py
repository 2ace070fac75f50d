"""Compare the platform's Cloud Storage client with cloudpathlib, gcsfs and obstore in trouble.

ADR 15 quotes the results. Each client writes to and reads from the tests' emulator through a relay
that causes the trouble; obstore, which uses the XML protocol, through one that speaks it. Then each
moves a large file in a process of its own, for the memory. Speed is not compared: an emulator
says nothing about it. It takes 7 minutes. The three are in no lock; to try them, make an
environment that you can throw away:
`make install VENV=/tmp/tried` and
`/tmp/tried/bin/uv pip install --python /tmp/tried/bin/python 'cloudpathlib[gs]' gcsfs obstore`
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.table import Table

import cloud_peers
from cloud_peers import CLIENTS, HOST, NAME, Emulator, Move, Relay, service

OLD, NEWER, OURS = b"old", b"newer", os.urandom(1 << 20) * 20
LARGE = 256


@dataclass
class Trial:
    """One client and one trouble."""

    emulator: Emulator
    relay: Relay
    client: tuple[Move, Move]
    folder: Path

    def write(self, content: bytes) -> Exception | None:
        """Write the object with the client; return its exception, if any."""
        local = self.folder / "written"
        local.write_bytes(content)
        return _caught(lambda: self.client[0](local))

    def read(self) -> Exception | bytes:
        """Read the object with the client; return its exception or the content."""
        local = self.folder / "read"
        return _caught(lambda: self.client[1](local)) or local.read_bytes()

    def there(self) -> bytes | None:
        """Read the object directly from the emulator; None if there is none."""
        answer = httpx.get(
            f"{self.emulator.url}/download/storage/v1{cloud_peers.object_path('/loans/' + NAME)}"
        )
        return answer.content if answer.is_success else None

    def place(self, content: bytes) -> None:
        """Write the object directly to the emulator."""
        address = f"{self.emulator.url}/upload/storage/v1/b/loans/o"
        named = {"uploadType": "media", "name": NAME}
        # The emulator derives its download links from this header
        at = {"Host": urlsplit(os.environ[HOST]).netloc}
        httpx.post(address, params=named, content=content, headers=at).raise_for_status()


def _caught(work: Callable[[], object]) -> Exception | None:
    try:
        work()
    # Each client has its own exceptions
    except Exception as error:
        return error
    return None


def read_damaged(trial: Trial) -> str:
    """A bit flips during a read."""
    trial.place(OURS)
    trial.relay.damage = True
    return "rejected" if isinstance(trial.read(), Exception) else "damaged content is returned"


def read_cut(trial: Trial) -> str:
    """A read breaks off half-way, twice."""
    trial.place(OURS)
    trial.relay.cut = 2
    found = trial.read()
    if isinstance(found, Exception):
        return f"fails ({type(found).__name__})"
    return "complete" if found == OURS else "a part is returned"


def write_damaged(trial: Trial) -> str:
    """A bit flips during a write, once."""
    trial.place(OLD)
    trial.relay.damage_chunks = 1
    error, there = trial.write(OURS), trial.there()
    if there == OURS:
        return "sent again, complete"
    left = {OLD: "old file kept", None: "no file left"}.get(there, "damaged file written")
    return f"{'error' if error else 'no error'}, {left}"


def write_late(trial: Trial) -> str:
    """Another process writes while this write is under way."""
    trial.place(OLD)
    others = iter([NEWER])
    trial.relay.on_upload = lambda: [trial.place(newer) for newer in others] and None
    trial.write(OURS)
    return "newer file kept" if trial.there() == NEWER else "newer file overwritten"


def write_unanswered(trial: Trial) -> str:
    """The response to a write is lost."""
    trial.place(OLD)
    trial.relay.lost = 1
    error = trial.write(b"ours")
    return f"fails ({type(error).__name__})" if error else "done"


def write_overloaded(trial: Trial) -> str:
    """The service answers 503 four times."""
    trial.place(OLD)
    trial.relay.only, trial.relay.answers = "/upload/", [(503, "")] * 4
    error = trial.write(OURS)
    return f"fails ({type(error).__name__})" if error else "retried, done"


def forbidden(trial: Trial) -> str:
    """The account has no read permission."""
    trial.place(OLD)
    trial.relay.answers = [(403, '{"error": {"message": "no access"}}')] * 9
    said = str(trial.read()).strip()
    return f"{len(said.splitlines())} lines, {len(said):,} characters"


TROUBLES: list[Callable[[Trial], str]] = [
    read_damaged,
    read_cut,
    write_damaged,
    write_late,
    write_unanswered,
    write_overloaded,
    forbidden,
]


def moved(emulator: Emulator, client: str, folder: Path) -> str:
    """Return the peak memory in MiB of moving a large file, in a process of its own."""
    with service(emulator, client):
        command = [sys.executable, cloud_peers.__file__, client]
        return subprocess.run(
            command, cwd=folder, env=os.environ, capture_output=True, text=True, check=True
        ).stdout.strip()


def main() -> None:
    """Try every client in every trouble and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", nargs="+", choices=list(CLIENTS), default=list(CLIENTS))
    flags = parser.parse_args()
    table = Table("trouble", *flags.clients)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        emulator = Emulator(folder)
        emulator.start()
        try:
            for trouble in TROUBLES:
                table.add_row(
                    trouble.__doc__, *(tried(emulator, c, trouble, folder) for c in flags.clients)
                )
            (folder / "large").write_bytes(os.urandom(1 << 20) * LARGE)
            peaks = (moved(emulator, client, folder) for client in flags.clients)
            table.add_row(f"Peak MiB to write and read {LARGE} MiB.", *peaks)
        finally:
            emulator.kill()
    Console(width=140).print(table)


def tried(emulator: Emulator, client: str, trouble: Callable[[Trial], str], folder: Path) -> str:
    """Return in a few words what the client does in trouble."""
    with service(emulator, client) as passing:
        return trouble(Trial(emulator, passing, CLIENTS[client](), folder))


if __name__ == "__main__":
    main()
