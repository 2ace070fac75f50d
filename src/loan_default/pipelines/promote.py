"""Promote a model version through the gate, or roll production back."""

import getpass
from dataclasses import dataclass
from typing import Any

from loan_default.errors import InputError
from loan_default.promotion import aliases, gate
from loan_default.promotion.aliases import PromotionRequest
from loan_default.promotion.rules import GateDecision
from loan_default.registry.mlflow_client import MlflowConnection
from loan_default.registry.versions import ModelVersion, Registry
from loan_default.settings import Settings, settings


@dataclass(frozen=True)
class Request:
    """What to promote, how and for whom; a field that is None comes from the settings.

    `version` takes the place of the version behind `from_alias`; `check` moves nothing; `rollback`
    goes back to the previous version; `force` skips the gate and needs a `reason`.
    """

    model_name: str | None
    from_alias: str | None
    to_alias: str | None
    version: str | None
    output_path: str | None
    triggered_by: str | None
    trigger_source: str
    check: bool
    rollback: bool
    force: bool
    reason: str | None

    def with_defaults(self, config: Settings) -> PromotionRequest:
        """Return what the event of the promotion records, missing fields from the settings."""
        return PromotionRequest(
            from_alias=self.from_alias or config.model_alias,
            to_alias=self.to_alias or config.production_alias,
            triggered_by=self.triggered_by or getpass.getuser(),
            trigger_source=self.trigger_source,
            root=self.output_path or config.output_path,
            reason=self.reason or "",
            forced=self.force,
        )


def promote(request: Request) -> dict[str, Any]:
    """Evaluate the candidate and move the production alias if it passes the gate.

    Returns the script's JSON result; a refusal is one too. Raises InputError if there is no such
    version, or no reason for a forced promotion.
    """
    if request.force and not request.reason:
        raise InputError("--force needs --reason TEXT: it is written into the audit trail")
    config = settings()
    registry = Registry(MlflowConnection(config))
    name, recorded = request.model_name or config.model_name, request.with_defaults(config)
    if request.rollback:
        version, event = aliases.roll_back(registry, name, recorded)
        return _result(True, version, None, [f"rolled back to version {version.version}"], event)
    if request.version:
        version = registry.version(name, request.version)
    else:
        version = registry.by_alias(name, recorded.from_alias)
    decision = gate.evaluate(registry, version, recorded.to_alias, config)
    decision = aliases.reject_if_rolled_back(decision, version)
    if request.check or not (decision.promotable or request.force):
        return _result(False, version, decision, decision.reasons, None)
    event = aliases.promote(registry, version, decision, recorded)
    return _result(True, version, decision, decision.reasons, event)


def _result(
    promoted: bool,
    version: ModelVersion,
    decision: GateDecision | None,
    reasons: list[str],
    event: str | None,
) -> dict[str, Any]:
    return {
        "promoted": promoted,
        "promotable": decision.promotable if decision else True,
        "model_version": version.version,
        "run_id": version.run_id,
        "checks": [check.as_dict() for check in decision.checks] if decision else [],
        "reasons": reasons,
        "event_path": event,
    }
