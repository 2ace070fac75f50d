from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from loan_default.data.writers import CsvSink, ParquetSink

SCHEMA = pl.Schema({"id": pl.String, "day": pl.Date, "count": pl.Int8, "amount": pl.Float64})
FRAME = pl.DataFrame(
    {
        "id": ["a", 'with "quotes",\ncommas', None],
        "day": ["2010-12-01", None, "2011-01-01"],
        "count": [1, None, -1],
        "amount": [0.1, 1e300, None],
    },
    schema_overrides={"count": pl.Int8},
).with_columns(pl.col("day").str.to_date())
SINKS = pytest.mark.parametrize("sink", [CsvSink, ParquetSink])


def written(sink: type, path: Path, *frames: pl.DataFrame) -> bytes:
    with sink(path, SCHEMA) as out:
        for frame in frames:
            out.write(frame)
    return path.read_bytes()


def read(path: Path) -> pl.DataFrame:
    if path.read_bytes()[:4] == b"PAR1":
        return pl.read_parquet(path)
    return pl.read_csv(path, schema=SCHEMA)


@SINKS
def test_frames_are_appended_in_order_with_their_types(sink, tmp_path: Path):
    path = tmp_path / "table"
    written(sink, path, FRAME[:2], FRAME[2:], FRAME)
    assert read(path).equals(pl.concat([FRAME, FRAME]))
    assert read(path).schema == SCHEMA


@SINKS
@pytest.mark.parametrize("frames", [[], [FRAME.clear()], [FRAME.clear(), FRAME.clear()]])
def test_a_table_without_rows_has_its_columns(sink, frames, tmp_path: Path):
    path = tmp_path / "table"
    written(sink, path, *frames)
    assert read(path).schema == SCHEMA and read(path).is_empty()


@SINKS
def test_an_empty_frame_leaves_no_trace(sink, tmp_path: Path):
    with_empty = written(sink, tmp_path / "a", FRAME, FRAME.clear(), FRAME)
    assert with_empty == written(sink, tmp_path / "b", FRAME, FRAME)


@SINKS
def test_the_same_frames_give_the_same_bytes(sink, tmp_path: Path):
    frames = [FRAME, FRAME[1:], FRAME[:1]]
    assert written(sink, tmp_path / "a", *frames) == written(sink, tmp_path / "b", *frames)


@SINKS
def test_what_was_in_the_file_before_is_gone(sink, tmp_path: Path):
    path = tmp_path / "table"
    path.write_text("x" * 10_000)
    written(sink, path, FRAME)
    assert read(path).equals(FRAME)


@SINKS
def test_the_file_is_closed_when_the_work_fails(sink, tmp_path: Path):
    with pytest.raises(KeyError), sink(tmp_path / "table", SCHEMA) as out:
        out.write(FRAME)
        raise KeyError
    assert read(tmp_path / "table").equals(FRAME)


def test_csv_has_one_header(tmp_path: Path):
    assert written(CsvSink, tmp_path / "a", FRAME[:1], FRAME[:1]).decode() == (
        "id,day,count,amount\na,2010-12-01,1,0.1\na,2010-12-01,1,0.1\n"
    )


def test_parquet_frames_become_row_groups_so_that_memory_does_not_grow(tmp_path: Path):
    written(ParquetSink, tmp_path / "a", FRAME, FRAME, FRAME)
    assert pa.parquet.ParquetFile(tmp_path / "a").num_row_groups == 3


def test_what_hardly_repeats_is_written_without_a_dictionary(tmp_path: Path):
    listed = FRAME.with_columns(notes=pl.lit(["a", "b"]))
    with ParquetSink(tmp_path / "a", listed.schema, distinct=("id", "amount")) as out:
        out.write(listed)
    group = pa.parquet.read_metadata(tmp_path / "a").row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    with_one = [c.path_in_schema for c in columns if c.has_dictionary_page]
    assert with_one == ["day", "count", "notes.list.element"]
    assert pl.read_parquet(tmp_path / "a").equals(listed)


def test_parquet_metadata_may_be_added_after_the_rows(tmp_path: Path):
    with ParquetSink(tmp_path / "a", SCHEMA) as out:
        out.write(FRAME)
        out.annotate({"as_of": "2019-03"})
    assert pa.parquet.read_metadata(tmp_path / "a").metadata[b"as_of"] == b"2019-03"
    assert read(tmp_path / "a").equals(FRAME)


def test_a_frame_of_other_columns_is_refused(tmp_path: Path):
    with pytest.raises(ValueError), ParquetSink(tmp_path / "a", SCHEMA) as out:
        out.write(FRAME.rename({"id": "other"}))
