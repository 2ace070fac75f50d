"""Cloud Storage in trouble: a real service process, reached through a relay that makes the
trouble."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud_storage import BUCKET, HOST, Emulator, Relay, reached_at, relay
from loan_default import storage
from loan_default.errors import InputError, ServiceError
from loan_default.sandbox.local_stack import free_ports
from loan_default.storage import gcs
from workspace import Done, Workspace

pytestmark = pytest.mark.slow

PATH = f"{BUCKET}/folder/file.bin"
# Two slices and a bit, the upload in five chunks.
LARGE = 65 * 2**20


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("emulator"))
    emulator.start()
    yield emulator
    emulator.kill()


@pytest.fixture
def service(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Troubles to come; what is tried again is so at once."""
    monkeypatch.setattr(gcs, "RETRY", gcs.RETRY.with_delay(initial=0.01, maximum=0.1))
    with relay(emulator) as passing:
        yield passing


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(2**20) * (LARGE // 2**20) + b"the end")
    return path


def outside(workspace: Workspace, *arguments: str, **environment: str) -> Done:
    """prepare_data.py where no emulator stands in for Google, and no machine's own credentials."""
    nobody = {HOST: "", "NO_GCE_CHECK": "true", "CLOUDSDK_CONFIG": str(workspace.folder)}
    return workspace.run("prepare_data", *arguments, **nobody | environment)


@pytest.mark.parametrize(
    ("act", "asked"),
    [
        (lambda: storage.exists(PATH), "/storage/"),
        (lambda: storage.files_below(BUCKET), "/storage/"),
        (lambda: storage.read_text(PATH), "/storage/"),
        (lambda: storage.read_text(PATH), "/download/"),
        (lambda: storage.write_text(PATH, "new"), "/storage/"),
        (lambda: storage.write_text(PATH, "new"), "/upload/"),
    ],
)
@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_can_pass_is_tried_again(
    service: Relay, status: int, act: Callable[[], object], asked: str
) -> None:
    storage.write_text(PATH, "old")
    service.only = asked
    service.answers = [(status, "")] * 2
    act()
    assert not service.answers


def test_a_write_whose_answer_was_lost_is_found_to_be_done(service: Relay) -> None:
    storage.write_text(PATH, "old")
    service.lost = 1
    storage.write_text(PATH, "new")
    assert storage.read_text(PATH) == "new"
    writes = [path for path in service.seen if path.startswith("/upload/")]
    assert len(writes) == 3, "the lost one was not tried again"


def test_a_large_write_whose_answers_were_lost_arrives_whole(service: Relay, large: Path) -> None:
    service.lost = 3
    storage.publish(large, PATH)
    assert storage.digest(PATH) == storage.digest(str(large))


def test_a_late_write_does_not_replace_a_newer_one(service: Relay, emulator: Emulator) -> None:
    storage.write_text(PATH, "old")
    with storage.atomic_file(PATH) as partial:
        partial.write_text("ours")
        service.on_upload = lambda: _write_directly(emulator, "theirs")
        with pytest.raises(ServiceError, match="replaced by another process: run again"):
            storage.publish(partial, PATH)
        service.on_upload = lambda: None
        assert storage.read_text(PATH) == "theirs"


def _write_directly(emulator: Emulator, text: str) -> None:
    import httpx

    name = PATH.removeprefix(f"{BUCKET}/")
    address = f"{emulator.url}/upload/storage/v1/b/loans/o"
    httpx.post(address, params={"uploadType": "media", "name": name}, content=text)


def test_a_large_file_comes_in_slices_and_whole_though_they_break_off(
    service: Relay, large: Path
) -> None:
    storage.publish(large, PATH)
    service.seen.clear()
    service.cut = 2
    assert storage.digest(PATH) == storage.digest(str(large))
    assert service.cut == 0
    assert sum(path.startswith("/download/") for path in service.seen) == 3 + 2


def test_an_empty_file_is_a_file(service: Relay) -> None:
    storage.write_text(PATH, "")
    assert storage.exists(PATH) and storage.read_text(PATH) == ""


def test_what_came_through_damaged_is_refused(service: Relay) -> None:
    storage.write_text(PATH, "as it was written")
    service.damage = True
    with pytest.raises(ServiceError, match=f"{PATH} was corrupted in transit: run again"):
        storage.read_text(PATH)


def test_an_upload_that_is_damaged_on_its_way_never_appears(service: Relay, large: Path) -> None:
    storage.write_text(PATH, "old")
    there = []
    service.damage_chunks = 1
    service.on_upload = lambda: there.append(storage.read_text(PATH))
    storage.publish(large, PATH)
    assert set(there) == {"old"} and service.damage_chunks == 0
    assert storage.digest(PATH) == storage.digest(str(large))


@pytest.mark.parametrize("write", [True, False])
def test_a_missing_permission_is_named_with_the_role_that_helps(
    service: Relay, write: bool
) -> None:
    storage.write_text(PATH, "theirs")
    said = "me@x.iam.gserviceaccount.com does not have storage.objects.get access"
    service.answers = [(403, '{"error": {"code": 403, "message": "%s"}}' % said)]
    with pytest.raises(InputError) as refused:
        storage.write_text(PATH, "ours") if write else storage.read_text(PATH)
    assert str(refused.value) == (
        f"no permission for {PATH} ({said}): give the account the role roles/storage.objectUser "
        "on the bucket"
    )
    assert storage.read_text(PATH) == "theirs"


def test_a_refused_upload_says_what_the_service_said(service: Relay, large: Path) -> None:
    refusal = (403, '{"error": {"message": "billing is disabled"}}')
    service.on_upload = lambda: service.answers.append(refusal)
    with pytest.raises(InputError, match=rf"no permission for {PATH} \(billing is disabled\)"):
        storage.publish(large, PATH)


def test_who_is_not_logged_in_is_told_how(service: Relay) -> None:
    service.answers = [(401, "")]
    with pytest.raises(InputError, match="gcloud auth application-default login"):
        storage.read_text(PATH)


def test_a_missing_bucket_is_found_before_anything_is_computed(service: Relay) -> None:
    missing = "there is no bucket nowhere: create it .*terraform-apply.* or name another"
    begun = False
    with pytest.raises(InputError, match=missing), storage.atomic_file("gs://nowhere/file"):
        begun = True
    with pytest.raises(InputError, match=missing), storage.work_folder("gs://nowhere", "run"):
        begun = True
    assert not begun
    with pytest.raises(InputError, match="cannot read gs://nowhere/file: no such object or bucket"):
        storage.read_text("gs://nowhere/file")


@pytest.mark.parametrize("path", ["gs://", "gs:///file", "s3://bucket/file"])
def test_what_is_no_place_to_write_is_said_so(service: Relay, path: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gs://BUCKET/NAME"):
        storage.write_text(path, "text")
    with pytest.raises(InputError, match="gs://BUCKET/NAME"):
        storage.write_text(storage.join("gs://", "file"), "text")
    assert list(tmp_path.iterdir()) == []


def test_no_credentials(tmp_path: Path) -> None:
    done = outside(Workspace(tmp_path), "--input-path", "gs://loans/raw.csv")
    assert done.code == 2
    assert "no Google credentials: run `gcloud auth application-default login`" in done.error


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        ("", "is not a service account key"),
        ("{}", "is not a service account key"),
        ('{"type": "service_account"}', "is not a service account key"),
    ],
)
def test_a_key_file_that_is_none(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "key.json").write_text(content)
    (tmp_path / ".env").write_text("GOOGLE_APPLICATION_CREDENTIALS=key.json\n")
    done = outside(Workspace(tmp_path), "--input-path", "gs://loans/raw.csv")
    assert done.code == 2
    assert "GOOGLE_APPLICATION_CREDENTIALS='key.json'" in done.error and said in done.error


def test_a_service_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcs, "RETRY", gcs.RETRY.with_timeout(2))
    (port,) = free_ports(1)
    with reached_at(f"http://127.0.0.1:{port}"):
        done = Workspace(tmp_path).run("prepare_data", "--input-path", "gs://loans/raw.csv")
    assert done.code == 1
    assert f"127.0.0.1:{port} does not answer" in done.error
    assert "raw.csv" in done.error or "gs://loans" in done.error


def test_the_key_of_a_setting_reaches_whoever_uses_googles_libraries(
    tmp_path: Path, bucket: str
) -> None:
    (tmp_path / "key.json").write_text("{}")
    code = (
        "import os; from loan_default import storage\n"
        f"storage.exists({PATH!r})\n"
        "print(os.environ['GOOGLE_APPLICATION_CREDENTIALS'])"
    )
    (tmp_path / ".env").write_text("GOOGLE_APPLICATION_CREDENTIALS=key.json\n")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "key.json", done.stderr
