"""Find the header of a CSV: its names, its separator, and where its rows begin."""

import csv
import io
import logging
from collections.abc import Collection
from typing import Any, BinaryIO, NamedTuple, cast

from loan_default.contract.texts import fold
from loan_default.data.csv_reader import MAX_RECORD_BYTES, decoded
from loan_default.errors import InputError

# In the order of preference
SEPARATORS = (",", ";", "\t", "|")
# Lines of prose that may stand above the header, and the wanted columns that show where it is
PREAMBLE_LINES = 5
MIN_NAMED = 3

log = logging.getLogger(__name__)


class Header(NamedTuple):
    """A CSV's header: the names of its columns, what separates them, and the stream of its rows."""

    names: tuple[str, ...]
    separator: str
    stream: BinaryIO


def find_header(path: str, stream: BinaryIO, wanted: Collection[str]) -> Header:
    """Read the header, which some exports put below a line of prose.

    The first line is the header unless it names none of the wanted columns and one of the next
    lines names several.

    Raises:
        InputError: the file does not start with text, or the header is none.
    """
    known = set(map(fold, wanted))

    def named(names: tuple[str, ...]) -> int:
        return len(known & set(map(fold, names)))

    first = stream.readline(MAX_RECORD_BYTES)
    if not first.isascii() and not _is_utf8(first) and not named(_split(decoded(first))[0]):
        raise InputError(_no_text(path))
    header, separator = _header(path, first)
    if named(header):
        return Header(header, separator, stream)
    lines: list[bytes] = []
    for skipped in range(1, PREAMBLE_LINES + 1):
        lines.append(stream.readline(MAX_RECORD_BYTES))
        if b"\0" in lines[-1]:
            break
        try:
            below = _split(decoded(lines[-1]))
        except csv.Error:
            break  # the first line is refused or accepted for what it is
        if named(below[0]) >= MIN_NAMED:
            log.warning("%s: lines above the header skipped: %s", path, skipped)
            reject_duplicates(path, below[0])
            return Header(*below, stream)
    rest: Any = _PutBack(b"".join(lines), stream)
    return Header(header, separator, cast(BinaryIO, io.BufferedReader(rest)))


class _PutBack(io.RawIOBase):
    """A stream with bytes that were read of it put back in front."""

    def __init__(self, front: bytes, stream: BinaryIO) -> None:
        self._front, self._stream = memoryview(front), stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._front:
            return cast(io.BufferedReader, self._stream).readinto(buffer)
        count = min(len(buffer), len(self._front))
        buffer[:count] = self._front[:count]
        self._front = self._front[count:]
        return count


def _header(path: str, line: bytes) -> tuple[tuple[str, ...], str]:
    if b"\0" in line:
        raise InputError(_no_text(path))
    try:
        names, separator = _split(decoded(line))
    except csv.Error:
        raise InputError(
            f"{path} does not start with a CSV header: end its lines with LF or CRLF, and name "
            f"each column in less than {csv.field_size_limit():,} characters"
        ) from None
    reject_duplicates(path, names)
    return names, separator


def _no_text(path: str) -> str:
    return f"{path} is neither text in UTF-8, nor gzip, nor Parquet"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _split(line: str) -> tuple[tuple[str, ...], str]:
    """Split a header into names by the separator that gives the most."""
    splits = {
        separator: tuple(name.strip() for name in next(csv.reader([line], delimiter=separator), []))
        for separator in SEPARATORS
    }
    best = max(splits, key=lambda separator: len(splits[separator]))
    return splits[best], best


def reject_duplicates(path: str, names: tuple[str, ...]) -> None:
    """Raise InputError if two columns have the same name."""
    repeated = sorted({name for name in names if names.count(name) > 1 and name})
    if repeated:
        raise InputError(f"{path} has more than one column named {', '.join(repeated)}")
