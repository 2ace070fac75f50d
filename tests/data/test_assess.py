"""Files whose rows are all well-formed, and which mean something else."""

import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.data.assess import of_columns
from loan_default.data.ingest import open_loans
from loan_default.errors import InputError
from loan_default.plausibility.expected import of_reference
from loan_default.plausibility.finding import Code, Severity
from raw_loans import LOAN, loans, text

# The columns that the short loans of these tests have no value for are a finding of their own
EMPTY = Code.VANISHED


def report(path: str, labelled: bool = True, expectations=None):
    with open_loans(path, CONTRACT, None, labelled, expectations) as reader:
        for _ in reader:
            pass
    return reader


def codes(reader) -> set[tuple[str, str | None, str]]:
    findings = [f for f in reader.report.findings if f.severity != Severity.NOTE]
    return {(f.code, f.column, f.severity) for f in findings if f.code != EMPTY}


def varied(rows: int, **cells) -> list[dict]:
    """Loans with various incomes, rates and debts; `cells` are functions of the row's number."""
    usual = {"annual_inc": lambda n: 40_000 + 100 * n, "int_rate": lambda n: 6 + n % 12}
    usual |= {"loan_amnt": lambda n: 5_000 + 10 * n, "dti": lambda n: 5 + n % 20}
    usual |= {"last_pymnt_d": lambda n: ["Jan-2013", "Feb-2012"][n % 2]} | cells
    return [
        row | {name: f"{make(n)}" for name, make in usual.items()}
        for n, row in enumerate(loans(rows))
    ]


def test_a_plausible_file_has_no_finding(save) -> None:
    reader = report(save(text(varied(300))))
    assert codes(reader) == set()
    reader.check(1, 1, None)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_column_in_another_unit_refuses_the_file(save, labelled: bool) -> None:
    path = save(text(varied(300, dti=lambda n: (5 + n % 20) / 100)))
    reader = report(path, labelled)
    assert codes(reader) == {("unit", "dti", "refused")}
    with pytest.raises(InputError, match="dti looks like fractions instead of percent"):
        reader.check(1, 1, None)
    reader.check(1, 1, "a portfolio without debts")
    assert reader.report.accepted_because == "a portfolio without debts"


def test_a_unit_is_found_in_files_of_many_blocks(save, monkeypatch) -> None:
    from loan_default.data import csv_reader, row_sample

    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 2_000)
    monkeypatch.setattr(csv_reader, "PIECE_BYTES", 500)
    monkeypatch.setattr(row_sample, "ROWS_OF_A_BLOCK", 4)
    monkeypatch.setattr(row_sample, "MAX_ROWS", 60)
    reader = report(save(text(varied(900, annual_inc=lambda n: 3_000 + n))))
    assert codes(reader) == {("unit", "annual_inc", "refused")}
    found = next(f for f in reader.report.findings if f.column == "annual_inc")
    assert found.rows == 900


def test_instants_of_another_time_zone_refuse_the_file(save) -> None:
    def late(n: int) -> str:
        return f"2009-{n % 12 + 1:02}-{[31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][n % 12]}"

    path = save(text(varied(60, issue_d=lambda n: late(n) + " 23:00:00")))
    assert codes(report(path)) == {("time_zone", "issue_d", "refused")}
    path = save(text(varied(60, issue_d=late)))
    assert codes(report(path)) == {("time_zone", "issue_d", "warning")}


def test_instants_in_parquet_are_judged_alike(save) -> None:
    frame = pl.DataFrame(varied(60)).with_columns(
        issue_d=pl.Series([f"2009-{n % 12 + 1:02}-01" for n in range(60)]).str.to_datetime()
    )
    assert codes(report(save(frame))) == set()
    moved = frame.with_columns(pl.col("issue_d") - pl.duration(hours=1))
    assert codes(report(save(moved))) == {("time_zone", "issue_d", "refused")}


@pytest.mark.parametrize(("early", "severity"), [(3, "warning"), (30, "refused")])
def test_payments_before_the_issue_are_found_in_loans_to_train_on(save, early, severity) -> None:
    path = save(text(varied(300, last_pymnt_d=lambda n: "Jan-2001" if n < early else "Jan-2013")))
    reader = report(path)
    assert codes(reader) - {("constant", "last_pymnt_d", "warning")} == {
        ("date_order", "last_pymnt_d", severity)
    }
    (found,) = [f for f in reader.report.findings if f.code == Code.DATE_ORDER]
    assert (found.rows, found.share, found.example) == (early, early / 300, "Jan-2001")
    assert codes(report(path, labelled=False)) == set()


def test_a_credit_line_opened_after_the_issue_is_found_and_rejected(save) -> None:
    rows = varied(300, earliest_cr_line=lambda n: "Jan-2011" if n < 2 else f"Jan-{1970 + n % 30}")
    reader = report(save(text(rows)))
    assert codes(reader) == {("date_order", "credit_history_months", "warning")}
    (found,) = [f for f in reader.report.findings if f.code == Code.DATE_ORDER]
    assert found.rows == 2 and "Jan-2011" in found.message


def test_columns_without_a_value_are_one_finding_about_loans_to_train_on(save) -> None:
    reader = report(save(text(varied(30, emp_length=lambda n: ""))))
    (found,) = [f for f in reader.report.findings if f.code == EMPTY]
    assert "have no value, so that a model cannot use them: installment" in found.message
    assert not [f for f in report(save(text(varied(30))), False).report.findings if f.code == EMPTY]


def test_applications_are_compared_with_a_reference(save) -> None:
    with open_loans(save(text(varied(900))), CONTRACT) as reader:
        reference = pl.concat([block.records for block in reader])
    known = of_reference(reference, CONTRACT)
    assert codes(report(save(text(varied(300))), False, known)) == set()
    without = [{name: cell for name, cell in row.items() if name != "dti"} for row in varied(50)]
    reader = report(save(text(without)), False, known)
    assert [f.message for f in reader.report.findings if f.code == Code.VANISHED] == [
        "dti has no values: 100% of the reference's rows have one"
    ]
    path = save(text(varied(300, int_rate=lambda n: 12, term=lambda n: [36, 60][n % 2])))
    assert codes(report(path, False, known)) == {
        ("constant", "int_rate", "warning"),
        ("never_seen", "term", "warning"),
    }


def test_a_number_out_of_range_hints_at_its_unit(save) -> None:
    path = save(text(varied(30, int_rate=lambda n: 0.06 + n % 12 / 100)))
    with open_loans(path, CONTRACT, labelled=True) as reader:
        for _ in reader:
            pass
        with pytest.raises(InputError, match="usual among fractions instead of percent"):
            reader.check_rejected_share(0.05)
    assert LOAN["int_rate"] == "13.5%"


def test_one_file_of_several_in_another_unit_is_refused_with_its_rows(save, tmp_path) -> None:
    for n in range(8):
        scale = 100 if n == 3 else 1
        rows = varied(100, dti=lambda row, scale=scale: (5 + row % 20) / scale)
        rows = [row | {"id": f"{n}-{row['id']}"} for row in rows]
        (tmp_path / f"q{n}.csv").write_text(text(rows))
    reader = report(f"{tmp_path}/q*.csv")
    with pytest.raises(InputError, match=r"dti looks like fractions .* \(in rows 301 to 400\)"):
        reader.check(1, 1, None)


def test_a_day_without_any_row_has_no_finding_about_its_columns() -> None:
    known = of_reference(pl.DataFrame(), CONTRACT)
    assert list(of_columns([], 0, {}, CONTRACT, known)) == []
