"""One interface to local and `gs://` paths; writes are atomic.

Google's libraries are imported (through `gcs`) only when a remote path is used.
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
    """Return whether `path` is in Google Cloud Storage."""
    return path.startswith(REMOTE)


def join(root: str, *parts: str) -> str:
    """Join `parts` to a local or remote `root`."""
    if not is_remote(root):
        return str(Path(root, *parts))
    return REMOTE + "/".join([root.removeprefix(REMOTE).strip("/"), *parts])


def exists(path: str) -> bool:
    """Return whether there is a file at `path`."""
    if not is_remote(path):
        return Path(path).is_file()
    from loan_default.storage import gcs

    return gcs.exists(path)


def files_below(folder: str) -> list[str]:
    """List the paths of the complete files below `folder`, sorted; empty if it does not exist."""
    if not is_remote(folder):
        files = (path for path in Path(folder).rglob("*") if path.is_file())
        return sorted(str(path) for path in files if not path.name.endswith(PARTIAL))
    from loan_default.storage import gcs

    return gcs.files_below(folder)


@contextlib.contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """Open the file at `path` for reading; a remote file is downloaded and verified first.

    Raises:
        InputError: the file does not exist or is not readable.
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
    """Yield a local file to write; publish it as `path` on success, delete it on an exception.

    A local target is replaced by a rename within its file system, a remote one by a single upload:
    a reader sees the old file or the new one, never a part.

    Raises:
        InputError: `path` cannot be written.
    """
    check_target(path)
    folder = Path(tempfile.gettempdir()) if is_remote(path) else _make_parent(path)
    partial = _new_file(folder, Path(path).name)
    try:
        yield partial
        publish(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def publish(local: Path, path: str) -> None:
    """Move or upload the local file to `path`, replacing an earlier file atomically."""
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
    """Return the SHA-256 of the bytes at `path`, in hexadecimal."""
    with open_input(path) as stream:
        return hashlib.file_digest(cast(BufferedReader, stream), "sha256").hexdigest()


def write_text(path: str, text: str) -> None:
    """Write `text` to `path` atomically, replacing an earlier file."""
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_text(path: str) -> str:
    """Return the text at `path`. Raises InputError if there is no such file."""
    with open_input(path) as stream:
        return stream.read().decode("utf-8")


@contextlib.contextmanager
def work_folder(root: str, name: str) -> Iterator[Path]:
    """Yield an empty local folder for files to be published below `root`; remove it at the end.

    The folder is below a local `root`, so that publishing is a rename. Leftovers of a killed run of
    the same `name` are deleted first.

    Raises:
        InputError: nothing can be written below `root`.
    """
    check_target(root)
    if is_remote(root):
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
    """Check that nothing rules out a write to `path`, before hours are spent on its content.

    Raises:
        InputError: unsupported kind of storage, no credentials or no such bucket.
        ServiceError: Cloud Storage does not respond.
    """
    if is_remote(path):
        from loan_default.storage import gcs

        gcs.check_bucket(path)
    elif "://" in path:
        raise InputError(f"cannot write {path}: name a local path or gs://BUCKET/NAME")


def translate_error(error: Exception, place: str) -> LoanDefaultError | None:
    """Translate a Cloud Storage exception raised by another library; None if it is not one."""
    if "google.cloud.storage" not in sys.modules:
        return None
    from loan_default.storage import gcs

    return gcs.translate_error(error, place)


def _new_file(folder: Path, name: str) -> Path:
    """Create an empty file under a unique name, with the mode that the process's umask allows.

    `tempfile` would make it private to its owner, and reading the umask would change it for every
    thread.
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
