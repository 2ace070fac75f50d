"""Every setting with its meaning and default. Only this module reads the environment and `.env`.

Lists are written as `a,b` or as a JSON array, thresholds as `a=0.2,b=0.3` or as a JSON object.
"""

import json
import math
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from loan_default.errors import InputError

# Defaults below the bucket, if there is one.
BUCKET_PATHS = {
    "output_path": "",
    "prepared_data_path": "/prepared/loans.parquet",
    "mlflow_artifact_root": "/mlflow",
}


def alias_list(text: str) -> tuple[str, ...]:
    """Split comma-separated names, dropping blanks."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else alias_list(value)


def _thresholds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    pairs = (part.partition("=") for part in alias_list(value))
    return {name.strip(): number.strip() for name, _, number in pairs}


def _monitored(name: str) -> str:
    column, _, suffix = name.partition(":")
    if not column or suffix not in ("", "missing"):
        raise ValueError("not a monitored column, nor COLUMN:missing")
    return name


def _choice_or_number(*choices: str, below: float = math.inf) -> BeforeValidator:
    """Return a validator of one of the choices, or a number above 0 and below `below`."""
    limit = "" if math.isinf(below) else f" and below {below:g}"

    def read(value: Any) -> Any:
        if value in choices:
            return value
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 < number < below:
            raise ValueError(f"write {', '.join(choices)}, or a number above 0{limit}")
        return number

    return BeforeValidator(read)


Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
ColumnThresholds = Annotated[
    dict[
        Annotated[str, AfterValidator(_monitored)],
        Annotated[float, Field(gt=0, allow_inf_nan=False)],
    ],
    NoDecode,
    BeforeValidator(_thresholds),
]


class Settings(BaseSettings):
    """The frozen settings of a process; a field in capitals is its environment variable."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Verbosity of the logs on stderr"
    )

    # Paths
    gcs_bucket: str = Field("", description="Default bucket for outputs; empty uses local folders")
    google_application_credentials: str = Field(
        "", description="Key file of a service account; empty uses Application Default Credentials"
    )
    train_data_path: str = Field(
        "data/raw/accepted_2007_to_2018Q4.csv",
        description="Completed loans to train on: an export as CONTRACT says, or a prepared file",
    )
    prepared_data_path: str = Field(
        "data/processed/loan_default_selected_features_clean.parquet",
        description="Typed application records written by prepare_data.py",
    )
    batch_input_path: str = Field(
        "data/batch_input.csv", description="Applications for batch_predict.py to score"
    )
    output_path: str = Field(
        "artifacts", description="Root folder of predictions/, reports/ and promotions/"
    )

    # MLflow
    mlflow_tracking_uri: str = Field(
        "sqlite:///mlflow.db", description="MLflow tracking server or database"
    )
    mlflow_tracking_username: str = Field(
        "", description="User name for a tracking server that requires a login"
    )
    mlflow_tracking_password: str = Field("", description="Password of that user")
    mlflow_artifact_root: str = Field(
        "./mlruns",
        description="Artifact location of a new experiment, unless a tracking server sets it",
    )
    mlflow_experiment_name: str = Field(
        "loan_default", description="MLflow experiment that holds the runs"
    )
    model_name: str = Field("loan_default_model", description="Name of the registered model")
    model_alias: str = Field("staging", description="Alias of the candidate model")
    production_alias: str = Field("production", description="Alias of the promoted model")
    batch_alias: Names = Field(
        ("production", "staging"),
        description="Aliases for batch scoring; the first that exists is used",
    )

    # Data
    contract: str = Field(
        "lendingclub",
        description="Data contract of the loans: a built-in one, or the path of a TOML file",
    )
    max_rejected_share: Share = Field(
        0.05, description="Maximum share of rejected rows in a file; above it the file is rejected"
    )

    max_unknown_share: Share = Field(
        0.05,
        description="Maximum share of unknown values in a category; above it the file is rejected",
    )

    # Training
    random_seed: int = Field(42, description="Seed for every random choice")
    n_threads: NonNegativeInt = Field(
        0, description="Threads; 0 uses every core. The same number gives a byte-identical booster"
    )
    test_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="Share of the matured loans, newest issue months, held out as the test set"
    )
    outcome_window_months: Annotated[int, Field(ge=0, le=120)] = Field(
        60,
        description="Months after issue in which a default teaches, running loans included; 0: "
        "only matured loans teach, by the outcome of their full term",
    )
    use_lender_price: bool = Field(
        True,
        description="Whether the model sees what the lender set, such as rate and grade; false "
        "trains on the applicant alone, so that every cause of a decline can be told",
    )
    cv_folds: Annotated[int, Field(ge=2)] = Field(
        5, description="Cross-validation folds for early stopping and out-of-fold calibration"
    )
    threshold_strategy: Annotated[
        Literal["auto", "cost", "profit", "f1", "rate"] | Annotated[float, Field(gt=0, lt=1)],
        _choice_or_number("auto", "cost", "profit", "f1", "rate", below=1),
    ] = Field(
        "auto",
        description="Decision threshold: least cost at COST_RATIO, most profit, best F1, or at "
        "most DECLINE_SHARE declined, or a number; auto: cost where money is known, else f1",
    )
    cost_ratio: Annotated[
        Literal["auto"] | Annotated[float, Field(gt=0)], _choice_or_number("auto")
    ] = Field(
        "auto",
        description="What a missed default loses over what a good loan earns; auto: as measured "
        "on the loans, if the contract knows their money",
    )
    decline_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="Maximum share of the applications that THRESHOLD_STRATEGY=rate declines"
    )
    xgb_max_rounds: Count = Field(
        2000, description="Maximum number of boosting rounds (early stopping usually stops sooner)"
    )
    xgb_early_stopping_rounds: Count = Field(
        50, description="Rounds without improvement before training stops"
    )
    xgb_learning_rate: PositiveShare = Field(0.05, description="Learning rate (eta)")
    xgb_max_depth: Annotated[int, Field(ge=1, le=12)] = Field(4, description="Maximum tree depth")
    xgb_min_child_weight: NonNegativeFloat = Field(
        10.0, description="Minimum sum of hessians in a leaf"
    )
    xgb_reg_lambda: NonNegativeFloat = Field(5.0, description="L2 penalty on leaf weights")
    xgb_subsample: PositiveShare = Field(0.8, description="Share of the rows sampled for each tree")
    xgb_colsample_bytree: PositiveShare = Field(
        0.4, description="Share of the features sampled for each tree"
    )
    xgb_device: Literal["cpu", "cuda"] = Field("cpu", description="Device that XGBoost trains on")

    # Promotion
    promotion_auc_threshold: Share = Field(0.75, description="Minimum AUC on the test months")
    promotion_f1_threshold: Share = Field(0.0, description="Minimum F1 on the test months")
    promotion_calibration_tolerance: Share = Field(
        0.05, description="Maximum expected calibration error on the test months"
    )
    promotion_ratio_tolerance: Share = Field(
        0.1,
        description="Predicted over observed defaults clearly off from 1 by more than this, of all "
        "test loans or by term, grade or score band, is not promoted",
    )
    promotion_auc_margin: Share = Field(
        0.01,
        description="Loss of AUC against the production model that a 95% interval must rule out",
    )

    promotion_price_gain: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.0,
        description="Gain of AUC over the lender's price alone that a 95% interval must lie above",
    )

    # Monitoring
    monitor_source: Literal["batch", "online", "both"] = Field(
        "batch",
        description="Predictions to monitor: batch runs, the online prediction log, or both",
    )
    drift_min_rows: Count = Field(
        500, description="Minimum number of scored rows for a drift verdict"
    )
    drift_share_threshold: PositiveShare = Field(
        0.3, description="Share of drifted columns at which a run counts as drifted"
    )
    drift_psi_threshold: PositiveFloat = Field(
        0.2, description="Population stability index at which a category has drifted"
    )
    drift_wasserstein_threshold: PositiveFloat = Field(
        0.1,
        description="Wasserstein distance, in standard deviations, at which a number has drifted",
    )
    drift_missing_threshold: Share = Field(
        0.1, description="Change in a column's share of missing values that counts as drift"
    )

    evidently_ui_url: str = Field(
        "", description="Evidently UI that also receives each comparison; empty sends none"
    )
    evidently_ui_public_url: str = Field(
        "", description="Address at which users reach that UI; empty means the same address"
    )
    evidently_ui_secret: str = Field("", description="Secret required to write to Evidently's UI")
    drift_column_thresholds: ColumnThresholds = Field(
        {},
        description="Thresholds of single columns, such as income=0.2,income:missing=0.3, or JSON",
    )
    drift_recent_runs: Count = Field(
        4, description="Previous scored days that alerts compare with, once there are that many"
    )

    quality_auc_tolerance: Share = Field(
        0.02, description="Realised AUC lower than the test AUC by more than this is a quality loss"
    )
    quality_calibration_tolerance: Share = Field(
        0.03, description="Realised default rate off by more than this is a quality loss"
    )
    quality_min_outcomes: Count = Field(
        500, description="Minimum matured outcomes of a version before a quality loss is reported"
    )
    quality_min_coverage: Share = Field(
        0.5, description="Minimum share of the matured approved applications with a known outcome"
    )
    quality_min_matched: Share = Field(
        0.5,
        description="Minimum share of delivered outcomes that belong to a scored application, "
        "before an alert is sent",
    )
    drift_retrain_days: Count = Field(
        3, description="Number of consecutive scored days with drift that triggers retraining"
    )
    retrain_cooldown_days: NonNegativeFloat = Field(
        7, description="Minimum days between the last training and a retraining by monitoring"
    )
    retrain_weekly_cap: NonNegativeInt = Field(
        2, description="Maximum number of retrainings triggered by monitoring in 7 days"
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
        "", description="Key that clients must send as X-API-Key; empty allows everyone"
    )
    serve_poll_seconds: PositiveFloat = Field(
        3.0, description="Seconds between checks of the served alias"
    )
    serve_max_body_mb: PositiveFloat = Field(
        16.0, description="Maximum size of a request in MiB; larger ones are rejected"
    )
    serve_body_seconds: PositiveFloat = Field(
        20.0, description="Maximum seconds for sending a request; slower clients are disconnected"
    )
    serve_cache_path: str = Field(
        "", description="Folder that keeps served versions across restarts; empty keeps none"
    )
    serve_log_share: Share = Field(
        1.0, description="Share of the requests that the prediction log records"
    )
    serve_log_seconds: PositiveFloat = Field(
        60.0, description="Seconds between two files of the prediction log"
    )
    serve_log_rows: Count = Field(
        10_000,
        description="Maximum rows waiting to be logged; more are dropped and counted as lost",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_to_bucket(cls, values: dict[str, Any]) -> dict[str, Any]:
        bucket = values.get("gcs_bucket")
        if not bucket:
            return values
        return {name: f"gs://{bucket}{path}" for name, path in BUCKET_PATHS.items()} | values

    @field_validator("gcs_bucket")
    @classmethod
    def _check_bucket_name(cls, name: str) -> str:
        if name and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", name):
            raise ValueError(
                "write the bucket's name alone, without gs:// and folders: 3 or more of a-z, 0-9, "
                "'-', '_' and '.'"
            )
        return name

    @property
    def threads(self) -> int:
        """Return the number of threads to use, at least 1."""
        return self.n_threads or os.cpu_count() or 1


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings from the environment, then `.env`, then the defaults.

    Raises:
        InputError: a setting is invalid; the message names it, its value and the reason.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise InputError(f"bad setting: {'; '.join(map(_problem, error.errors()))}") from None


def _problem(error: Mapping[str, Any]) -> str:
    name, *key = error["loc"][:2]
    place = str(name).upper() + "".join(f"[{item}]" for item in key)
    return f"{place}={error['input']!r}: {error['msg'].removeprefix('Value error, ')}"
