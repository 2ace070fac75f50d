"""Names and categories spelt otherwise: the same records, a finding, or a refusal."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lendingclub import CONTRACT
from loan_default.data.ingest import LoanReader, open_loans
from loan_default.errors import InputError
from loan_default.plausibility.finding import Code
from raw_loans import LOAN, text

PURPOSES = ["debt_consolidation", "car", "credit_card"]
LOANS = [LOAN | {"id": str(n), "purpose": PURPOSES[n % 3], "grade": "B"} for n in range(60)]
Spell = Callable[[str], str]


def read(path: Path, rows: list[dict[str, str]], limit: float = 0.05) -> tuple[object, LoanReader]:
    path.write_text(text(rows))
    with open_loans(str(path), CONTRACT, labelled=True) as reader:
        records = [block.records for block in reader]
        reader.check_unknown_share(limit)
    assert len(records) == 1
    return records[0].rows(named=True), reader


@pytest.mark.parametrize(
    "spell",
    [str.upper, str.title, lambda t: t.replace("_", " "), lambda t: f" {t.replace('_', '-')} "],
)
def test_names_and_categories_spelt_otherwise_give_the_same_records(
    tmp_path: Path, spell: Spell
) -> None:
    clean, _ = read(tmp_path / "clean.csv", LOANS)
    spelt = [{spell(k): spell(v) if k == "purpose" else v for k, v in row.items()} for row in LOANS]
    assert read(tmp_path / "spelt.csv", spelt)[0] == clean


def _of(reader, code: Code) -> list[str]:
    return [finding.message for finding in reader.report.findings if finding.code == code]


def test_a_share_of_unknown_categories_refuses_the_file_by_column_and_value(tmp_path: Path) -> None:
    rows = [row | {"purpose": "debt cons."} if n < 4 else row for n, row in enumerate(LOANS)]
    with pytest.raises(
        InputError, match=r"purpose holds unknown values in 4 of 60 .*'debt cons"
    ) as e:
        read(tmp_path / "loans.csv", rows)
    assert "\n" not in str(e.value) and "MAX_UNKNOWN_SHARE=0.05" in str(e.value)
    _, reader = read(tmp_path / "loans.csv", rows, limit=0.1)
    assert _of(reader, Code.UNKNOWN) == ["purpose holds unknown values in 4 rows, taken as missing"]


def test_a_column_that_is_nearly_one_of_the_contracts_is_a_finding(tmp_path: Path) -> None:
    rows = [{("purposes" if k == "purpose" else k): v for k, v in row.items()} for row in LOANS]
    _, reader = read(tmp_path / "loans.csv", rows)
    assert _of(reader, Code.COLUMN_NAME) == ["the column 'purposes' is not read: is it purpose?"]


def ids_of(path: Path, rows: list[dict[str, str]]) -> list[str]:
    path.write_text(text(rows))
    with open_loans(str(path), CONTRACT) as reader:
        list(reader)
    return _of(reader, Code.ID)


def test_applications_without_ids_are_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "applications.csv"
    assert ids_of(path, LOANS) == []
    some = [row | {"id": ""} if n < 6 else row for n, row in enumerate(LOANS)]
    no_join = "outcomes cannot be joined with"
    assert ids_of(path, some) == [f"6 of 60 rows have no id: {no_join} them"]
    other = [{("LoanID" if k == "id" else k): v for k, v in row.items()} for row in LOANS]
    assert ids_of(path, other) == [
        f"no column id, so {no_join} these rows: is it 'LoanID'?",
        f"60 of 60 rows have no id: {no_join} them",
    ]
