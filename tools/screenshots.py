"""Take the README's screenshots with headless Chromium: `make screenshots`.

Starts a temporary Airflow, MLflow and scoring server, simulates eight days (`story.py`) with an
inbox for their messages (`inbox.py`), and writes docs/images/*.png. `--keep` waits for Enter before
that.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from inbox import Inbox, receiving
from PIL import Image
from playwright.sync_api import Browser, FloatRect, Page, ViewportSize, sync_playwright
from story import LOANS, SETTINGS, script, simulate

from loan_default.sandbox.local_stack import ROOT, LocalStack, free_ports, running

IMAGES = ROOT / "docs" / "images"
DESKTOP, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)
TRAIN = "train_model_with_mlflow"
# What a person chooses at the first visit: models, not agents, and no assistant over the page
MLFLOW_CHOICES = """
localStorage.setItem("mlflow.workflowType_v1", JSON.stringify("machine_learning"))
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true")
"""


class Album:
    """Open pages and save screenshots of them."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser, self._folder = browser, folder
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def page(self, phone: bool = False) -> Iterator[Page]:
        """Yield a new page without history."""
        size = PHONE if phone else DESKTOP
        page = self._browser.new_page(viewport=size, color_scheme="light", locale="en-US")
        page.set_default_timeout(20_000)
        yield page
        page.close()

    def save(self, page: Page, name: str, height: int | None = None) -> None:
        """Save the visible page, or its upper `height` points, in 256 colours."""
        page.mouse.move(0, 0)
        page.wait_for_timeout(1_500)  # animations end
        path = self._folder / f"{name}.png"
        if height:
            assert page.viewport_size
            clip = FloatRect(x=0, y=0, width=page.viewport_size["width"], height=height)
            page.screenshot(path=path, full_page=True, clip=clip)
        else:
            page.screenshot(path=path)
        with Image.open(path) as image:
            image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def airflow(album: Album, stack: LocalStack, run_id: str) -> None:
    """Save the training's graph, the grid of daily batch predictions, and a DAG's form."""
    with album.page() as page:
        page.goto(stack.airflow_url)
        page.fill("input[name=username]", stack.user)
        page.fill("input[name=password]", stack.password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("Dags").first.wait_for()
        page.goto(f"{stack.airflow_url}/dags/{TRAIN}/runs/{run_id}")
        page.get_by_text("rescore").first.wait_for()
        page.get_by_label("Show Graph").first.click()
        page.get_by_label("Collapse Details Panel").first.click()
        page.locator(".react-flow__node").first.wait_for()
        album.save(page, "airflow-graph")
        page.goto(f"{stack.airflow_url}/dags/batch_prediction_dag")
        page.get_by_label("Show Grid").first.click()
        page.get_by_text("Last 8 Dag Runs").first.wait_for()
        album.save(page, "airflow-grid")
        page.goto(f"{stack.airflow_url}/dags/{TRAIN}")
        page.get_by_role("button", name="Trigger").first.click()
        page.get_by_role("dialog").get_by_text("data_path").first.wait_for()
        album.save(page, "airflow-form")


def mlflow(album: Album, stack: LocalStack, run: str, experiment: str) -> None:
    """Save a training run with its metrics, and the registered model with its aliases."""
    with album.page() as page:
        page.add_init_script(MLFLOW_CHOICES)
        page.goto(f"{stack.mlflow_url}/#/experiments/{experiment}/runs/{run}")
        page.get_by_text("calibration_error").first.wait_for()
        album.save(page, "mlflow-run")
        page.goto(f"{stack.mlflow_url}/#/models/loan_default_model")
        page.get_by_text("production").first.wait_for()
        album.save(page, "mlflow-registry")


def reports(album: Album, stack: LocalStack) -> None:
    """Save the newest day's report, and the overview on a desktop and on a phone."""
    below = stack.folder / "artifacts" / "reports"
    newest = max(below.glob("run_date=*"))
    with album.page() as page:
        page.goto((newest / "drift_report.html").as_uri())
        page.get_by_text("Drift against").first.wait_for()
        album.save(page, "drift-report")
        page.goto((below / "index.html").as_uri())
        album.save(page, "overview", height=860)
    with album.page(phone=True) as page:
        page.goto((below / "index.html").as_uri())
        album.save(page, "overview-phone")


def alerts(album: Album, inbox: Inbox) -> None:
    """Save the newest drift alert as Slack and as a mail program show it."""
    for name, content in (
        ("alert-slack", inbox.slack_page("Drift")),
        ("alert-mail", inbox.mail_page("Drift")),
    ):
        with album.page() as page:
            page.set_viewport_size({"width": 900, "height": 500})
            page.set_content(content)
            height = page.evaluate("document.documentElement.getBoundingClientRect().height")
            album.save(page, name, height=height)


@contextmanager
def serving(stack: LocalStack) -> Iterator[str]:
    """Start a scoring server and yield its URL."""
    (port,) = free_ports(1)
    command = [sys.executable, str(ROOT / "src" / "serve_model.py"), "--port", str(port)]
    with subprocess.Popen(command, cwd=stack.folder, env=stack.environment) as process:
        try:
            transport = httpx.HTTPTransport(retries=8)  # with increasing pauses
            with httpx.Client(transport=transport) as client:
                client.get(f"http://127.0.0.1:{port}/ping").raise_for_status()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def chromium() -> str:
    """Return the path of the installed Chromium."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if not program:
        raise SystemExit("Chromium is missing: install Debian's package chromium")
    return program


def take(stack: LocalStack, inbox: Inbox, run_id: str, program: str, folder: Path) -> None:
    """Take every screenshot."""
    run = stack.api.result(TRAIN, run_id, "train")["run_id"]
    url = f"{stack.mlflow_url}/api/2.0/mlflow/runs/get"
    experiment = httpx.get(url, params={"run_id": run}).json()["run"]["info"]["experiment_id"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        album = Album(browser, folder)
        airflow(album, stack, run_id)
        mlflow(album, stack, run, experiment)
        reports(album, stack)
        alerts(album, inbox)
        with serving(stack) as url, album.page() as page:
            page.goto(f"{url}/docs")
            album.save(page, "serving-docs")
        browser.close()


def main() -> None:
    """Start the servers, simulate the days, take the screenshots, stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=IMAGES)
    parser.add_argument("--keep", action="store_true", help="wait for Enter before the screenshots")
    flags = parser.parse_args()
    program = chromium()
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    inbox = Inbox()
    with tempfile.TemporaryDirectory(prefix="loan-default-") as temporary, receiving(inbox) as told:
        today = {"BATCH_INPUT_PATH": f"{temporary}/day7.csv"}
        stack = LocalStack(Path(temporary), SETTINGS | told | today)
        arguments = ("--rows", str(LOANS), "--seed", "7", "--output-path", "loans.csv")
        with running(stack):
            script(stack, "make_loans", *arguments)
            run_id = simulate(stack)
            if flags.keep:
                print(f"Airflow {stack.airflow_url}, MLflow {stack.mlflow_url}, run {run_id}")
                input(f"user {stack.user}, password {stack.password}; Enter takes the screenshots")
            take(stack, inbox, run_id, program, stack.folder / "images")
            # All or none, so that they all show the same day.
            shutil.copytree(stack.folder / "images", flags.folder, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
