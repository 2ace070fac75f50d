"""Promote a model version through the gate, or roll the production model back by one.

Refused is a result, not a failure: exit 0 with "promoted": false and the reasons. The last line of
stdout is a JSON object: promoted, model_version, checks, reasons.
"""

import argparse
import getpass
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loan_default import cli
from loan_default.errors import InputError

if TYPE_CHECKING:
    from loan_default.promotion.aliases import Order
    from loan_default.promotion.rules import Decision
    from loan_default.registry.mlflow_client import Registry, Version
    from loan_default.settings import Settings


def build_parser() -> argparse.ArgumentParser:
    """The command line; a flag that is not given is as in the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--model-name", help="registered model (MODEL_NAME)")
    flags.add_argument("--from-alias", help="alias of the candidate (MODEL_ALIAS)")
    flags.add_argument("--to-alias", help="alias to move (PRODUCTION_ALIAS)")
    flags.add_argument("--version", help="promote this version, whatever the alias points at")
    flags.add_argument("--output-path", help="root of promotions/ (OUTPUT_PATH)")
    flags.add_argument("--triggered-by", help="person or schedule behind it (default: who you are)")
    flags.add_argument("--trigger-source", default="cli", help="what called (default: cli)")
    what = flags.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="decide, move nothing")
    what.add_argument("--rollback", action="store_true", help="go back to the previous version")
    what.add_argument("--force", action="store_true", help="skip the gate; needs --reason")
    flags.add_argument("--reason", help="why the gate is skipped or production rolled back")
    return flags


def promote(flags: argparse.Namespace) -> dict[str, Any]:
    """The job: returns what the JSON line holds."""
    from loan_default.promotion import aliases
    from loan_default.registry.mlflow_client import Registry
    from loan_default.settings import settings

    if flags.force and not flags.reason:
        raise InputError("--force needs --reason TEXT: it is written into the audit trail")
    config = settings()
    registry = Registry(config)
    name = flags.model_name or config.model_name
    order = _order(flags, config)
    if flags.rollback:
        version, event = aliases.roll_back(registry, name, order)
        return _result(True, version, None, [f"rolled back to version {version.number}"], event)
    version, decision = _candidate(registry, name, order, flags.version, config)
    if flags.check or not (decision.promotable or flags.force):
        return _result(False, version, decision, decision.reasons, None)
    event = aliases.promote(registry, version, decision, order)
    return _result(True, version, decision, decision.reasons, event)


def _order(flags: argparse.Namespace, config: "Settings") -> "Order":
    from loan_default.promotion.aliases import Order

    return Order(
        from_alias=flags.from_alias or config.model_alias,
        to_alias=flags.to_alias or config.production_alias,
        triggered_by=flags.triggered_by or getpass.getuser(),
        trigger_source=flags.trigger_source,
        root=flags.output_path or config.output_path,
        reason=flags.reason or "",
        forced=flags.force,
    )


def _candidate(
    registry: "Registry", name: str, order: "Order", number: str | None, config: "Settings"
) -> tuple["Version", "Decision"]:
    from loan_default.promotion import aliases, gate

    if number:
        version = registry.version(name, number)
    else:
        version = registry.aliased(name, order.from_alias)
    judged = gate.judge(registry, version, order.to_alias, config)
    return version, aliases.with_history(judged, version)


def _result(
    promoted: bool,
    version: "Version",
    decision: "Decision | None",
    reasons: list[str],
    event: str | None,
) -> dict[str, Any]:
    checks = [check.as_dict() for check in decision.checks] if decision else []
    return {
        "promoted": promoted,
        "promotable": decision.promotable if decision else True,
        "model_version": version.number,
        "run_id": version.run_id,
        "checks": checks,
        "reasons": reasons,
        "event_path": event,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), promote, argv)


if __name__ == "__main__":
    sys.exit(main())
