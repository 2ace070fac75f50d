"""Comparisons in Evidently's own UI, a real server process."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

import monitored_day
from lendingclub import CONTRACT
from loan_default.errors import ServiceError
from loan_default.monitoring.drift import evidently_report, evidently_ui
from loan_default.monitoring.drift.verdict import Thresholds
from loan_default.monitoring.reports.publish import send_to_ui
from loan_default.sandbox.local_stack import free_ports
from loan_default.settings import Settings

pytestmark = pytest.mark.slow

DAY = date(2026, 3, 1)
THRESHOLDS = Thresholds(wasserstein=0.1, psi=0.2, missing=0.1, share=0.3, min_rows=10)


@dataclass(frozen=True)
class Ui:
    url: str
    secret: str

    def show(self, snapshot: Any, project: str, day: date = DAY) -> str:
        return evidently_ui.show(snapshot, self.url, self.secret, project, f"{day} batch", day)

    def projects(self) -> dict[str, str]:
        found = httpx.get(f"{self.url}/api/v2/projects").json()
        return {project["name"]: project["id"] for project in found}

    def runs(self, project: str) -> list[tuple[str, str]]:
        """Name and day of every run, the earliest day first."""
        address = f"{self.url}/api/projects/{self.projects()[project]}/snapshots"
        found = httpx.get(address).json()
        return sorted((run["name"], run["timestamp"][:10]) for run in found)


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    (port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("ui")
    program = str(Path(sys.executable).parent / "evidently")
    command = [program, "ui", "--port", str(port), "--workspace", str(folder / "workspace")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"EVIDENTLY_SECRET": "only-us", "DO_NOT_TRACK": "1"},
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as asking:
        assert asking.get(f"{url}/api/version", timeout=60).is_success
    yield Ui(url, "only-us")
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="module")
def snapshot() -> Any:
    frame = pl.DataFrame({"loan_amnt": [float(dollars) for dollars in range(1_000, 1_100)]})
    return evidently_report.compare(frame, frame, CONTRACT, THRESHOLDS).snapshot


def test_each_model_has_a_project_and_each_day_one_run(ui: Ui, snapshot: Any) -> None:
    ui.show(snapshot, "loans", date(2026, 3, 2))
    ui.show(snapshot, "loans")
    ui.show(snapshot, "loans")
    address = ui.show(snapshot, "other")
    assert address.startswith(f"{ui.url}/projects/{ui.projects()['other']}/reports/")
    days = [("2026-03-01 batch", "2026-03-01"), ("2026-03-02 batch", "2026-03-02")]
    assert ui.runs("loans") == days
    assert ui.runs("other") == days[:1]


def test_a_project_shows_the_share_of_drifted_columns_and_each_run_its_report(
    ui: Ui, snapshot: Any
) -> None:
    run = ui.show(snapshot, "trends / 100% new?").rsplit("/", 1)[-1]
    project = ui.projects()["trends / 100% new?"]
    dashboard = httpx.get(f"{ui.url}/api/v2/dashboards/{project}").json()
    assert [panel["title"] for panel in dashboard["panels"]] == ["Share of drifted columns"]
    assert dashboard["tabs"][0]["panels"] == [dashboard["panels"][0]["id"]]
    report = httpx.get(f"{ui.url}/api/projects/{project}/{run}/data")
    assert report.is_success and "No drift against the reference" in report.text


def test_a_message_links_to_the_address_that_people_reach(ui: Ui) -> None:
    frame = pl.DataFrame({"dti": [float(n % 30) for n in range(60)]})
    found = evidently_report.compare(frame, frame, CONTRACT, THRESHOLDS)
    day = replace(monitored_day.DAY, model_name="linked")
    public = "https://monitoring.lender.example"
    settings = {"evidently_ui_url": f"{ui.url}/", "evidently_ui_secret": ui.secret}
    for more, start in ({}, ui.url), ({"evidently_ui_public_url": public}, public):
        shown = send_to_ui(Settings(**settings, **more), day, found)
        assert str(shown.url).startswith(f"{start}/projects/{ui.projects()['linked']}/")


def test_a_name_that_another_begins_with_has_a_project_of_its_own(ui: Ui, snapshot: Any) -> None:
    ui.show(snapshot, "model_of_2025")
    ui.show(snapshot, "model")
    assert len(ui.runs("model")) == 1 and len(ui.runs("model_of_2025")) == 1


def test_who_does_not_know_the_secret_may_not_write(ui: Ui, snapshot: Any) -> None:
    with pytest.raises(ServiceError, match="did not accept the report: Not enough permissions"):
        Ui(ui.url, "guessed").show(snapshot, "intruder")
    assert "intruder" not in ui.projects()


def test_a_ui_that_is_down_or_hangs_is_said(snapshot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidently_ui, "TIMEOUT_SECONDS", 1.0)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        ui = Ui(f"http://127.0.0.1:{deaf.getsockname()[1]}", "")
        with pytest.raises(ServiceError, match=f"the Evidently UI {ui.url} did not accept"):
            ui.show(snapshot, "loans")
        deaf.listen()
        with pytest.raises(ServiceError, match="no answer in 1 s"):
            ui.show(snapshot, "loans")


def test_an_address_that_is_not_the_ui_is_an_error_of_one_line(ui: Ui, snapshot: Any) -> None:
    for url in (f"{ui.url}/elsewhere", "127.0.0.1", "http://"):
        with pytest.raises(ServiceError, match="did not accept the report") as caught:
            Ui(url, "").show(snapshot, "loans")
        assert "\n" not in str(caught.value)
