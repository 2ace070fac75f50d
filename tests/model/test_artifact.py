import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from loan_default import columns
from loan_default.errors import InputError
from loan_default.model import artifact
from loan_default.model.economics import Economics
from records import fitted_model, typed_loans

LOANS = typed_loans(1500)


@pytest.fixture(scope="module")
def fitted() -> artifact.Model:
    return fitted_model(LOANS, rounds=15)


def test_a_saved_model_loads_to_the_same_model(fitted: artifact.Model, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = artifact.load(tmp_path / "model", threads=2)
    assert (loaded.facts, loaded.booster_bytes) == (fitted.facts, fitted.booster_bytes)
    assert (loaded.probability(LOANS) == fitted.probability(LOANS)).all()


def test_no_file_of_a_model_is_a_pickle(fitted: artifact.Model, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "booster.ubj",
        "contract.toml",
        "model.json",
    ]
    json.loads((tmp_path / "model.json").read_text())


def test_one_row_scores_as_it_does_among_many(fitted: artifact.Model) -> None:
    many = fitted.probability(LOANS)
    alone = [fitted.probability(LOANS[row : row + 1])[0] for row in range(20)]
    assert alone == list(many[:20])
    assert ((many > 0) & (many < 1)).all()


def test_no_rows_give_no_scores(fitted: artifact.Model) -> None:
    assert fitted.probability(LOANS.clear()).shape == (0,)


def test_both_ways_into_the_booster_agree(fitted: artifact.Model) -> None:
    matrix = fitted.matrix(LOANS)
    margin = fitted.booster.predict(fitted.dmatrix(matrix), output_margin=True)
    assert fitted.facts.calibration.probability(margin, fitted.terms(matrix)) == pytest.approx(
        fitted.probability_of(matrix)
    )


def test_verify_accepts_the_stored_scores_and_refuses_others(fitted: artifact.Model) -> None:
    scores = fitted.probability(LOANS)
    fitted.verify(LOANS.with_columns(pl.Series(columns.PROBABILITY, scores)))
    wrong = scores.copy()
    wrong[700] += 1e-4
    with pytest.raises(InputError, match="does not reproduce its stored scores"):
        fitted.verify(LOANS.with_columns(pl.Series(columns.PROBABILITY, wrong)))
    wrong[700] = np.nan
    with pytest.raises(InputError, match="does not reproduce"):
        fitted.verify(LOANS.with_columns(pl.Series(columns.PROBABILITY, wrong)))
    with pytest.raises(InputError, match="does not reproduce"):
        fitted.verify(LOANS.clear().with_columns(pl.Series(columns.PROBABILITY, [], pl.Float64)))


@pytest.mark.parametrize(
    "damage",
    [
        "booster.ubj",
        "contract.toml",
        "model.json",
    ],
)
def test_a_missing_file_is_explained(fitted: artifact.Model, tmp_path: Path, damage: str) -> None:
    fitted.save(tmp_path)
    (tmp_path / damage).unlink()
    with pytest.raises(InputError, match="holds no model of this platform"):
        artifact.load(tmp_path)


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"features": ["loan_amnt", "shoe_size"]}, {"threshold": "x"}]
)
def test_a_model_of_another_version_is_refused(
    fitted: artifact.Model, tmp_path: Path, change: dict[str, object]
) -> None:
    fitted.save(tmp_path)
    facts = json.loads((tmp_path / "model.json").read_text()) | change
    (tmp_path / "model.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="another version|holds no model"):
        artifact.load(tmp_path)


def test_a_version_stored_before_contracts_keeps_working(
    fitted: artifact.Model, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    (tmp_path / artifact.CONTRACT).unlink()
    facts = json.loads((tmp_path / artifact.FACTS).read_text())
    del facts["contract"]
    (tmp_path / artifact.FACTS).write_text(json.dumps(facts))
    found = artifact.load(tmp_path)
    assert found.contract.name == "LendingClub"
    assert found.probability(LOANS).tolist() == fitted.probability(LOANS).tolist()


def test_what_loans_lost_is_stored_and_unknown_to_earlier_versions(
    fitted: artifact.Model, tmp_path: Path
) -> None:
    facts = replace(fitted.facts, economics=Economics(0.45, 0.0004))
    replace(fitted, facts=facts).save(tmp_path)
    assert artifact.load(tmp_path).facts == facts
    stored = json.loads((tmp_path / artifact.FACTS).read_text())
    del stored["economics"]
    (tmp_path / artifact.FACTS).write_text(json.dumps(stored))
    assert artifact.load(tmp_path).facts == fitted.facts


def test_a_contract_changed_after_training_is_refused(
    fitted: artifact.Model, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    path = tmp_path / artifact.CONTRACT
    path.write_text("# A comment changes nothing\n" + path.read_text())
    assert artifact.load(tmp_path).facts == fitted.facts
    path.write_text(path.read_text().replace(", 480]", ", 481]"))
    with pytest.raises(InputError, match="was changed after the model was trained"):
        artifact.load(tmp_path)


def test_a_damaged_booster_is_refused(fitted: artifact.Model) -> None:
    damaged = replace(fitted, booster_bytes=b"{L\x00damaged")
    with pytest.raises(InputError, match="booster.ubj is damaged"):
        damaged.probability(LOANS.head(3))
