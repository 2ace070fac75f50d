"""Local paths and `gs://` behind one face; what appears under a final name is always whole.

The only importer of google-cloud-storage, which a purely local run never loads.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from loan_default.errors import InputError, ServiceError

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

REMOTE = "gs://"
PARTIAL = ".partial"


def is_remote(path: str) -> bool:
    """Whether `path` lies in Google Cloud Storage."""
    return path.startswith(REMOTE)


def join(root: str, *parts: str) -> str:
    """`parts` below `root`, for local and remote roots alike."""
    return (
        "/".join([root.rstrip("/") or "/", *parts]) if is_remote(root) else str(Path(root, *parts))
    )


def exists(path: str) -> bool:
    """Whether there is a file at `path`."""
    if not is_remote(path):
        return Path(path).is_file()
    with _explained(path):
        return bool(_blob(path).exists())


def files_below(folder: str) -> list[str]:
    """The paths of the whole files below `folder`, sorted; none where there is no such folder."""
    if not is_remote(folder):
        found = (path for path in Path(folder).rglob("*") if path.is_file())
        return sorted(str(path) for path in found if not path.name.endswith(PARTIAL))
    bucket, _, name = folder.removeprefix(REMOTE).partition("/")
    with _explained(folder):
        blobs = _client().list_blobs(bucket, prefix=f"{name.rstrip('/')}/" if name else None)
        return sorted(f"{REMOTE}{bucket}/{blob.name}" for blob in blobs)


@contextlib.contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """The bytes at `path`, seekable and streamed.

    Raises InputError when there is no such file or it may not be read.
    """
    if is_remote(path):
        with _explained(path), _blob(path).open("rb", chunk_size=8 << 20) as stream:
            yield stream
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
    parent = None if is_remote(path) else _make_parent(path)
    handle, name = tempfile.mkstemp(prefix=f".{Path(path).name}.", suffix=PARTIAL, dir=parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        publish(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def publish(local: Path, path: str) -> None:
    """Make the local file appear as `path`, replacing what was there, in one step."""
    if is_remote(path):
        with _explained(path):
            _blob(path).upload_from_filename(str(local))
        return
    _make_parent(path)
    with open(local, "rb+") as stream:
        os.fsync(stream.fileno())
    os.chmod(local, 0o666 & ~_umask())
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
    folder = Path(tempfile.mkdtemp()) if is_remote(root) else Path(root, f".partial-{name}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"cannot write below {root}: {(error.strerror or '').lower()}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@lru_cache(maxsize=1)
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _make_parent(path: str) -> Path:
    parent = Path(path).parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {(error.strerror or '').lower()}") from None
    if Path(path).is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file")
    return parent


@lru_cache(maxsize=1)
def _client() -> "Client":
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud import storage

    try:
        return storage.Client()
    except DefaultCredentialsError:
        raise InputError(
            "no Google credentials: run `gcloud auth application-default login` "
            "or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
        ) from None


def _blob(path: str) -> "Blob":
    bucket, _, name = path.removeprefix(REMOTE).partition("/")
    if not bucket or not name:
        raise InputError(f"{path} names no object: write gs://BUCKET/NAME")
    return _client().bucket(bucket).blob(name)


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    from google.api_core import exceptions

    try:
        yield
    except exceptions.NotFound:
        raise InputError(f"cannot read {path}: no such object or bucket") from None
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise InputError(f"no permission for {path}: {error.message}") from None
    except exceptions.GoogleAPIError as error:
        raise ServiceError(f"Cloud Storage failed for {path}: {error}") from None
