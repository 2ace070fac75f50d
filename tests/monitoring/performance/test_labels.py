from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default import storage
from loan_default.errors import InputError
from loan_default.monitoring.performance import labels as label_store
from loan_default.monitoring.performance.labels import StoredDelivery

TODAY = date(2026, 7, 9)


def labels(folder: Path, name: str, *rows: tuple[str, str | None], **more: str) -> str:
    frame = pl.DataFrame(rows, schema=["id", "loan_status"], orient="row")
    frame = frame.with_columns(pl.lit(value).alias(key) for key, value in more.items())
    frame.write_csv(folder / name)
    return str(folder / name)


def store(root: Path | str, path: str, as_of: date | None = None) -> StoredDelivery:
    return label_store.store(str(root), path, as_of, TODAY, 0.05, CONTRACT)


def known(root: Path | str) -> dict[str, int | None]:
    found = label_store.known(str(root)).labels
    return dict(zip(found["id"], found["default"], strict=True))


def test_statuses_of_the_raw_export_become_outcomes(tmp_path: Path) -> None:
    policy = "Does not meet the credit policy. Status:Charged Off"
    given = [("1", "Fully Paid"), ("2", "Charged Off"), ("3", policy), ("4", "Current")]
    kept = store(tmp_path, labels(tmp_path, "a.csv", *given))
    assert known(tmp_path) == {"1": 0, "2": 1, "3": 1, "4": None}
    assert (kept.rows_in, kept.rows_rejected, kept.as_of) == (4, 0, "2026-07")


def test_parquet_numbers_as_ids_and_the_files_own_month(tmp_path: Path) -> None:
    frame = {"id": [1, 2], "loan_status": ["Fully Paid", "Default"]}
    months = {"last_pymnt_d": ["Mar-2019", "Jan-2018"]}
    pl.DataFrame(frame | months).write_parquet(tmp_path / "a.parquet")
    assert store(tmp_path, str(tmp_path / "a.parquet")).as_of == "2019-03"
    assert known(tmp_path) == {"1": 0, "2": 1}
    other = labels(tmp_path, "b.csv", ("1", "Fully Paid"), last_pymnt_d="Mar-2019")
    assert store(tmp_path, other, date(2020, 1, 1)).as_of == "2020-01"


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    path = labels(tmp_path, "a.csv", ("1", "Fully Paid"))
    first = store(tmp_path, path, date(2026, 1, 1))
    files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")}
    again = store(tmp_path, path)
    assert (first.repeated, again.repeated) == (False, True)
    assert again.as_of == "2026-01" and again.labels_path == first.labels_path
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")} == files


def test_a_repeated_file_reports_the_rows_that_were_delivered(tmp_path: Path) -> None:
    rows = [("1", "Current"), ("1", "Fully Paid"), ("2", "Fully Paid"), ("", "Fully Paid")]
    path = labels(tmp_path, "a.csv", *rows)
    first = store(tmp_path, path)
    assert (first.rows_in, first.rows_rejected) == (4, 1)
    assert store(tmp_path, path) == replace(first, repeated=True)
    kept = Path(first.labels_path)
    pl.read_parquet(kept).write_parquet(kept)  # as an earlier release kept it: without counts
    assert store(tmp_path, path) == replace(first, repeated=True)


def test_parts_add_up_in_any_order(tmp_path: Path) -> None:
    early = labels(tmp_path, "a.csv", ("1", "Current"), ("2", "Fully Paid"))
    late = labels(tmp_path, "b.csv", ("1", "Charged Off"), ("3", "Fully Paid"))
    months = {early: date(2026, 1, 1), late: date(2026, 4, 1)}
    for root, order in (("one", [early, late]), ("two", [late, early])):
        for path in order:
            store(tmp_path / root, path, months[path])
        assert known(tmp_path / root) == {"1": 1, "2": 0, "3": 0}
        assert label_store.known(str(tmp_path / root)).as_of == date(2026, 4, 1)


def test_a_later_file_corrects_and_never_unends_a_loan(tmp_path: Path) -> None:
    first = labels(tmp_path, "a.csv", ("1", "Charged Off"), ("2", "Fully Paid"))
    store(tmp_path, first, date(2026, 5, 1))
    later = labels(tmp_path, "b.csv", ("1", "Fully Paid"), ("2", "Current"))
    store(tmp_path, later, date(2026, 6, 1))
    assert known(tmp_path) == {"1": 0, "2": 0}


def test_a_repeated_id_counts_once(tmp_path: Path) -> None:
    rows = [("1", "Current"), ("1", "Charged Off"), (" 1 ", "Default")]
    assert store(tmp_path, labels(tmp_path, "a.csv", *rows)).contradictions == 0
    assert known(tmp_path) == {"1": 1}


