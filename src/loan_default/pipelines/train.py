"""Train on completed loans, evaluate, register the version and move the candidate's alias."""

import logging
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from loan_default import cli
from loan_default.columns import PROBABILITY
from loan_default.contract import load as contracts
from loan_default.contract.contract import Contract
from loan_default.data.ingest import open_loans
from loan_default.errors import InputError
from loan_default.plausibility.finding import Report
from loan_default.promotion import aliases, gate
from loan_default.registry.mlflow_client import MlflowConnection
from loan_default.registry.tracking import Run, Tracking
from loan_default.registry.versions import FINGERPRINT, IDEMPOTENCY_KEY, ModelVersion, Registry
from loan_default.settings import Settings, settings
from loan_default.training import cohorts, fitting, model_card, provenance
from loan_default.training.cohorts import Split
from loan_default.training.train import Trained
from loan_default.training.train import train as fit_and_evaluate
from loan_default.training.training_set import outcome_window

REPEATED = "this idempotency key has registered it before"
SAME_INPUTS = "same data, settings and training code"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What to train on; a field that is None comes from the settings.

    `as_of` comes from the file and `test_from` follows from TEST_SHARE unless given. A repeat with
    the same `idempotency_key` registers nothing. `accept_findings` is the reason to use loans that
    are not plausible; None rejects them.
    """

    data_path: str | None
    as_of: date | None
    test_from: date | None
    model_name: str | None
    alias: str | None
    idempotency_key: str | None
    accept_findings: str | None = None


def train(request: Request) -> dict[str, Any]:
    """Train a model version, or find the one that the same inputs have registered before.

    Returns the script's JSON result. Raises InputError if the loans cannot be used.
    """
    config = settings()
    fitting.require_device(config)
    connection = MlflowConnection(config)
    connection.check()  # before the loans are read
    registry = Registry(connection)
    name = request.model_name or config.model_name
    alias, key = request.alias or config.model_alias, request.idempotency_key
    if key and (version := registry.find_by_tag(name, IDEMPOTENCY_KEY, key)):
        return _result(registry, version, alias, config, REPEATED)
    path = request.data_path or config.train_data_path
    contract = contracts.load(config.contract)
    split, report = _split(path, contract, request, config)
    window = outcome_window(split.loans, config)
    if config.outcome_window_months and not window:
        log.warning("no month of default is known: only loans whose full term has passed teach")
    digest = provenance.data_digest(split, window)
    tags = {FINGERPRINT: provenance.fingerprint(digest, contract, config)}
    if version := registry.find_by_tag(name, FINGERPRINT, tags[FINGERPRINT]):
        return _result(registry, version, alias, config, SAME_INPUTS, report)
    if key:
        tags[IDEMPOTENCY_KEY] = key
    version = _register(connection, split, report, contract, name, path, digest, tags, config)
    return _result(registry, version, alias, config, None, report)


def read(
    path: str,
    contract: Contract,
    max_rejected_share: float,
    max_unknown_share: float = 1.0,
    accepted_because: str | None = None,
) -> tuple[pl.DataFrame, date | None, Report]:
    """Read labelled loans: typed records, the month through which outcomes are known, findings.

    Raises InputError if the file cannot be used, more than `max_rejected_share` of its loans break
    the contract, or it is not plausible and no reason is given to accept that.
    """
    with open_loans(path, contract, labelled=True) as reader:
        loans = pl.concat([block.records for block in reader]).drop("row")
        reader.check(max_rejected_share, max_unknown_share, accepted_because)
    log.info("%s rows read, %s rejected", reader.rows_in, reader.rows_rejected)
    return loans, reader.as_of, reader.report


def _split(
    path: str, contract: Contract, request: Request, config: Settings
) -> tuple[Split, Report]:
    loans, known_through, report = read(
        path,
        contract,
        config.max_rejected_share,
        config.max_unknown_share,
        request.accept_findings,
    )
    as_of = request.as_of or known_through
    if as_of is None:
        raise InputError(
            f"{path} does not tell through which month outcomes are known: give --as-of"
        )
    if known_through:
        loans = cohorts.known_at_latest(loans, known_through)
    split = cohorts.split(loans, as_of, config.test_share, request.test_from)
    if known_through and as_of < known_through:
        split = replace(split, recoveries=False)
    log.info(
        "outcomes known through %s: %s matured loans, tested on %s issued %s to %s",
        f"{as_of:%Y-%m}",
        split.matured.height,
        split.test.height,
        f"{split.test_from:%Y-%m}",
        f"{split.test_through:%Y-%m}",
    )
    return split, report


def _register(
    connection: MlflowConnection,
    split: Split,
    report: Report,
    contract: Contract,
    name: str,
    path: str,
    digest: str,
    tags: dict[str, str],
    config: Settings,
) -> ModelVersion:
    """Fit in an MLflow run of its own, log it and register its model."""
    with Tracking(connection).run("train", tags) as run, tempfile.TemporaryDirectory() as folder:
        with cli.progress("boosting", config.xgb_max_rounds) as advance:
            trained = fit_and_evaluate(split, contract, config, advance)
        params = provenance.training_settings(config) | provenance.library_versions()
        params |= {"git_commit": provenance.commit(), "data_digest": digest, "data_path": path}
        params |= {"contract": contract.name, "contract_digest": contract.digest}
        params |= _months(trained)
        _log_run(run, trained, params, report, Path(folder, "report"))
        run.log_data(path, digest, "training")
        trained.save(Path(folder, "model"))
        example = trained.self_check.head(1).drop(PROBABILITY)
        return run.register(Path(folder, "model"), name, tags, example, contract)


def _months(trained: Trained) -> dict[str, str | int]:
    split, sets = trained.split, trained.sets
    evaluation = sets.evaluation
    known = evaluation.known_through
    return {
        "target_window_months": sets.window,
        "known_through": f"{split.as_of:%Y-%m}",
        "fit_through": f"{evaluation.fit_through:%Y-%m}",
        "evaluated_with_knowledge_through": f"{known or split.as_of:%Y-%m}",
        "test_from": f"{split.test_from:%Y-%m}",
        "test_through": f"{split.test_through:%Y-%m}",
    }


def _log_run(
    run: Run, trained: Trained, params: dict[str, Any], report: Report, folder: Path
) -> None:
    model_card.write(trained, params, report, folder)
    run.log(params, trained.metrics, folder)
    run.log_curve("train_log_loss", trained.validation.train_loss)
    run.log_curve("validation_log_loss", trained.validation.validation_loss)


def _result(
    registry: Registry,
    version: ModelVersion,
    alias: str,
    config: Settings,
    existing: str | None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Point the alias at the version and ask the gate.

    `existing` says why no run was needed, `report` is None if no loans were read.
    """
    registry.set_alias(version, alias)
    decision = gate.evaluate(registry, version, config.production_alias, config)
    decision = aliases.reject_if_rolled_back(decision, version)
    if existing:
        log.info("no new version: version %s stands (%s)", version.version, existing)
    return {
        "run_id": version.run_id,
        "model_name": version.name,
        "model_version": version.version,
        "alias": alias,
        "registered": existing in (None, REPEATED),
        "existing_because": existing,
        **(report or Report()).result(),
        "metrics": registry.metrics(version),
        "promotable": decision.promotable,
        "reasons": decision.reasons,
    }
