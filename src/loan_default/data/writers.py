"""Write a stream of DataFrames to one Parquet or CSV file."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet


class _Sink(ABC):
    """A file that is closed at the end of its `with` block."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ParquetSink(_Sink):
    """Write many frames of one schema to a Parquet file. Equal frames give equal bytes.

    Columns in `distinct`, whose values rarely repeat, are written without a dictionary.
    """

    def __init__(self, path: Path, schema: pl.Schema, distinct: Collection[str] = ()) -> None:
        self._schema = pl.DataFrame(schema=schema).to_arrow().schema
        repeating = [_leaf(field) for field in self._schema if field.name not in distinct]
        self._writer: Any = pa.parquet.ParquetWriter(
            path, self._schema, compression="zstd", use_dictionary=repeating
        )

    def write(self, frame: pl.DataFrame) -> None:
        """Append the rows of `frame`."""
        if frame.height:
            self._writer.write_table(frame.to_arrow().cast(self._schema))

    def annotate(self, metadata: dict[str, str]) -> None:
        """Add to the file's key-value metadata."""
        self._writer.add_key_value_metadata(metadata)

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


def _leaf(field: pa.Field) -> str:
    """Return the path of the field's values within a Parquet file."""
    return f"{field.name}.list.element" if pa.types.is_large_list(field.type) else field.name


class CsvSink(_Sink):
    """Write many frames to a CSV file, which has a header even without rows."""

    def __init__(self, path: Path, schema: pl.Schema) -> None:
        self._stream = open(path, "wb")
        self._stream.write(pl.DataFrame(schema=schema).write_csv().encode())

    def write(self, frame: pl.DataFrame) -> None:
        """Append the rows of `frame`."""
        if frame.height:
            frame.write_csv(self._stream, include_header=False)

    def close(self) -> None:
        """Flush and close the file."""
        self._stream.close()
