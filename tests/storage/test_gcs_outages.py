"""A Cloud Storage service that comes and goes or refuses, and what a transfer takes."""

import contextlib
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud_storage import BUCKET, IN_THE_BUCKET, RAW, Emulator, Relay, relay
from loan_default import storage
from loan_default.storage import gcs
from waiting import wait_for
from workspace import ROOT, Workspace

pytestmark = pytest.mark.slow

# Some 80 MB, uploaded in five chunks.
WRITE_RAW = ("make_loans", "--rows", "150000", "--seed", "3", "--output-path")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of what WRITE_RAW writes."""
    path = tmp_path_factory.mktemp("raw") / "loans.csv"
    assert Workspace(path.parent).run(*WRITE_RAW, path).code == 0
    return storage.digest(str(path))


@contextlib.contextmanager
def service_at(emulator: Emulator) -> Iterator[Relay]:
    emulator.start()
    try:
        with relay(emulator) as service:
            yield service
    finally:
        emulator.kill()


def in_the_middle(service: Relay, act: Callable[[], None]) -> None:
    """`act` when the third chunk of an upload comes."""
    chunks = iter([None, None, act])

    def count() -> None:
        if "upload_id=" in service.seen[-1] and (turn := next(chunks, None)):
            turn()

    service.on_upload = count


def started(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        Workspace(folder).command(*WRITE_RAW, RAW),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("remembers", [True, False])
def test_an_upload_goes_on_after_the_service_was_killed_in_its_middle(
    tmp_path: Path, raw: str, remembers: bool
) -> None:
    """Where the service remembers the upload, and where it has forgotten all about it."""
    emulator = Emulator(tmp_path, tmp_path / "kept" if remembers else None)
    with service_at(emulator) as service:
        if remembers:
            storage.write_text(RAW, "old")
        in_the_middle(service, emulator.kill)
        upload = started(tmp_path)
        wait_for(lambda: not emulator.running, pause=0.01)
        time.sleep(3)
        emulator.start()
        whole = {raw, hashlib.sha256(b"old").hexdigest()}
        assert not storage.exists(RAW) or storage.digest(RAW) in whole
        _, error = upload.communicate(timeout=200)
        assert upload.returncode == 0, error
        assert storage.digest(RAW) == raw
        begun = sum(
            "uploadType=resumable" in path and "upload_id" not in path for path in service.seen
        )
        assert begun == (1 if remembers else 2)


def test_an_upload_to_a_service_that_stays_away_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcs, "RETRY", gcs.RETRY.with_timeout(3))
    emulator = Emulator(tmp_path, tmp_path / "kept")
    with service_at(emulator) as service:
        storage.write_text(RAW, "old")
        in_the_middle(service, emulator.kill)
        done = Workspace(tmp_path).run(*WRITE_RAW, RAW)
        assert done.code == 1
        assert "127.0.0.1" in done.error and f"does not answer for {RAW}" in done.error
        emulator.start()
        assert storage.read_text(RAW) == "old"


def test_a_service_that_is_overloaded_for_a_while_is_waited_for(tmp_path: Path, raw: str) -> None:
    overloaded = [(503, "")] * 4
    with service_at(Emulator(tmp_path)) as service:
        in_the_middle(service, lambda: service.answers.extend(overloaded))
        service.answers.extend(overloaded)
        upload = started(tmp_path)
        _, error = upload.communicate(timeout=200)
        assert upload.returncode == 0 and not service.answers, error
        assert storage.digest(RAW) == raw
        service.answers.extend(overloaded)
        prepared = Workspace(tmp_path, IN_THE_BUCKET).run("prepare_data", "--input-path", RAW)
        assert prepared.result["rows_written"] > 149_000 and not service.answers


def test_what_mlflow_may_not_write_is_said_in_one_line(
    narrow_export: Path, workspace: Workspace, tmp_path: Path
) -> None:
    learning = Workspace(workspace.folder, IN_THE_BUCKET)
    with service_at(Emulator(tmp_path)) as service:
        service.read_only = True
        done = learning.run("train_with_mlflow", "--data-path", narrow_export)
    assert done.code == 2 and "no permission for gs://loans/mlflow" in done.error


# What it takes

MOVED = f"""
import sys
from pathlib import Path
from loan_default import storage
storage.publish(Path(sys.argv[1]), "{BUCKET}/big")
with storage.open_input("{BUCKET}/big") as stream:
    while stream.read(1 << 20):
        pass
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(peak.split()[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak")
def test_a_large_file_takes_no_more_memory_than_a_small_one(tmp_path: Path, bucket: str) -> None:
    path = tmp_path / "big"

    def peak(megabytes: int) -> int:
        with path.open("wb") as stream:
            for _ in range(megabytes):
                stream.write(os.urandom(10**6))
        moved = subprocess.run(
            [sys.executable, "-c", MOVED, str(path)],
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
        )
        assert moved.returncode == 0, moved.stderr
        assert storage.digest(f"{BUCKET}/big") == storage.digest(str(path))
        return int(moved.stdout)

    small, large = peak(40), peak(300)
    print(f"peak of 40 MB: {small >> 10} MiB, of 300 MB: {large >> 10} MiB")
    assert large < 1.2 * small
