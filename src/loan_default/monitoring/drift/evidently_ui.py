"""Comparisons in Evidently's own UI: a project for each model, a run for each monitored day.

With `drift.py` the only importer of Evidently.
"""

import threading
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

import httpx

from loan_default.errors import ServiceError

if TYPE_CHECKING:
    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Project, RemoteWorkspace

SECONDS = 60.0
# Evidently 0.7.23's header; its own client can add runs and cannot list or delete them.
SECRET_HEADER = "evidently-secret"


def show(snapshot: "Snapshot", url: str, secret: str, project: str, name: str, day: date) -> str:
    """Show a comparison in the UI at `url`, in the place of an earlier one of that name; returns
    its address.

    `secret` is what the UI asks of those who write, empty where it asks nothing. Raises
    ServiceError where the UI refuses, or does not take it within `SECONDS`.
    """
    outcome: list[str | Exception] = []

    def work() -> None:
        try:
            outcome.append(_shown(snapshot, url.rstrip("/"), secret, project, name, day))
        # Evidently raises whatever its HTTP library does, and errors of its own.
        except Exception as error:
            outcome.append(error)

    # Evidently sends without any time-out.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(SECONDS)
    result = outcome[0] if outcome else TimeoutError(f"no answer in {SECONDS:g} s")
    if isinstance(result, Exception):
        raise ServiceError(f"the Evidently UI {url} did not take the report: {result}")
    return result


def _shown(snapshot: "Snapshot", url: str, secret: str, project: str, name: str, day: date) -> str:
    from evidently.ui.workspace import RemoteWorkspace

    ui = RemoteWorkspace(url, secret=secret or None)
    shown = _project(ui, project)
    earlier = _runs(url, shown, name)
    address = ui.add_run(shown.id, _dated(snapshot, day), name=name).url
    for run in earlier:
        _delete(url, secret, shown, run)
    return str(address)


def _dated(snapshot: "Snapshot", day: date) -> "Snapshot":
    """The same under the day that it is for: trends run over those, not over when we looked."""
    from evidently.core.report import Snapshot

    model = snapshot.to_snapshot_model()
    model.timestamp = datetime.combine(day, time(), UTC)
    return Snapshot.load_model(model)


def _project(ui: "RemoteWorkspace", name: str) -> "Project":
    from evidently.sdk.models import ProjectModel

    # The search finds what begins with the name, too.
    for project in ui.search_project(name):
        if project.name == name:
            return project
    made = ui.add_project(ProjectModel(name=name, description="Scored applications, by run date"))
    _add_trends(made)
    return made


def _add_trends(project: "Project") -> None:
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel

    share = PanelMetric(
        legend="share", metric="DriftedColumnsCount", metric_labels={"value_type": "share"}
    )
    project.dashboard.add_panel(line_plot_panel(title="Share of drifted columns", values=[share]))


def _runs(url: str, project: "Project", name: str) -> list[str]:
    answer = httpx.get(f"{url}/api/projects/{project.id}/snapshots", timeout=SECONDS)
    answer.raise_for_status()
    return [str(run["id"]) for run in answer.json() if run["name"] == name]


def _delete(url: str, secret: str, project: "Project", run: str) -> None:
    address = f"{url}/api/projects/{project.id}/{run}"
    headers = {SECRET_HEADER: secret}
    httpx.delete(address, headers=headers, timeout=SECONDS).raise_for_status()
