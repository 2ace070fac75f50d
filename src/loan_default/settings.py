"""Every setting, its meaning and its default; the only reader of the environment and of `.env`."""

import math
import os
import re
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from loan_default.columns import NAMES, PROBABILITY
from loan_default.errors import InputError

# Where a file goes that no setting names, once there is a bucket.
BELOW_THE_BUCKET = {
    "output_path": "",
    "prepared_data_path": "/prepared/loans.parquet",
    "mlflow_artifact_root": "/mlflow",
}

Share = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseSettings):
    """The settings of one process, frozen; a field in capitals is its environment variable."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="How much the scripts say on stderr"
    )

    # Where things are
    gcs_bucket: str = Field(
        "",
        description="Bucket for what is written and not given a path; empty: local folders",
    )
    google_application_credentials: str = Field(
        "",
        description="Key file for the bucket; empty: Application Default Credentials",
    )
    train_data_path: str = Field(
        "data/raw/accepted_2007_to_2018Q4.csv",
        description="Finished loans to learn from: a LendingClub export or a prepared file",
    )
    prepared_data_path: str = Field(
        "data/processed/loan_default_selected_features_clean.parquet",
        description="Where prepare_data.py writes typed application records",
    )
    batch_input_path: str = Field(
        "data/batch_input.csv", description="Applications that batch_predict.py scores"
    )
    output_path: str = Field(
        "artifacts", description="Root of predictions/, reports/ and promotions/"
    )

    # MLflow
    mlflow_tracking_uri: str = Field(
        "sqlite:///mlflow.db", description="MLflow's tracking server or database"
    )
    mlflow_tracking_username: str = Field("", description="User of a tracking server with logins")
    mlflow_tracking_password: str = Field("", description="That user's password")
    mlflow_artifact_root: str = Field(
        "./mlruns", description="Artifacts of a new experiment, where no tracking server decides"
    )
    mlflow_experiment_name: str = Field(
        "loan_default", description="The MLflow experiment that holds the runs"
    )
    model_name: str = Field("loan_default_model", description="The registered model's name")
    model_alias: str = Field("staging", description="The alias of the candidate")
    production_alias: str = Field("production", description="The alias of the promoted model")
    batch_alias: str = Field(
        "production,staging", description="Aliases to score with, the first that exists"
    )

    # Data
    max_rejected_share: Share = Field(
        0.05, description="A file with a larger share of rejected rows is refused"
    )

    # Training
    random_seed: int = Field(42, description="Seed of every random choice")
    n_threads: Annotated[int, Field(ge=0)] = Field(
        0, description="Threads; 0 takes every core. The same count gives the same booster bytes"
    )
    test_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2,
        description="Share of the matured loans, newest issue months, that the gate is judged on",
    )
    cv_folds: Annotated[int, Field(ge=2)] = Field(
        5, description="Folds for early stopping and for out-of-fold calibration"
    )
    threshold_strategy: Literal["f1", "cost"] = Field(
        "f1", description="Decision threshold: the best F1, or the cost ratio below"
    )
    cost_ratio: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Cost of a missed default over the cost of a good loan declined"
    )
    xgb_max_rounds: Annotated[int, Field(ge=1)] = Field(
        2000, description="Most boosting rounds; early stopping finds fewer"
    )
    xgb_early_stopping_rounds: Annotated[int, Field(ge=1)] = Field(
        50, description="Rounds without improvement before training stops"
    )
    xgb_learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05, description="XGBoost's eta"
    )
    xgb_max_depth: Annotated[int, Field(ge=1, le=12)] = Field(4, description="Depth of the trees")
    xgb_min_child_weight: Annotated[float, Field(ge=0)] = Field(
        10.0, description="Least sum of hessians in a leaf"
    )
    xgb_reg_lambda: Annotated[float, Field(ge=0)] = Field(
        5.0, description="L2 penalty on leaf weights"
    )
    xgb_subsample: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="Share of the rows that each tree sees"
    )
    xgb_colsample_bytree: Annotated[float, Field(gt=0, le=1)] = Field(
        0.4, description="Share of the features that each tree sees"
    )
    xgb_device: Literal["cpu", "cuda"] = Field("cpu", description="Where XGBoost trains")

    # Promotion
    promotion_auc_threshold: Share = Field(0.75, description="Least AUC on the test months")
    promotion_f1_threshold: Share = Field(0.0, description="Least F1 on the test months")
    promotion_calibration_tolerance: Share = Field(
        0.05, description="Largest expected calibration error on the test months"
    )

    # Monitoring
    monitor_source: Literal["batch", "online", "both"] = Field(
        "batch",
        description="Predictions to monitor: batch runs, the online prediction log, or both",
    )
    drift_min_rows: Annotated[int, Field(ge=1)] = Field(
        500, description="Fewer scored rows than this give no drift verdict"
    )
    drift_share_threshold: Annotated[float, Field(gt=0, le=1)] = Field(
        0.3, description="Share of drifted columns that makes the run drift"
    )
    drift_psi_threshold: Annotated[float, Field(gt=0)] = Field(
        0.2, description="Population stability index that makes a category column drift"
    )
    drift_wasserstein_threshold: Annotated[float, Field(gt=0)] = Field(
        0.1, description="Wasserstein distance, in standard deviations, that makes a number drift"
    )
    drift_missing_threshold: Share = Field(
        0.1, description="Change of a column's missing share that counts as drift"
    )

    evidently_ui_url: str = Field(
        "", description="Evidently's UI, in which each comparison is shown too; empty: none"
    )
    evidently_ui_public_url: str = Field(
        "", description="That UI's address as people reach it; empty: the same"
    )
    evidently_ui_secret: str = Field("", description="What Evidently's UI asks of those who write")
    drift_column_thresholds: str = Field(
        "",
        description="Columns with a threshold of their own, as annual_inc=0.2,dti:missing=0.3",
    )
    drift_recent_runs: Annotated[int, Field(ge=1)] = Field(
        4, description="Alerts compare with this many scored days before, once there are as many"
    )

    quality_auc_tolerance: Share = Field(
        0.02, description="Realised AUC that is lower than the tested one by more is a quality loss"
    )
    quality_calibration_tolerance: Share = Field(
        0.03, description="Realised default rate further from the predicted one is a quality loss"
    )
    quality_min_outcomes: Annotated[int, Field(ge=1)] = Field(
        500, description="Matured outcomes of a version before it can be found to lose quality"
    )
    quality_min_coverage: Share = Field(
        0.5, description="Share of the matured approved applications that must have an outcome"
    )
    drift_retrain_days: Annotated[int, Field(ge=1)] = Field(
        3, description="Drift retrains when this many scored days in a row drift"
    )
    retrain_cooldown_days: Annotated[float, Field(ge=0)] = Field(
        7, description="Monitoring retrains only when the last training is this many days ago"
    )
    retrain_weekly_cap: Annotated[int, Field(ge=0)] = Field(
        2, description="Most retrainings that monitoring triggers in 7 days"
    )

    # Serving
    serve_host: str = Field("127.0.0.1", description="Address that serve_model.py listens on")
    serve_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        5001, description="Port that serve_model.py listens on"
    )
    serve_alias: str = Field(
        "staging", description="Alias to serve; production serves only promoted models"
    )
    serve_api_key: str = Field(
        "", description="Key that a client must send as X-API-Key; empty lets everyone in"
    )
    serve_poll_seconds: Annotated[float, Field(gt=0)] = Field(
        3.0, description="How often the served alias is looked at"
    )
    serve_max_body_mb: Annotated[float, Field(gt=0)] = Field(
        16.0, description="Larger requests are refused"
    )
    serve_body_seconds: Annotated[float, Field(gt=0)] = Field(
        20.0, description="A client that takes longer to send its request is cut off"
    )
    serve_cache_path: str = Field(
        "", description="Where served versions are kept over a restart; empty keeps none"
    )
    serve_log_share: Share = Field(
        1.0, description="Share of the served requests that the prediction log keeps"
    )
    serve_log_seconds: Annotated[float, Field(gt=0)] = Field(
        60.0, description="How often the prediction log writes a file"
    )
    serve_log_rows: Annotated[int, Field(ge=1)] = Field(
        10_000, description="Most rows that wait to be logged; what comes on top is counted as lost"
    )

    @model_validator(mode="before")
    @classmethod
    def _into_the_bucket(cls, given: dict[str, Any]) -> dict[str, Any]:
        bucket = given.get("gcs_bucket")
        if not bucket:
            return given
        return {name: f"gs://{bucket}{path}" for name, path in BELOW_THE_BUCKET.items()} | given

    @field_validator("gcs_bucket")
    @classmethod
    def _the_name_of_a_bucket(cls, given: str) -> str:
        if given and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", given):
            raise ValueError(
                "write the bucket's name alone, without gs:// and folders: 3 or more of a-z, 0-9, "
                "'-', '_' and '.'"
            )
        return given

    @field_validator("drift_column_thresholds")
    @classmethod
    def _columns_and_thresholds(cls, given: str) -> str:
        column_thresholds(given)
        return given

    @property
    def threads(self) -> int:
        """The number of threads to use, at least 1."""
        return self.n_threads or os.cpu_count() or 1


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings from the environment, then `.env`, then the defaults.

    Raises InputError that names the setting and what is wrong with it.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"{str(item['loc'][0]).upper()}={item['input']!r}: {item['msg']}"
            for item in error.errors()
        )
        raise InputError(f"bad setting: {problems}") from None


def alias_list(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list, blanks dropped."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def column_thresholds(text: str) -> dict[str, float]:
    """The numbers above 0 by column in a list such as `annual_inc=0.2,dti:missing=0.3`.

    Raises ValueError that says which part is wrong.
    """
    found = {}
    for part in alias_list(text):
        name, _, number = (piece.strip() for piece in part.partition("="))
        column, _, kind = name.partition(":")
        if column not in (PROBABILITY, *NAMES) or kind not in ("", "missing"):
            raise ValueError(f"{name!r} is no column that is watched, nor COLUMN:missing")
        try:
            found[name] = float(number)
        except ValueError:
            raise ValueError(f"{part!r} is not COLUMN=NUMBER") from None
        if not 0 < found[name] < math.inf:
            raise ValueError(f"{part!r}: a threshold is more than 0")
    return found