def test_an_id_with_both_outcomes_has_none_until_it_is_corrected(tmp_path: Path) -> None:
    rows = [("1", "Charged Off"), ("1.0", "Fully Paid"), ("2", "Current"), ("2", "Fully Paid")]
    first = store(tmp_path, labels(tmp_path, "a.csv", *rows))
    assert (first.contradictions, first.rows_rejected, first.corrections) == (1, 0, 0)
    assert known(tmp_path) == {"2": 0}
    assert store(tmp_path, labels(tmp_path, "a.csv", *rows)).contradictions == 1
    store(tmp_path, labels(tmp_path, "b.csv", ("1", "Fully Paid")))
    assert known(tmp_path) == {"1": 0, "2": 0}


def test_within_a_month_the_later_delivery_corrects_the_earlier_one(tmp_path: Path) -> None:
    rows = [("1", "Charged Off"), ("2", "Fully Paid"), ("3", "Fully Paid"), ("4", "Current")]
    assert store(tmp_path, labels(tmp_path, "a.csv", *rows)).corrections == 0
    rows = [("1", "Fully Paid"), ("2", "Charged Off"), ("3", "Fully Paid"), ("4", "Fully Paid")]
    assert store(tmp_path, labels(tmp_path, "b.csv", *rows)).corrections == 2
    assert known(tmp_path) == {"1": 0, "2": 1, "3": 0, "4": 0}
    assert store(tmp_path, labels(tmp_path, "c.csv", ("1", "Default"))).corrections == 1
    assert known(tmp_path)["1"] == 1


def test_a_late_delivery_of_an_earlier_month_corrects_nothing_newer(tmp_path: Path) -> None:
    store(tmp_path, labels(tmp_path, "a.csv", ("1", "Fully Paid")), date(2026, 5, 1))
    late = labels(tmp_path, "b.csv", ("1", "Charged Off"), ("2", "Charged Off"))
    assert store(tmp_path, late, date(2026, 4, 1)).corrections == 0
    assert known(tmp_path) == {"1": 0, "2": 1}


def test_deliveries_of_earlier_releases_come_first(tmp_path: Path) -> None:
    new = store(tmp_path, labels(tmp_path, "a.csv", ("1", "Fully Paid")))
    old = pl.DataFrame({"id": ["1.0", "row-3", "5.0"], "default": [1, 1, 0]})
    folder = Path(new.labels_path).parent
    old.cast({"default": pl.Int8}).write_parquet(folder / "zz.parquet")
    assert known(tmp_path) == {"1": 0, "5": 0}


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_ids_written_as_floats_are_the_same_ids(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"id": [1.0, 2000663.0], "loan_status": ["Fully Paid", "Default"]})
    (frame.write_csv if name == "a.csv" else frame.write_parquet)(tmp_path / name)
    store(tmp_path, str(tmp_path / name))
    assert known(tmp_path) == {"1": 0, "2000663": 1}


def test_rows_without_an_id_are_no_labels(tmp_path: Path) -> None:
    others = [(str(n), "Fully Paid") for n in range(100)]
    rows = [("no-id:2026-01-01/4", "Default"), ("row-3", "Default"), ("<NA>", "Default")]
    kept = store(tmp_path, labels(tmp_path, "a.csv", *rows, *others))
    assert kept.rows_rejected == 3 and set(known(tmp_path)) == {name for name, _ in others}


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "is empty"),
        ("id,loan_status\n", "no rows"),
        ("id,status\n1,Fully Paid\n", "lacks the columns id and loan_status"),
        ("loan_status\nFully Paid\n", "lacks the columns id and loan_status"),
        ("id,loan_status\n1,paid\n2,paid\n3,paid\n", "3 of 3 rows .* Fully Paid, Charged Off"),
        ("id,loan_status\n,Current\n,Current\nnan,Current\n", "3 of 3 rows"),
    ],
)
def test_what_is_no_labels_is_refused_and_nothing_kept(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InputError, match=why):
        store(tmp_path / "root", str(tmp_path / "bad.csv"))
    assert label_store.deliveries(str(tmp_path / "root")) == []


def test_labels_cannot_know_the_future(tmp_path: Path) -> None:
    path = labels(tmp_path, "a.csv", ("1", "Fully Paid"))
    with pytest.raises(InputError, match="cannot be known through 2026-08, which is in the future"):
        store(tmp_path, path, date(2026, 8, 1))
    assert label_store.deliveries(str(tmp_path)) == []
    assert store(tmp_path, path, date(2026, 7, 1)).as_of == "2026-07"


def test_an_exports_footer_is_set_aside(tmp_path: Path) -> None:
    rows = [("1", "Fully Paid"), ("Total amount funded in policy code 1: 5", None)]
    assert store(tmp_path, labels(tmp_path, "a.csv", *rows)).rows_rejected == 1
    assert known(tmp_path) == {"1": 0}


def test_labels_live_in_a_bucket_too(bucket: str, tmp_path: Path) -> None:
    path = labels(tmp_path, "a.csv", ("1", "Fully Paid"), ("2", "Charged Off"))
    remote = f"{bucket}/in/labels.csv"
    storage.write_text(remote, Path(path).read_text())
    root = f"{bucket}/labels-of-a-test"
    assert store(root, remote, date(2026, 1, 1)).labels_path.startswith(f"{root}/outcomes/as_of=")
    assert store(root, path).repeated is True
    assert known(root) == {"1": 0, "2": 1}
