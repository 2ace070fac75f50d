"""The tables within a file's bytes: unpacked and in UTF-8, a stream at a time.

Content decides, the name does not: gzip, bzip2, xz, Zstandard and zip are unpacked while they are
read, UTF-16 is converted.
"""

import bz2
import codecs
import gzip
import io
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePath
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa

from loan_default.errors import InputError

PARQUET = b"PAR1"
_ZIP, _EMPTY_ZIP = b"PK\x03\x04", b"PK\x05\x06"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_CHUNK = 1 << 20
_EXCEL = "is an Excel workbook: save its sheet as CSV"


def _zstandard(stream: BinaryIO) -> BinaryIO:
    raw: Any = pa.CompressedInputStream(stream, "zstd")
    return cast(BinaryIO, io.BufferedReader(raw, _CHUNK))


Unpack = Callable[[Any], Any]
_PACKED: dict[bytes, tuple[str, Unpack]] = {
    b"\x1f\x8b": ("gzip", lambda stream: gzip.open(stream, "rb")),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\0": ("xz", lzma.open),
    b"\x28\xb5\x2f\xfd": ("Zstandard", _zstandard),
}
_DAMAGED = (gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def is_parquet(stream: BinaryIO) -> bool:
    """Return whether a stream of `tables` holds Parquet."""
    return _peek(stream, len(PARQUET)) == PARQUET


class Packed(NamedTuple):
    """A table within a file: its name for messages, its bytes, and how they were packed."""

    name: str
    stream: BinaryIO
    kind: str


def tables(name: str, stream: BinaryIO, kind: str = "") -> Iterator[Packed]:
    """Yield each table of a file as Parquet or as text in UTF-8.

    A stream is valid until the next one is requested. `kind` is how the file was packed.

    Raises:
        InputError: a zip holds no table or is encrypted, or the file is a workbook.
    """
    start = _peek(stream, 8)
    packed = next((packed for magic, packed in _PACKED.items() if start.startswith(magic)), None)
    if packed:
        with translated(name, packed[0]), packed[1](stream) as plain:
            yield from tables(name, plain, packed[0])
    elif start.startswith((_ZIP, _EMPTY_ZIP)):
        with translated(name, "zip"):
            yield from _members(name, stream)
    elif start.startswith(_OLD_EXCEL):
        raise InputError(f"{name} {_EXCEL}")
    elif start.startswith(PARQUET):
        with _seekable(stream) as file:
            yield Packed(name, file, kind)
    elif encoding := _utf16(start):
        with translated(name, "UTF-16"):
            converted: Any = _Converted(stream, encoding)
            yield Packed(name, io.BufferedReader(converted, _CHUNK), "UTF-16")
    else:
        yield Packed(name, stream, kind)


@contextmanager
def translated(name: str, kind: str) -> Iterator[None]:
    """Turn what the libraries raise about damaged bytes of a packed file into one line."""
    if not kind:
        yield
        return
    try:
        yield
    except EOFError:
        raise InputError(f"{name} is cut off in the middle ({kind}): fetch it again") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is damaged ({kind}: {error.reason}): fetch it again") from None
    except _DAMAGED as error:
        raise InputError(f"{name} is damaged ({kind}: {error}): fetch it again") from None
    except RuntimeError as error:
        # zipfile has no exception of its own for it
        if "password" not in str(error):
            raise
        raise InputError(f"{name} is encrypted: unpack it first") from None
    except OSError as error:
        # bz2 and Arrow's codecs have none of their own either; subclasses come from the disk
        if type(error) is not OSError:
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{name} is damaged ({kind}: {reason}): fetch it again") from None


def _members(name: str, stream: BinaryIO) -> Iterator[Packed]:
    with zipfile.ZipFile(stream) as archive:
        names = archive.namelist()
        if "[Content_Types].xml" in names:
            raise InputError(f"{name} {_EXCEL}")
        data = [member for member in names if _is_table(member)]
        if not data:
            raise InputError(f"{name} holds no table: {', '.join(names[:3]) or 'it is empty'}")
        for member in sorted(data):
            with archive.open(member) as plain:
                yield from tables(f"{name}:{member}", cast(BinaryIO, plain), "zip")


def _is_table(member: str) -> bool:
    hidden = any(part.startswith((".", "_")) for part in PurePath(member).parts)
    readme = PurePath(member).stem.casefold() in ("readme", "license", "licence")
    return not (member.endswith("/") or hidden or readme)


def _peek(stream: BinaryIO, size: int) -> bytes:
    return cast(io.BufferedReader, stream).peek(size)[:size]


@contextmanager
def _seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Yield a stream of Parquet, which is read from its end: what was packed goes to a file."""
    with suppress(OSError, AttributeError):
        stream.fileno()
        if not isinstance(stream, gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile | zipfile.ZipExtFile):
            yield stream
            return
    with tempfile.TemporaryFile(prefix="loan-default-") as copy:
        while chunk := stream.read(_CHUNK):
            copy.write(chunk)
        copy.seek(0)
        yield cast(BinaryIO, copy)


def _utf16(start: bytes) -> str | None:
    """Return the encoding of UTF-16, with a byte order mark or of ASCII letters; else None."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = [byte == 0 for byte in start[:4]]
    little, big = [False, True, False, True], [True, False, True, False]
    return "utf-16-le" if zeros == little else "utf-16-be" if zeros == big else None


class _Converted(io.RawIOBase):
    """The bytes of a text in another encoding as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream, self._rest = stream, memoryview(b"")
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            raw = self._stream.read(_CHUNK)
            self._rest = memoryview(self._decoder.decode(raw, final=not raw).encode())
            if not raw:
                break
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
