import subprocess
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.settings import Settings
from loan_default.training import cohorts, provenance
from records import typed_loans
from workspace import ROOT

LOANS = typed_loans(500)
AS_OF = date(2018, 12, 1)


def digest(loans: pl.DataFrame, as_of: date = AS_OF, window: int = 0) -> str:
    return provenance.data_digest(cohorts.split(loans, as_of, 0.3), window)


def test_the_order_of_the_loans_does_not_matter() -> None:
    assert digest(LOANS) == digest(LOANS.sample(fraction=1, shuffle=True, seed=1))


def test_what_has_not_matured_does_not_matter() -> None:
    running = typed_loans(50, seed=2).with_columns(
        issue_month=pl.lit(date(2018, 1, 1)), default=pl.lit(None, pl.Int8)
    )
    assert digest(LOANS) == digest(pl.concat([LOANS, running]))
    assert digest(LOANS) == digest(LOANS, date(2019, 1, 1))


@pytest.mark.parametrize(
    "change",
    [
        pl.col("dti") + (pl.col("id") == "loan-0-7"),
        pl.when(pl.col("id") == "loan-0-7")
        .then(None)
        .otherwise(pl.col("purpose"))
        .alias("purpose"),
        pl.when(pl.col("id") == "loan-0-7")
        .then(1 - pl.col("default"))
        .otherwise(pl.col("default"))
        .alias("default"),
    ],
)
def test_one_changed_cell_matters(change: pl.Expr) -> None:
    assert digest(LOANS) != digest(LOANS.with_columns(change))


def test_a_loan_more_matters() -> None:
    assert digest(LOANS) != digest(LOANS.head(499))


def test_the_fingerprint_follows_data_and_training_settings_only() -> None:
    first = provenance.fingerprint("abc", CONTRACT, Settings(n_threads=1))
    assert first == provenance.fingerprint(
        "abc", CONTRACT, Settings(n_threads=1, promotion_auc_threshold=0.6)
    )
    assert first != provenance.fingerprint("abd", CONTRACT, Settings(n_threads=1))
    assert first != provenance.fingerprint("abc", CONTRACT, Settings(n_threads=2))
    assert first != provenance.fingerprint("abc", CONTRACT, Settings(n_threads=1, xgb_max_depth=5))


def test_every_setting_of_the_booster_is_in_the_fingerprint() -> None:
    booster = {name for name in Settings.model_fields if name.startswith("xgb_")}
    assert booster <= set(provenance.TRAINING_SETTINGS)


def test_the_fingerprint_follows_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    first = provenance.fingerprint("abc", CONTRACT, Settings(n_threads=1))
    monkeypatch.setattr(provenance, "code_digest", lambda: "edited")
    assert first != provenance.fingerprint("abc", CONTRACT, Settings(n_threads=1))


def test_comments_and_docstrings_are_no_part_of_the_code() -> None:
    documented = '"""One."""\ndef f(x: int) -> int:\n    """Two."""\n    return x  # three\n'
    assert provenance.source_text(documented) == provenance.source_text(
        "def f(x: int) -> int:\n    return x\n"
    )
    assert provenance.source_text(documented) != provenance.source_text(
        documented.replace("return x", "return -x")
    )


def test_the_code_of_a_fit_is_what_training_imports_and_nothing_else() -> None:
    names = {name.rsplit(".", 1)[-1] for name in provenance.fit_sources()}
    assert {"train", "fitting", "features", "columns", "classification", "maturity"} <= names
    assert not names & {
        "model_card",
        "plots",
        "mlflow_client",
        "versions",
        "settings",
        "provenance",
    }


def test_versions_of_the_libraries_are_known() -> None:
    assert {"numpy", "scikit-learn"} < set(provenance.library_versions())


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() == "unknown"


def test_the_commit_is_the_checkouts_or_the_one_an_image_was_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    head = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    assert provenance.commit() == head
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    assert provenance.commit() == "unknown"
    monkeypatch.setattr(provenance, "BUILT_FROM", tmp_path / "COMMIT")
    (tmp_path / "COMMIT").write_text(f"{head}\n")
    assert provenance.commit() == head
