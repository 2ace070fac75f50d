"""Move the production alias, forward and back, and record it.

Tags are written first, then the aliases are moved, then the event file is written. Each step can be
repeated: a promotion that was interrupted is completed by running it again.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from loan_default import storage
from loan_default.errors import InputError
from loan_default.promotion import rules
from loan_default.promotion.rules import Check, GateDecision
from loan_default.registry.versions import ModelVersion, Registry

PREVIOUS_ALIAS = "previous_production"
REPLACED = "replaced_version"
ROLLED_BACK = "rolled_back_at"
EVENT = "promotion_event"


@dataclass(frozen=True)
class PromotionRequest:
    """A promotion or rollback request: aliases, requester, reason; `forced` skips the gate.

    `root` is the folder of promotions/, which holds a file for each event.
    """

    from_alias: str
    to_alias: str
    triggered_by: str
    trigger_source: str
    root: str
    reason: str = ""
    forced: bool = False


def reject_if_rolled_back(decision: GateDecision, version: ModelVersion) -> GateDecision:
    """Return the decision, with a failed check added if the version was rolled back before."""
    when = version.tags.get(ROLLED_BACK)
    if not when:
        return decision
    reason = (
        f"version {version.version} was rolled back at {when}: it can be promoted only with --force"
    )
    check = Check("not_rolled_back", None, None, False, reason)
    return rules.decide([*decision.checks, check])


def promote(
    registry: Registry, version: ModelVersion, decision: GateDecision, request: PromotionRequest
) -> str:
    """Make `version` the production model; return the path of the event.

    If it already is, nothing changes: its first event is returned.
    """
    champion = registry.find_by_alias(version.name, request.to_alias)
    if champion and champion.version == version.version and EVENT in version.tags:
        return _write_event(request.root, json.loads(version.tags[EVENT]))
    replaced = champion.version if champion and champion.version != version.version else ""
    event = _event("promotion", version, decision, request) | {REPLACED: replaced}
    registry.set_tags(version, _tags(event))
    if replaced and champion:
        registry.set_alias(champion, PREVIOUS_ALIAS)
    registry.set_alias(version, request.to_alias)
    return _write_event(request.root, event)


def roll_back(registry: Registry, name: str, request: PromotionRequest) -> tuple[ModelVersion, str]:
    """Make the version that production has replaced the production model again.

    Returns that version and the path of the event. The production version's own tags name it, so
    that repeating an interrupted rollback does not go back twice. Raises InputError if production
    has replaced no version.
    """
    bad = registry.by_alias(name, request.to_alias)
    replaced = bad.tags.get(REPLACED)
    if not replaced:
        raise InputError(
            f"version {bad.version} of {name} replaced no other: there is nothing to roll back to"
        )
    good = registry.version(name, replaced)
    event = _event("rollback", good, GateDecision(True, (), []), request) | {
        "rolled_back_version": bad.version
    }
    who = {"rolled_back_by": request.triggered_by, "rolled_back_reason": request.reason}
    registry.set_tags(bad, {ROLLED_BACK: event["time"], **who})
    registry.set_tags(good, {"restored_at": event["time"], "restored_by": request.triggered_by})
    if before := good.tags.get(REPLACED):
        registry.set_alias(registry.version(name, before), PREVIOUS_ALIAS)
    else:
        registry.delete_alias(name, PREVIOUS_ALIAS)
    registry.set_alias(good, request.to_alias)
    return good, _write_event(request.root, event)


def _event(
    kind: str, version: ModelVersion, decision: GateDecision, request: PromotionRequest
) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "event": kind,
        "event_id": f"{now:%Y%m%dT%H%M%S%fZ}-{kind}-v{version.version}",
        "time": now.isoformat(timespec="seconds"),
        "model_name": version.name,
        "model_version": version.version,
        "run_id": version.run_id,
        **{key: value for key, value in asdict(request).items() if key != "root"},
        "checks": [check.as_dict() for check in decision.checks],
    }


def _tags(event: dict[str, Any]) -> dict[str, str]:
    tags = {
        EVENT: json.dumps(event),
        REPLACED: event[REPLACED],
        ROLLED_BACK: "",
        "promoted_from": event["from_alias"],
        "promoted_to": event["to_alias"],
        "promoted_at": event["time"],
        "triggered_by": event["triggered_by"],
        "trigger_source": event["trigger_source"],
        "forced": str(event["forced"]).lower(),
        "reason": event["reason"],
    }
    return tags | {f"check_{check['name']}": json.dumps(check) for check in event["checks"]}


def _write_event(root: str, event: dict[str, Any]) -> str:
    path = storage.join(root, "promotions", f"{event['event_id']}.json")
    if not storage.exists(path):
        storage.write_text(path, json.dumps(event, indent=1) + "\n")
    return path
