"""Learn from finished loans, judge the model, register it and point the candidate's alias at it.

Reads a LendingClub export or a prepared file. The last line of stdout is a JSON object: run_id,
model_name, model_version, alias, metrics, promotable, reasons, and whether this run registered a
new version: a repeat with the same --idempotency-key says what its first try did.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loan_default import cli

if TYPE_CHECKING:
    import polars as pl

    from loan_default.registry.mlflow_client import Registry, Version
    from loan_default.settings import Settings
    from loan_default.training.cohorts import Split
    from loan_default.training.train import Trained

REPEATED = "this idempotency key has registered it before"

log = logging.getLogger("train")


def build_parser() -> argparse.ArgumentParser:
    """The command line; a flag that is not given is as in the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--data-path", help="export or prepared file (TRAIN_DATA_PATH)")
    flags.add_argument("--as-of", type=cli.month, help="YYYY-MM through which outcomes are known")
    flags.add_argument("--test-from", type=cli.month, help="YYYY-MM of the first test month")
    flags.add_argument("--model-name", help="registered model (MODEL_NAME)")
    flags.add_argument("--alias", help="alias to point at the version (MODEL_ALIAS)")
    flags.add_argument("--idempotency-key", help="a repeat with the same key registers nothing")
    return flags


def train(flags: argparse.Namespace) -> dict[str, Any]:
    """The job: returns what the JSON line holds."""
    from loan_default.registry.mlflow_client import FINGERPRINT, IDEMPOTENCY_KEY, Registry
    from loan_default.settings import settings
    from loan_default.training import fitting, provenance

    config = settings()
    fitting.require_device(config)
    registry = Registry(config)
    name, key = flags.model_name or config.model_name, flags.idempotency_key
    if key and (done := registry.tagged(name, IDEMPOTENCY_KEY, key)):
        return _result(registry, done, flags, config, REPEATED)
    path = flags.data_path or config.train_data_path
    split = _split(path, flags, config)
    digest = provenance.data_digest(split)
    tags = {FINGERPRINT: provenance.fingerprint(digest, config)}
    if done := registry.tagged(name, FINGERPRINT, tags[FINGERPRINT]):
        return _result(registry, done, flags, config, "same data, settings and training code")
    if key:
        tags[IDEMPOTENCY_KEY] = key
    version = _learn(registry, split, name, path, digest, tags, config)
    return _result(registry, version, flags, config, None)


def _split(path: str, flags: argparse.Namespace, config: "Settings") -> "Split":
    from loan_default.errors import InputError
    from loan_default.training import cohorts

    loans, known_through = _read(path, config)
    as_of = flags.as_of or known_through
    if as_of is None:
        raise InputError(
            f"{path} does not tell through which month outcomes are known: give --as-of"
        )
    split = cohorts.split(loans, as_of, config.test_share, flags.test_from)
    log.info(
        "outcomes known through %s: %s matured loans, tested on %s issued %s to %s",
        f"{as_of:%Y-%m}",
        split.matured.height,
        split.test.height,
        f"{split.test_from:%Y-%m}",
        f"{split.test_through:%Y-%m}",
    )
    return split


def _read(path: str, config: "Settings") -> tuple["pl.DataFrame", Any]:
    import polars as pl

    from loan_default.data.ingest import open_loans

    with open_loans(path, labelled=True) as reader:
        loans = pl.concat([block.records for block in reader]).drop("row")
        reader.check_rejected_share(config.max_rejected_share)
    log.info("%s rows read, %s rejected", reader.rows_in, reader.rows_rejected)
    return loans, reader.as_of


def _learn(
    registry: "Registry",
    split: "Split",
    name: str,
    path: str,
    digest: str,
    tags: dict[str, str],
    config: "Settings",
) -> "Version":
    from loan_default.columns import PROBABILITY
    from loan_default.training import provenance
    from loan_default.training import train as training

    with registry.run("train", tags) as run_id, tempfile.TemporaryDirectory() as folder:
        with cli.progress("boosting", config.xgb_max_rounds) as advance:
            trained = training.train(split, config, advance)
        params = provenance.training_settings(config) | provenance.library_versions()
        params |= {"git_commit": provenance.commit(), "data_digest": digest, "data_path": path}
        params |= _months(split)
        _log_run(registry, run_id, trained, params, Path(folder, "report"))
        registry.log_data(path, digest, "training")
        trained.save(Path(folder, "model"))
        example = trained.self_check.head(1).drop(PROBABILITY)
        return registry.register(Path(folder, "model"), name, tags, example)


def _months(split: "Split") -> dict[str, str]:
    return {
        "fit_through": f"{split.fit_through:%Y-%m}",
        "test_from": f"{split.test_from:%Y-%m}",
        "test_through": f"{split.test_through:%Y-%m}",
    }


def _log_run(
    registry: "Registry", run_id: str, trained: "Trained", params: dict[str, Any], folder: Path
) -> None:
    from loan_default.training import model_card

    model_card.write(trained, params, folder)
    registry.log(params, trained.metrics, folder)
    registry.log_curve(run_id, "train_log_loss", trained.validation.train_loss)
    registry.log_curve(run_id, "validation_log_loss", trained.validation.validation_loss)


def _result(
    registry: "Registry",
    version: "Version",
    flags: argparse.Namespace,
    config: "Settings",
    existing: str | None,
) -> dict[str, Any]:
    from loan_default.promotion.aliases import with_history
    from loan_default.promotion.gate import judge

    alias = flags.alias or config.model_alias
    registry.point(version, alias)
    decision = with_history(judge(registry, version, config.production_alias, config), version)
    if existing:
        log.info("no new version: version %s stands (%s)", version.number, existing)
    return {
        "run_id": version.run_id,
        "model_name": version.name,
        "model_version": version.number,
        "alias": alias,
        "registered": existing in (None, REPEATED),
        "existing_because": existing,
        "metrics": registry.metrics(version),
        "promotable": decision.promotable,
        "reasons": decision.reasons,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), train, argv)


if __name__ == "__main__":
    sys.exit(main())
