"""Show comparisons in Evidently's own UI: a project for each model, a run for each monitored day.

Uses the UI's REST API: the client in Evidently 0.7.23 has no timeout and cannot list or delete
runs.
"""

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import httpx

from loan_default.errors import ServiceError
from loan_default.monitoring.drift import evidently_legacy

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

TIMEOUT_SECONDS = 60.0
# Evidently 0.7.23's header
SECRET_HEADER = "evidently-secret"


def show(snapshot: "Snapshot", url: str, secret: str, project: str, name: str, day: date) -> str:
    """Upload a comparison to the UI, in place of earlier runs of that name.

    Args:
        snapshot: Evidently's run; it appears under `day`, so that trends are over scored days.
        url: address of the UI.
        secret: what the UI requires to write; empty if nothing.
        project: name of the project, which is created if it is missing.
        name: name of the run.
        day: the scored day.

    Returns:
        The address of the run in the UI.

    Raises:
        ServiceError: the UI is unavailable, rejects the run, or takes longer than
            `TIMEOUT_SECONDS` to answer.
    """
    headers = {"content-type": "application/json"}
    if secret:
        headers[SECRET_HEADER] = secret
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS) as client:
            project_id = _project(client, project)
            earlier = _runs(client, project_id, name)
            run_id = _add_run(client, project_id, snapshot, name, day)
            for run in earlier:
                _json(client.delete(f"/api/projects/{project_id}/{run}"))
    except httpx.TimeoutException:
        raise _not_accepted(url, f"no answer in {TIMEOUT_SECONDS:g} s") from None
    # Neither a status line nor JSON: something else answers at this address.
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise _not_accepted(url, error) from None
    return f"{url.rstrip('/')}/projects/{project_id}/reports/{run_id}"


def _not_accepted(url: str, reason: object) -> ServiceError:
    return ServiceError(f"the Evidently UI {url} did not accept the report: {reason}")


def _project(client: httpx.Client, name: str) -> str:
    """Return the id of the project, creating it if it is missing."""
    for project in _json(client.get("/api/v2/projects")):
        if project["name"] == name:
            return str(project["id"])
    project_id = str(_json(client.post("/api/v2/projects", content=_new_project(name))))
    _json(client.post(f"/api/v2/dashboards/{project_id}", content=_dashboard()))
    return project_id


def _new_project(name: str) -> str:
    from evidently.sdk.models import ProjectModel

    description = "Scored applications, by run date"
    return str(ProjectModel(name=name, description=description).json())


def _dashboard() -> str:
    """Return a dashboard with the share of drifted columns over time."""
    from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric
    from evidently.sdk.panels import line_plot_panel

    share = PanelMetric(
        legend="share", metric="DriftedColumnsCount", metric_labels={"value_type": "share"}
    )
    panel = line_plot_panel(title="Share of drifted columns", values=[share])
    tab = DashboardTabModel(title="General", panels=[panel.id])
    return str(DashboardModel(tabs=[tab], panels=[panel]).json())


def _runs(client: httpx.Client, project_id: str, name: str) -> list[str]:
    runs = _json(client.get(f"/api/projects/{project_id}/snapshots"))
    return [str(run["id"]) for run in runs if run["name"] == name]


def _add_run(
    client: httpx.Client, project_id: str, snapshot: "Snapshot", name: str, day: date
) -> str:
    model = snapshot.to_snapshot_model()
    model.name, model.timestamp = name, datetime.combine(day, time(), UTC)
    content = evidently_legacy.to_json(model)
    return str(
        _json(client.post(f"/api/v2/snapshots/{project_id}", content=content))["snapshot_id"]
    )


def _json(response: httpx.Response) -> Any:
    """Return the body of a successful response; raise ValueError with the UI's reason otherwise."""
    if response.is_error:
        body = response.json() if "json" in response.headers.get("content-type", "") else None
        detail = body.get("detail") if isinstance(body, dict) else None
        raise ValueError(detail or f"status {response.status_code}")
    return response.json() if response.content else None
