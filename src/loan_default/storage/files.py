"""Local paths and `gs://` behind one face; what appears under a final name is always whole.

The only door to Google Cloud Storage (`gcs`), which a purely local run never loads.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from loan_default.errors import InputError, LoanDefaultError

REMOTE = "gs://"
PARTIAL = ".partial"


def is_remote(path: str) -> bool:
    """Whether `path` lies in Google Cloud Storage."""
    return path.startswith(REMOTE)


def join(root: str, *parts: str) -> str:
    """`parts` below `root`, for local and remote roots alike."""
    if not is_remote(root):
        return str(Path(root, *parts))
    return REMOTE + "/".join([root.removeprefix(REMOTE).strip("/"), *parts])


def exists(path: str) -> bool:
    """Whether there is a file at `path`."""
    if not is_remote(path):
        return Path(path).is_file()
    from loan_default.storage import gcs

    return gcs.exists(path)


def files_below(folder: str) -> list[str]:
    """The paths of the whole files below `folder`, sorted; none where there is no such folder."""
    if not is_remote(folder):
        found = (path for path in Path(folder).rglob("*") if path.is_file())
        return sorted(str(path) for path in found if not path.name.endswith(PARTIAL))
    from loan_default.storage import gcs

    return gcs.files_below(folder)


@contextlib.contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """The bytes at `path`, seekable; a remote file is fetched first, and checked.

    Raises InputError when there is no such file or it may not be read.
    """
    if is_remote(path):
        from loan_default.storage import gcs

        with gcs.open_input(path) as copy:
            yield copy
        return
    try:
        stream = open(path, "rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    with stream:
        yield stream


@contextlib.contextmanager
def atomic_file(path: str) -> Iterator[Path]:
    """A local file to write, published as `path` when the block ends well, gone when it does not.

    A local target is replaced by a rename on the same file system, a remote one by one upload: a
    reader sees the old file or the new one, never a part.
    """
    parent = None if _ready_to_write(path) else _make_parent(path)
    partial = _new_file(parent or Path(tempfile.gettempdir()), Path(path).name)
    try:
        yield partial
        publish(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def publish(local: Path, path: str) -> None:
    """Make the local file appear as `path`, replacing what was there, in one step."""
    if is_remote(path):
        from loan_default.storage import gcs

        gcs.upload(local, path)
        return
    _make_parent(path)
    with open(local, "rb+") as stream:
        os.fsync(stream.fileno())
    try:
        os.replace(local, path)
    except IsADirectoryError:
        raise InputError(f"cannot write {path}: it is a folder; name a file") from None


def digest(path: str) -> str:
    """SHA-256 of the bytes at `path`, in hexadecimal."""
    with open_input(path) as stream:
        return hashlib.file_digest(cast(BufferedReader, stream), "sha256").hexdigest()


def write_text(path: str, text: str) -> None:
    """Replace the file at `path` by `text`, atomically."""
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_text(path: str) -> str:
    """The text at `path`. Raises InputError when there is none."""
    with open_input(path) as stream:
        return stream.read().decode("utf-8")


@contextlib.contextmanager
def work_folder(root: str, name: str) -> Iterator[Path]:
    """An empty local folder for files on their way to `root`, removed at the end.

    Below a local `root`, so that publishing is a rename; what a killed run left under the name goes
    first.
    """
    if _ready_to_write(root):
        with tempfile.TemporaryDirectory(prefix="loan-default-") as temporary:
            yield Path(temporary)
        return
    folder = Path(root, f".partial-{name}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"cannot write below {root}: {(error.strerror or '').lower()}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_target(path: str) -> None:
    """Raise what would stop a write to `path` for certain, before hours are spent on its content:
    no credentials, no such bucket, a kind of storage that is not known here."""
    _ready_to_write(path)


def translate_error(error: Exception, place: str) -> LoanDefaultError | None:
    """What it means when another library fails in Cloud Storage; None where that is not it."""
    if "google.cloud.storage" not in sys.modules:
        return None
    from loan_default.storage import gcs

    return gcs.translate_error(error, place)


def _ready_to_write(path: str) -> bool:
    """Whether `path` is remote; raises what `check_target` does."""
    if not is_remote(path):
        if "://" in path:
            raise InputError(f"cannot write {path}: name a local path or gs://BUCKET/NAME")
        return False
    from loan_default.storage import gcs

    gcs.check_bucket(path)
    return True


def _new_file(folder: Path, name: str) -> Path:
    """Create an empty file of a name that no other process has.

    It gets the mode that the process's umask gives a new file, where `tempfile` would make it
    private to its owner; asking for the umask would change it for every thread.
    """
    partial = folder / f".{name}.{secrets.token_hex(8)}{PARTIAL}"
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return partial


def _make_parent(path: str) -> Path:
    parent = Path(path).parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {(error.strerror or '').lower()}") from None
    if Path(path).is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file")
    return parent
