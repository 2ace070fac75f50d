import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from loan_default import storage
from loan_default.errors import InputError


def test_an_atomic_file_appears_whole_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "down" / "file.txt"
    storage.write_text(str(target), "first")
    with storage.atomic_file(str(target)) as partial:
        partial.write_text("second")
        assert target.read_text() == "first"
    assert target.read_text() == "second"
    assert os.listdir(target.parent) == ["file.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), storage.atomic_file(str(target)) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_published_files_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    storage.write_text(str(tmp_path / "ours"), "")
    (tmp_path / "theirs").write_text("")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "theirs")}
    assert len(modes) == 1


@pytest.mark.parametrize("name", ["missing.csv", "folder"])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"cannot read .*{name}"):
        with storage.open_input(str(tmp_path / name)):
            pass


def test_a_folder_is_no_target(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        storage.write_text(str(tmp_path), "text")


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        storage.write_text(str(tmp_path / "file" / "below"), "text")
    with pytest.raises(InputError, match="cannot write"):
        with storage.work_folder(str(tmp_path / "file"), "x"):
            pass


def test_a_work_folder_is_new_each_time_and_gone_afterwards(tmp_path: Path) -> None:
    left_behind = tmp_path / ".partial-run"
    left_behind.mkdir()
    (left_behind / "junk").write_text("of a killed run")
    with storage.work_folder(str(tmp_path), "run") as folder:
        assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_join() -> None:
    assert storage.join("gs://bucket/root/", "a", "b.txt") == "gs://bucket/root/a/b.txt"
    assert storage.join("root", "a", "b.txt") == os.path.join("root", "a", "b.txt")


def test_a_local_run_imports_no_cloud_package(tmp_path: Path) -> None:
    code = (
        "import sys; from loan_default import storage\n"
        f"storage.write_text({str(tmp_path / 'f')!r}, 'x')\n"
        f"storage.read_text({str(tmp_path / 'f')!r})\n"
        "sys.exit(any(name.startswith('google') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_remote_files_are_written_and_read_back(bucket: str) -> None:
    path = storage.join(bucket, "folder", "file.txt")
    assert not storage.exists(path)
    storage.write_text(path, "text with an é")
    assert storage.exists(path)
    assert storage.read_text(path) == "text with an é"
    with storage.open_input(path) as stream:
        assert stream.read(4) == b"text" and stream.seek(0) == 0
        assert stream.read() == "text with an é".encode()


def test_a_missing_remote_file_is_named(bucket: str) -> None:
    with pytest.raises(InputError, match="gs://loans/nothing: no such object"):
        storage.read_text("gs://loans/nothing")


def test_a_failed_block_uploads_nothing(bucket: str) -> None:
    path = storage.join(bucket, "half.txt")
    with pytest.raises(RuntimeError), storage.atomic_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert not storage.exists(path)


def test_a_bucket_alone_is_no_file() -> None:
    with pytest.raises(InputError, match="names no object"):
        storage.exists("gs://loans")


def test_files_below_are_the_whole_ones(tmp_path: Path) -> None:
    for name in ("b/2.txt", "b/c/1.txt", "a.txt", "b/.1.txt.x.partial"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = storage.files_below(str(tmp_path))
    assert found == [str(tmp_path / name) for name in ("a.txt", "b/2.txt", "b/c/1.txt")]
    assert storage.files_below(str(tmp_path / "b" / "c")) == found[2:]
    assert storage.files_below(str(tmp_path / "none")) == []


def test_files_below_a_folder_of_a_bucket(bucket: str) -> None:
    for name in ("list/b/2.txt", "list/a.txt", "listing.txt"):
        storage.write_text(f"{bucket}/{name}", "")
    assert storage.files_below(f"{bucket}/list") == [
        f"{bucket}/list/a.txt",
        f"{bucket}/list/b/2.txt",
    ]
    assert storage.files_below(f"{bucket}/none") == []
