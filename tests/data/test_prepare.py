import csv
import gzip
from datetime import date
from pathlib import Path

import polars as pl
import pytest

import lendingclub
from lendingclub import CONTRACT
from loan_default.data import csv_reader
from loan_default.data.ingest import open_loans
from loan_default.data.prepare import prepare, prepared_schema
from loan_default.errors import InputError
from loan_default.model import features
from loan_default.synthetic import generator

OUTPUTS = pytest.mark.parametrize("output", ["out.parquet", "out.csv"])


@pytest.fixture(scope="module")
def raw() -> bytes:
    """An export of 400 generated loans: two of them bad, one twice, one blank line, two footers."""
    frame = next(generator.generate(400, 5)).frame
    lines = generator.csv_lines(frame).decode().splitlines()
    place = lendingclub.EXPORT.index("annual_inc")
    for row, text in [(10, "-1"), (20, 'a, "lot"')]:
        cells = lines[row].split(",")
        cells[place] = '"' + text.replace('"', '""') + '"'
        lines[row] = ",".join(cells)
    body = "\n".join([*lines[:100], "", *lines[100:], lines[50], ""]).encode()
    return generator.csv_header() + body + generator.csv_footer(1_000_000)


@pytest.fixture
def source(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "raw" / "loans.csv"
    path.parent.mkdir()
    path.write_bytes(raw)
    return path


def ready(source: Path, output: Path, as_of: date | None = None, limit: float = 0.01) -> dict:
    return prepare(CONTRACT, str(source), str(output), as_of, limit)


def taken(path: Path) -> tuple[pl.DataFrame, date | None]:
    """The records without their place in the file, and the as-of month."""
    with open_loans(str(path), CONTRACT, labelled=True) as reader:
        records = pl.concat([block.records for block in reader])
    return records.select(prepared_schema(CONTRACT).names()), reader.as_of


def good(source: Path) -> pl.DataFrame:
    return taken(source)[0]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@OUTPUTS
def test_every_row_is_written_or_rejected(source, tmp_path, output):
    result = ready(source, tmp_path / output)
    assert (result["rows_in"], result["rows_written"], result["rows_rejected"]) == (404, 398, 6)
    assert result["rejected_by_reason"] == {
        "not a loan: only the id cell is filled": 2,
        "annual_inc is outside its range": 1,
        "annual_inc is not a number": 1,
        "blank line": 1,
        "repeats the id of an earlier row": 1,
    }
    default = good(source)["default"]
    outcomes = [result[f"rows_{name}"] for name in ("defaulted", "paid", "unfinished")]
    assert outcomes == [(default == 1).sum(), (default == 0).sum(), default.null_count()]
    assert min(outcomes) > 0 and sum(outcomes) == 398
    assert result["output_path"] == str(tmp_path / output)
    assert result["rejected_path"] == str(tmp_path / "rejected.csv")
    assert files(tmp_path) == {"raw/loans.csv", output, "rejected.csv"}


@OUTPUTS
def test_the_rejected_rows_are_listed_with_their_reason(source, tmp_path, output):
    ready(source, tmp_path / output)
    with open(tmp_path / "rejected.csv", encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["row", "id", "column", "code", "reason"]
    ids = good(source)["id"].to_list()
    codes = ["out_of_range", "not_a_number", "blank_line", "duplicate_id", "footer", "footer"]
    assert [row[3] for row in rows] == codes
    assert [(row[0], row[2], row[4]) for row in rows] == [
        ("11", "annual_inc", "annual_inc '-1' is outside 0 to 1,000,000,000 dollars a year"),
        ("21", "annual_inc", "annual_inc 'a, \"lot\"' is not a number"),
        ("101", "", "blank line"),
        ("402", "id", "repeats the id of an earlier row"),
        ("403", "", "not a loan: only the id cell is filled"),
        ("404", "", "not a loan: only the id cell is filled"),
    ]
    assert rows[3][1] in ids and rows[0][1] not in ids
    assert rows[4][1] == "Total amount funded in policy code 1: 1000000"


@OUTPUTS
def test_the_prepared_file_gives_the_same_records_features_and_as_of_month(
    source, tmp_path, output
):
    result = ready(source, tmp_path / output)
    records, as_of = taken(source)
    again, stated = taken(tmp_path / output)
    assert again.equals(records) and again.schema == prepared_schema(CONTRACT)
    assert (
        features.matrix(again, CONTRACT).tobytes() == features.matrix(records, CONTRACT).tobytes()
    )
    assert stated == as_of == date(2019, 3, 1)
    assert result["as_of"] == "2019-03"


def test_the_parquet_file_holds_the_typed_record_and_nothing_known_afterwards(source, tmp_path):
    ready(source, tmp_path / "out.parquet")
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame.schema == prepared_schema(CONTRACT)
    assert not lendingclub.KNOWN_AFTERWARDS & set(frame.columns)
    assert frame.equals(good(source))
    assert pl.read_parquet_metadata(tmp_path / "out.parquet")["as_of"] == "2019-03"


def test_the_csv_file_states_the_as_of_month_in_a_column(source, tmp_path):
    ready(source, tmp_path / "out.csv")
    frame = pl.read_csv(tmp_path / "out.csv", infer_schema=False)
    assert frame.columns == [*prepared_schema(CONTRACT).names(), "as_of"]
    assert frame["as_of"].unique().to_list() == ["2019-03"]


@OUTPUTS
def test_a_given_as_of_month_wins_and_is_kept(source, tmp_path, output):
    assert ready(source, tmp_path / output, as_of=date(2018, 12, 1))["as_of"] == "2018-12"
    assert taken(tmp_path / output)[1] == date(2018, 12, 1)


@OUTPUTS
def test_an_export_that_does_not_tell_gets_no_as_of_month(source, tmp_path, output):
    blind = tmp_path / "raw" / "blind.csv"
    dates = ["last_pymnt_d", "last_credit_pull_d"]
    good_rows = pl.read_csv(source, infer_schema=False).filter(pl.col("loan_amnt").is_not_null())
    good_rows.drop(dates).write_csv(blind)
    assert ready(blind, tmp_path / output)["as_of"] is None
    assert taken(tmp_path / output)[1] is None


@pytest.mark.parametrize("first", ["a.parquet", "a.csv"])
@pytest.mark.parametrize("second", ["b.parquet", "b.csv"])
def test_preparing_a_prepared_file_changes_nothing(source, tmp_path, first, second):
    ready(source, tmp_path / first)
    result = ready(tmp_path / first, tmp_path / "again" / second, limit=0)
    assert result["rows_in"] == result["rows_written"] == 398
    assert result["as_of"] == "2019-03"
    before, after = taken(tmp_path / first), taken(tmp_path / "again" / second)
    assert after[0].equals(before[0]) and after[1] == before[1]
    assert (tmp_path / "again" / "rejected.csv").read_text() == "row,id,column,code,reason\n"


@OUTPUTS
def test_the_same_input_gives_the_same_bytes(source, tmp_path, output):
    packed = tmp_path / "raw" / "loans.csv.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    for folder, path in (("a", source), ("b", source), ("c", packed)):
        ready(path, tmp_path / folder / output)
    for name in (output, "rejected.csv"):
        one, two, three = [(tmp_path / folder / name).read_bytes() for folder in "abc"]
        assert one == two == three


@OUTPUTS
def test_a_file_of_many_blocks_is_written_whole(source, tmp_path, output, monkeypatch):
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 60_000)
    assert ready(source, tmp_path / output)["rows_written"] == 398
    assert taken(tmp_path / output)[0].equals(good(source))


@OUTPUTS
def test_a_missing_output_folder_is_made(source, tmp_path, output):
    ready(source, tmp_path / "new" / "deep" / output)
    assert files(tmp_path / "new" / "deep") == {output, "rejected.csv"}


@OUTPUTS
def test_an_older_result_is_replaced(source, tmp_path, output):
    (tmp_path / output).write_text("old")
    (tmp_path / "rejected.csv").write_text("old")
    ready(source, tmp_path / output)
    assert taken(tmp_path / output)[0].height == 398
    assert "old" not in (tmp_path / "rejected.csv").read_text()


def unusable(content: bytes, kind: str) -> bytes:
    header, rest = content.split(b"\n", 1)
    return {
        "empty": b"",
        "header only": header + b"\n",
        "binary": bytes(range(256)) * 20,
        "truncated gzip": gzip.compress(content)[:-50],
        "no core": content.replace(b"annual_inc,", b"income,"),
        "unclosed quote": content + b'"',
        "leaks": header.replace(b"issue_d", b"issue_month") + b"\n" + rest,
        "too many rejected": content + b"short\n" * 10,
        "no outcome": content.replace(b",loan_status,", b",status,"),
    }[kind]


@OUTPUTS
@pytest.mark.parametrize(
    "kind, message",
    [
        ("empty", "is empty"),
        ("header only", "has a header but no rows"),
        ("binary", "neither text in UTF-8, nor gzip, nor Parquet"),
        ("truncated gzip", "cut off in the middle"),
        ("no core", "lacks the columns annual_inc"),
        ("unclosed quote", "never closed"),
        ("leaks", "known only after the loan was granted"),
        ("too many rejected", "13 of 411 rows .* MAX_REJECTED_SHARE=0.01"),
        ("no outcome", "lacks the columns loan_status or default"),
    ],
)
def test_what_cannot_be_prepared_leaves_nothing_behind(source, tmp_path, output, kind, message):
    source.write_bytes(unusable(source.read_bytes(), kind))
    with pytest.raises(InputError, match=message):
        ready(source, tmp_path / output)
    assert files(tmp_path) == {"raw/loans.csv"}


@OUTPUTS
def test_a_failed_preparation_leaves_the_older_result_as_it_was(source, tmp_path, output):
    ready(source, tmp_path / output)
    before = {name: (tmp_path / name).read_bytes() for name in (output, "rejected.csv")}
    source.write_bytes(unusable(source.read_bytes(), "too many rejected"))
    with pytest.raises(InputError, match="MAX_REJECTED_SHARE"):
        ready(source, tmp_path / output)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert files(tmp_path) == {"raw/loans.csv", *before}


def test_dollars_on_a_log_scale_leave_nothing_behind(source, tmp_path):
    frame = pl.read_csv(source, infer_schema=False)
    income = pl.col("annual_inc").cast(pl.Float64, strict=False).log1p()
    frame.with_columns(income).write_csv(source)
    with pytest.raises(InputError, match="annual_inc looks log-transformed"):
        ready(source, tmp_path / "out.parquet")
    assert files(tmp_path) == {"raw/loans.csv"}


@pytest.mark.parametrize("name", ["out.txt", "out", "out.csv.gz", "out.xlsx"])
def test_an_output_of_another_kind_is_refused(source, tmp_path, name):
    with pytest.raises(InputError, match=r"cannot write .*: name a \.parquet or a \.csv file"):
        ready(source, tmp_path / name)
    assert files(tmp_path) == {"raw/loans.csv"}


def test_the_output_may_not_take_the_place_of_the_rejected_rows(source, tmp_path):
    with pytest.raises(InputError, match="rejected.csv holds rejected rows; name another file"):
        ready(source, tmp_path / "rejected.csv")
    assert files(tmp_path) == {"raw/loans.csv"}


@OUTPUTS
def test_an_output_path_below_a_file_is_refused(source, tmp_path, output):
    with pytest.raises(InputError, match="cannot write .*/raw/loans.csv/"):
        ready(source, source / output)
    assert files(tmp_path) == {"raw/loans.csv"}


@pytest.mark.parametrize("taken_name", ["out.parquet", "rejected.csv"])
def test_an_output_that_is_a_folder_is_refused(source, tmp_path, taken_name):
    (tmp_path / taken_name).mkdir()
    with pytest.raises(InputError, match=f"{taken_name}: it is a folder; name a file"):
        ready(source, tmp_path / "out.parquet")
    assert files(tmp_path) == {"raw/loans.csv"}


def test_a_missing_input_leaves_nothing_behind(tmp_path):
    with pytest.raises(InputError, match="cannot read .*: no such file"):
        ready(tmp_path / "none.csv", tmp_path / "out.parquet")
    assert files(tmp_path) == set()


def test_the_real_export_comes_through_whole(real_loans: Path, tmp_path: Path):
    result = ready(real_loans, tmp_path / "out.parquet", limit=0.001)
    with gzip.open(real_loans, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    kept = [row for row in rows if row["annual_inc"]]
    assert result["rows_in"] == len(rows) == 20_816
    assert result["rejected_by_reason"] == {
        "annual_inc is empty": 4,
        "not a loan: only the id cell is filled": 2,
    }
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["id"].to_list() == [row["id"] for row in kept]
    assert frame["annual_inc"].to_list() == [float(row["annual_inc"]) for row in kept]
    assert frame["grade"].to_list() == [row["grade"] for row in kept]
    assert frame["term"].to_list() == [float(row["term"].split()[0]) for row in kept]
    assert frame["default"].to_list() == [int("Charged Off" in row["loan_status"]) for row in kept]
    assert result["rows_defaulted"] == 3_134 and result["rows_paid"] == 17_676
    assert frame["fico_range_low"].null_count() == frame.height
    assert (result["as_of"], result["rows_unfinished"]) == ("2017-11", 0)
