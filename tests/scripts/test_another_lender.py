"""From a draft to a served decision on loans whose columns nobody has prepared, by the commands of
docs/another-lender.md, with day numbers as Excel counts them and no edit."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from facility_loans import LEAKS, facilities
from scoring_server import running_server
from workspace import Workspace

pytestmark = pytest.mark.slow

EXCEL = date(1899, 12, 30)
ANSWERS = "--issued booked_day --term tenor_m --outcome outcome --default-when lost".split()


@pytest.fixture
def lender(workspace: Workspace) -> Workspace:
    """A workspace with the lender's loans and a contract drafted from them."""
    folder = workspace.folder
    facilities(6_000, epoch=EXCEL).write_csv(folder / "loans.csv", separator=";")
    given = {"CONTRACT": str(folder / "contract.toml"), "MODEL_NAME": "facilities"}
    # As few loans as these leave the calibration to chance
    gate = {"PROMOTION_AUC_THRESHOLD": "0.55", "PROMOTION_CALIBRATION_TOLERANCE": "0.15"}
    gate["PROMOTION_PRICE_GAIN"] = "-1"
    lender = Workspace(folder, given | gate)
    path = ("--output-path", folder / "contract.toml")
    lender.run("draft_contract", "--input-path", folder / "loans.csv", *path, *ANSWERS).result
    return lender


def test_a_draft_is_trained_promoted_scored_monitored_and_served(lender: Workspace) -> None:
    folder = lender.folder
    trained = lender.run("train_with_mlflow", "--data-path", folder / "loans.csv").result
    # An honest model of these loans: with a leak it would reach 0.9
    assert 0.6 < trained["metrics"]["AUC"] < 0.8
    promoted = lender.run("promote_model").result
    assert promoted["promoted"] is True, promoted["reasons"]
    loans = pl.read_csv(folder / "loans.csv", separator=";")
    applications = loans.tail(300).drop("outcome", *LEAKS)
    applications.write_csv(folder / "applications.csv")
    scored = lender.run("batch_predict", "--input-path", folder / "applications.csv").result
    assert (scored["rows_scored"], scored["rows_rejected"]) == (300, 0)
    assert lender.run("monitor_predictions").result["model_name"] == "facilities"
    predictions = pl.read_parquet(scored["predictions_path"])
    with running_server(lender) as server:
        server.serves("1")
        rows = applications.head(20).to_dicts()
        body = {"dataframe_records": rows, "params": {"return": "full"}}
        served = server.post(json.dumps(body).encode()).json()["predictions"]
        schema = json.dumps(server.http.get("/openapi.json").json())
    assert [one["default_probability"] for one in served] == pytest.approx(
        predictions["default_probability"].head(20).to_list()
    )
    assert "yearly_turnover" in schema and "loan_amnt" not in schema


def test_a_file_of_another_portfolio_is_refused_in_one_line(
    lender: Workspace, narrow_export: Path
) -> None:
    lender.run("train_with_mlflow", "--data-path", lender.folder / "loans.csv").result
    for script, flag in (("train_with_mlflow", "--data-path"), ("batch_predict", "--input-path")):
        done = lender.run(script, flag, narrow_export)
        assert done.code == 2
        assert "lacks the columns facility_amount" in done.error
    assert not (lender.folder / "artifacts" / "predictions").exists()


def test_a_version_is_read_by_the_contract_that_it_was_trained_with(lender: Workspace) -> None:
    path = lender.folder / "contract.toml"
    lender.run("train_with_mlflow", "--data-path", lender.folder / "loans.csv").result
    score = ("batch_predict", "--input-path", lender.folder / "loans.csv")
    before = lender.run(*score, "--run-date", "2026-03-01").result
    renamed = path.read_text().replace("[columns.margin_pct]", '[columns.yield]\nsource = "y"')
    path.write_text(renamed.replace('price = "margin_pct"', 'price = "yield"'))
    after = lender.run(*score, "--run-date", "2026-03-02").result
    first, second = (pl.read_parquet(done["predictions_path"]) for done in (before, after))
    assert first["default_probability"].equals(second["default_probability"])
    path.write_text("name = 1")
    assert lender.run(*score, "--run-date", "2026-03-03").code == 0
