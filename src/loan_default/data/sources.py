"""The files that a path stands for: one, a folder's, those of a pattern, or a JSON list of paths.

Folders and patterns may be in Cloud Storage too. Within a folder, names that start with `_` or `.`
(Spark's `_SUCCESS` and checksums) and files of other kinds are left out.
"""

import fnmatch
import hashlib
import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

from loan_default import storage
from loan_default.contract.texts import fold
from loan_default.errors import InputError

_PATTERN = re.compile(r"[*?\[]")
_KINDS = {"csv", "tsv", "txt", "dat", "parquet", "pq", "parq", "gz", "bz2", "xz", "zst", "zip"}
# A folder of a partitioned table, which holds a column in its name
_PARTITION = re.compile(r"([^/=]+)=[^/]*/")
# Each is copied to this machine, and stays open until all are read
_MAX_REMOTE = 200

log = logging.getLogger(__name__)


class Source(NamedTuple):
    """A file to read: its path for messages, and the local file that holds its bytes."""

    path: str
    local: str


def expand(path: str) -> list[str]:
    """Return the paths that `path` stands for, in the order in which they are read.

    Args:
        path: a file, a folder, a pattern with `*`, `?` or `[…]`, or a JSON list of such paths.

    Raises:
        InputError: there is no file.
    """
    if path.lstrip().startswith("["):
        return [each for part in _listed(path) for each in expand(part)]
    if not _is_many(path):
        return [path]
    found = _matching(path) if _PATTERN.search(path) else _below(path.rstrip("/"))
    if not found:
        raise InputError(f"no file to read in {path}: name a CSV or Parquet file, or a folder")
    return found


@contextmanager
def local_files(path: str, wanted: Sequence[str]) -> Iterator[list[Source]]:
    """Yield the files that `path` stands for, those of Cloud Storage as copies.

    Args:
        wanted: columns that no folder's name may hold in place of the files.

    Raises:
        InputError: there is none, or a folder's name holds a column.
    """
    paths = expand(path)
    _reject_partitions(path, paths, wanted)
    remote = [each for each in paths if storage.is_remote(each)]
    if len(remote) > _MAX_REMOTE:
        raise InputError(
            f"{path} holds {len(remote)} files, more than the {_MAX_REMOTE} that are read from "
            "Cloud Storage at once: write fewer, larger ones"
        )
    with ExitStack() as stack:
        copies = {each: stack.enter_context(storage.open_input(each)).name for each in remote}
        yield [Source(each, copies.get(each, each)) for each in paths]


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """Open a source for reading. Raises InputError if it does not exist or is not readable."""
    with storage.open_input(source.local) as stream:
        yield stream


def digest(files: Sequence[str]) -> str:
    """Return the SHA-256 of a local file; of several, that of their digests in order."""
    digests = [storage.digest(local) for local in files]
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    )


def _listed(path: str) -> list[str]:
    try:
        paths = json.loads(path)
    except ValueError:
        return [path] if Path(path).exists() else _refuse_list(path)
    if not paths or not all(isinstance(each, str) and each.strip() for each in paths):
        return _refuse_list(path)
    return [str(each) for each in paths]


def _refuse_list(path: str) -> list[str]:
    raise InputError(f'{path} is no list of files: write ["first.csv", "second.csv"]')


def _is_many(path: str) -> bool:
    if not storage.is_remote(path):
        return not Path(path).is_file() and (Path(path).is_dir() or bool(_PATTERN.search(path)))
    if _PATTERN.search(path) or path.endswith("/"):
        return True
    return "." not in PurePath(path).name and not storage.exists(path)


def _below(folder: str) -> list[str]:
    """Return the data files below a folder."""
    found = [path for path in storage.files_below(folder) if not _is_hidden(path, folder)]
    data = [path for path in found if _is_data(path)]
    if others := sorted(set(found) - set(data)):
        log.warning("%s: not read, since no tables: %s", folder, ", ".join(others[:5]))
    return data


def _matching(pattern: str) -> list[str]:
    """Return the files of a pattern; a folder that matches stands for its files."""
    if not storage.is_remote(pattern):
        root = Path(pattern).anchor
        paths = sorted(Path(root or ".").glob(str(PurePath(pattern).relative_to(root))))
        found = (_below(str(path)) if path.is_dir() else [str(path)] for path in paths)
        return [each for files in found for each in files]
    folder = _PATTERN.split(pattern, maxsplit=1)[0].rpartition("/")[0]
    return [path for path in storage.files_below(folder) if fnmatch.fnmatchcase(path, pattern)]


def _is_hidden(path: str, folder: str) -> bool:
    return any(part.startswith(("_", ".")) for part in path[len(folder) :].split("/"))


def _is_data(path: str) -> bool:
    suffix = PurePath(path).suffix.lstrip(".").lower()
    return suffix in _KINDS or not suffix


def _reject_partitions(path: str, paths: Sequence[str], wanted: Sequence[str]) -> None:
    names = {fold(name) for name in wanted}
    found = {match for each in paths for match in _PARTITION.findall(each[len(path) :])}
    if lost := sorted(name for name in found if fold(name) in names):
        raise InputError(
            f"{path} holds {', '.join(lost)} in the names of folders: write it as a column of the "
            "files, without partitions"
        )
