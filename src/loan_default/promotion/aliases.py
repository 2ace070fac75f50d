"""Move the production alias, forward and back, and leave a trail: tags first, aliases next, event
last.

Each step can be repeated: a promotion that was cut off is completed by running it again.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from loan_default import storage
from loan_default.errors import InputError
from loan_default.promotion import rules
from loan_default.promotion.rules import Check, Decision
from loan_default.registry.mlflow_client import Registry, Version

PREVIOUS = "previous_production"
REPLACED = "replaced_version"
ROLLED_BACK = "rolled_back_at"
EVENT = "promotion_event"


@dataclass(frozen=True)
class Order:
    """Who wants what moved, and why; `root` holds promotions/, `forced` skipped the gate."""

    from_alias: str
    to_alias: str
    triggered_by: str
    trigger_source: str
    root: str
    reason: str = ""
    forced: bool = False


def with_history(decision: Decision, version: Version) -> Decision:
    """The decision, refused where the version has been rolled back before."""
    when = version.tags.get(ROLLED_BACK)
    if not when:
        return decision
    reason = (
        f"version {version.number} was rolled back at {when}; it goes up again only with --force"
    )
    check = Check("not_rolled_back", None, None, False, reason)
    return rules.decide([*decision.checks, check])


def promote(registry: Registry, version: Version, decision: Decision, order: Order) -> str:
    """Make `version` the production model; returns the path of the event.

    A version that is in production already keeps its place and its audit trail.
    """
    champion = registry.aliased_or_none(version.name, order.to_alias)
    if champion and champion.number == version.number and EVENT in version.tags:
        return _append(order.root, json.loads(version.tags[EVENT]))
    replaced = champion.number if champion and champion.number != version.number else ""
    event = _event("promotion", version, decision, order) | {REPLACED: replaced}
    registry.tag(version, _tags(event))
    if replaced and champion:
        registry.point(champion, PREVIOUS)
    registry.point(version, order.to_alias)
    return _append(order.root, event)


def roll_back(registry: Registry, name: str, order: Order) -> tuple[Version, str]:
    """Make the model that production replaced the production model again; returns it and the event.

    The way back is read from the production version's own tags, so that a rollback that was cut off
    and is repeated does not go back twice.
    """
    bad = registry.aliased(name, order.to_alias)
    number = bad.tags.get(REPLACED)
    if not number:
        raise InputError(
            f"version {bad.number} of {name} replaced no other: there is nothing to roll back to"
        )
    good = registry.version(name, number)
    event = _event("rollback", good, rules.Decision(True, (), []), order) | {
        "rolled_back_version": bad.number
    }
    who = {"rolled_back_by": order.triggered_by, "rolled_back_reason": order.reason}
    registry.tag(bad, {ROLLED_BACK: event["time"], **who})
    registry.tag(good, {"restored_at": event["time"], "restored_by": order.triggered_by})
    if before := good.tags.get(REPLACED):
        registry.point(registry.version(name, before), PREVIOUS)
    else:
        registry.drop_alias(name, PREVIOUS)
    registry.point(good, order.to_alias)
    return good, _append(order.root, event)


def _event(kind: str, version: Version, decision: Decision, order: Order) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "event": kind,
        "event_id": f"{now:%Y%m%dT%H%M%S%fZ}-{kind}-v{version.number}",
        "time": now.isoformat(timespec="seconds"),
        "model_name": version.name,
        "model_version": version.number,
        "run_id": version.run_id,
        **{key: value for key, value in asdict(order).items() if key != "root"},
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


def _append(root: str, event: dict[str, Any]) -> str:
    path = storage.join(root, "promotions", f"{event['event_id']}.json")
    if not storage.exists(path):
        storage.write_text(path, json.dumps(event, indent=1) + "\n")
    return path
