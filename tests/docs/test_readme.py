"""The commands of the pages, run as they stand there: here, or where ELSEWHERE says."""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

import in_process
import workshop_loans
from lendingclub import REASONS
from loan_default.sandbox.local_stack import free_ports
from workspace import QUICK, ROOT

# Where the blocks that are not run here are run: by page and first words, the test.
ELSEWHERE = {
    ("docs/docker.md", "make start"): "test_stopped_and_started_again_everything_is_still_there",
    (
        "docs/cloud-storage.md",
        "gcloud auth login",
    ): "test_every_path_of_every_script_is_in_the_bucket",
    (
        "docs/cloud-storage.md",
        "cat >> .env",
    ): "test_everything_that_the_platform_makes_lies_in_the_bucket",
    ("docs/model-risk.md", "python -c"): "test_why_a_loan_was_declined",
    ("docs/model-risk.md", "cat artifacts"): "test_who_promoted_the_model",
    ("docs/operations.md", "export BACKUP"): "test_a_backup_brings_everything_back",
    ("docs/operations.md", "make clean"): "test_a_backup_brings_everything_back",
    ("docs/operations.md", "for name in"): "test_a_secret_changes_and_nothing_is_lost",
    ("docs/operations.md", "for each in"): "test_a_secret_changes_and_nothing_is_lost",
    ("docs/operations.md", "new=$(head"): "test_a_secret_changes_and_nothing_is_lost",
    ("docs/operations.md", "old=$(sed"): "test_a_secret_changes_and_nothing_is_lost",
}
# Those that no test runs, and why; a person tries them before a release.
BY_HAND = {
    ("docs/tutorial-first-model.md", "make install"): "what .ci/run and CI do on a fresh checkout",
    ("CONTRIBUTING.md", "make install"): "what .ci/run and CI do on a fresh checkout",
    ("docs/operations.md", "account=$(infra"): "needs a Google Cloud project",
    ("docs/operations.md", "gcloud storage ls"): "needs a Google Cloud project",
    ("docs/operations.md", "git pull"): "needs a newer commit than this one",
    ("docs/operations.md", "docker compose exec -T airflow-scheduler python"): "names a version",
    ("docs/operations.md", "docker image prune"): "removes images that are not the platform's",
    ("docs/operations.md", "docker compose up --detach"): "a second scheduler wants more memory",
    ("docs/operations.md", "docker compose run --detach"): "takes the fixed port 5002",
    ("infra/terraform/README.md", "gcloud storage buckets"): "needs a Google Cloud project",
}
LANGUAGES = {"bash", "mermaid", "yaml", "json", "text", "toml"}
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    """Every Markdown file of the repository."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in names.split() if (ROOT / name).exists()]


FENCES = {name: FENCED.findall((ROOT / name).read_text()) for name in pages()}
BLOCKS = {
    name: [textwrap.dedent(text) for _, language, text in found if language == "bash"]
    for name, found in FENCES.items()
}
RUN_HERE: list[tuple[str, str]] = []


def runs(page: str, *starts: str) -> Callable[[Any], Any]:
    """Give a test the page's blocks that begin so, in their order there: without `starts`, all that
    are neither run elsewhere nor by hand."""
    chosen = [
        text
        for text in BLOCKS[page]
        if (text.startswith(starts) if starts else not listed(page, text))
    ]
    assert chosen, f"{page} has no block that begins with {starts}"
    RUN_HERE.extend((page, text) for text in chosen)
    return pytest.mark.parametrize("blocks", [chosen], ids=[page])


def listed(page: str, text: str) -> bool:
    """Whether the block is run elsewhere or by hand."""
    return any(name == page and text.startswith(start) for name, start in (*ELSEWHERE, *BY_HAND))


def looked_after(text: str) -> bool:
    """Whether the block, or the same one of another page, is run or listed."""
    same = {name for name, blocks in BLOCKS.items() if text in blocks}
    return any(listed(name, text) or (name, text) in RUN_HERE for name in same)


@dataclass
class Terminal:
    """A person's terminal in a copy of the checkout, after `source .venv/bin/activate`.

    Scripts run in this process, servers until the end on free ports in place of 5000 and 5001;
    everything else is typed into bash. What is exported stays.
    """

    folder: Path
    environment: dict[str, str]
    ports: dict[str, int]
    servers: ExitStack

    def type(self, block: str) -> str:
        """Run a block; returns what it prints on stdout. Each command must succeed."""
        for port, free in self.ports.items():
            block = block.replace(f"localhost:{port}", f"localhost:{free}")
        printed, waiting = [], []
        for line in block.splitlines():
            command = line.split(" #")[0].rstrip()
            server = re.match(r"python src/serve_model\.py|mlflow ui", command)
            script = re.fullmatch(r"((?:[A-Z_]+=\S+ )*)python src/(\w+)\.py([^|&;<>$]*)", command)
            if not (server or script):
                waiting.append(line)
                continue
            printed.append(self._shell(waiting))
            waiting = []
            if server:
                self._serve(command)
            elif script:
                printed.append(self._script(*script.groups()))
        return "".join([*printed, self._shell(waiting)])

    def _script(self, settings: str, name: str, arguments: str) -> str:
        more = dict(each.split("=", 1) for each in settings.split())
        environment = self.environment | more
        code, out, err = in_process.call(name, shlex.split(arguments), self.folder, environment)
        assert code == 0, err[-3000:]
        return out

    def _shell(self, lines: list[str]) -> str:
        if not lines:
            return ""
        kept = self.folder / ".environment"
        commands = "\n".join([*lines, f"env -0 > {shlex.quote(str(kept))}"])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{commands}\n{done.stderr[-3000:]}"
        pairs = (pair.split("=", 1) for pair in kept.read_text().split("\0") if pair)
        self.environment = {name: value for name, value in pairs if name not in ("_", "SHLVL")}
        return done.stdout

    def _serve(self, command: str) -> None:
        """Start a server and wait until it answers; one that runs already stays."""
        port, ready = ("5000", "/health") if command.startswith("mlflow") else ("5001", "/ready")
        address = f"http://127.0.0.1:{self.ports[port]}{ready}"
        if answers(address):
            return
        process = self.servers.enter_context(
            subprocess.Popen(
                [*command.split(), "--port", str(self.ports[port])],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        self.servers.callback(process.terminate)
        until = time.monotonic() + 300
        while not answers(address):
            assert process.poll() is None, f"{command} ended"
            assert time.monotonic() < until, f"{command} does not answer"
            time.sleep(0.2)


def answers(address: str) -> bool:
    """Whether a server answers there, and well."""
    try:
        return httpx.get(address).is_success
    except httpx.TransportError:
        return False


def results(printed: str) -> list[dict[str, Any]]:
    """The scripts' results, in their order."""
    return [json.loads(line) for line in printed.splitlines() if line.startswith('{"')]


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in a folder where `src` is the checkout's, and all that is written is its own."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "src").symlink_to(ROOT / "src")
    (folder / "data" / "raw").mkdir(parents=True)
    for name in ("batch_input.csv", "sample_input.json"):
        (folder / "data" / name).write_bytes((ROOT / "data" / name).read_bytes())
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ports = dict(zip(("5000", "5001"), free_ports(2), strict=True))
    with ExitStack() as servers:
        yield Terminal(folder, {**kept, **path, **QUICK}, ports, servers)


@pytest.fixture
def second_terminal(terminal: Terminal) -> Iterator[Terminal]:
    """Another one in the same folder, whose settings and server no other page sees."""
    ports = dict(zip(terminal.ports, free_ports(2), strict=True))
    with ExitStack() as servers:
        yield Terminal(terminal.folder, dict(terminal.environment), ports, servers)


@pytest.mark.slow
@runs("docs/tutorial-first-model.md")
def test_from_loans_to_a_served_decision(terminal: Terminal, blocks: list[str]) -> None:
    printed = "".join(terminal.type(block) for block in blocks)
    made, prepared, trained, checked, promoted, scored, answer = results(printed)
    assert made["rows"] == prepared["rows_written"] == 300_000 and prepared["rows_rejected"] == 2
    assert prepared["rows_defaulted"] == 40_363 and prepared["rows_paid"] == 128_497
    assert trained["metrics"]["AUC"] == pytest.approx(0.78, abs=0.01)
    assert trained["promotable"] and not checked["promoted"] and promoted["promoted"]
    assert scored["rows_scored"] == 100 and "'prediction': 1" in printed
    (row,) = answer["predictions"]
    assert row["prediction"] == 1 and 1 <= len(row["reasons"]) <= 4


@pytest.mark.slow
@runs("docs/tutorial-on-call.md")
def test_a_day_on_call(terminal: Terminal, blocks: list[str]) -> None:
    """Goes on from the tutorial before it."""
    quiet, monday, medians, mended, change, bad, back = map(terminal.type, blocks)
    terminal.environment.pop("OUTPUT_PATH")
    assert results(quiet)[-1]["drift"] is False
    alert = results(monday)[-1]
    assert alert["alert_subject"].startswith("Drift on 2026-11-23 (warning): annual_inc")
    (shown,) = (text for _, name, text in FENCES["docs/tutorial-on-call.md"] if name == "text")
    numbers = re.compile(r"(?<![\w-])\d+(\.\d+)?")
    lines = [numbers.sub("N", text).splitlines() for text in (shown, alert["alert_text"])]
    assert lines[0] == lines[1][: len(lines[0])]
    before, after = (float(line.split()[1]) for line in medians.splitlines())
    assert 900 < before / after < 1_100
    assert (results(mended)[-1]["drift"], results(mended)[-1]["alert"]) == (False, False)
    days = [day for day in results(change) if "severity" in day]
    assert [(day["alert"], day["retrain"], day["severity"]) for day in days] == [
        (True, False, "warning"),
        (False, False, "warning"),
        (True, True, "critical"),
    ]
    assert results(bad)[-1]["model_version"] == "2"
    restored, rescored = results(back)[:2]
    assert restored["model_version"] == rescored["model_version"] == "1"
    assert '"event": "promotion"' in back and '"event": "rollback"' in back


@pytest.mark.slow
@runs("docs/another-lender.md", "python src/draft_contract.py")
def test_another_lenders_loans_go_from_a_draft_to_a_served_decision(
    second_terminal: Terminal, blocks: list[str]
) -> None:
    terminal = second_terminal
    names = {"Contract Ref": "LoanNumber", "Start Day": "OpenedOn", "Months Agreed": "TermMonths"}
    loans = workshop_loans.portfolio().rename(names | {"Verdict": "Result"})
    words = {"soured": "bad", "honoured": "good"}
    loans = loans.with_columns(pl.col("Result").replace(words))
    loans.write_csv(terminal.folder / "loans.csv")
    loans.drop("Result", *workshop_loans.LEAKS).write_csv(terminal.folder / "applications.csv")
    eased = {"PROMOTION_AUC_THRESHOLD": "0.6", "PROMOTION_CALIBRATION_TOLERANCE": "0.1"}
    eased["PROMOTION_PRICE_GAIN"] = "-1"
    terminal.environment |= eased | {"CV_FOLDS": "3", "SERVE_ALIAS": "production"}
    drafted, trained, promoted, scored, monitored = results(terminal.type(blocks[0]))
    assert set(drafted["known_afterwards"]) == workshop_loans.LEAKS
    assert 0.6 < trained["metrics"]["AUC"] < 0.75 and promoted["promoted"]
    assert (scored["rows_scored"], scored["rows_rejected"]) == (loans.height, 0)
    assert monitored["model_name"] == "our_loans" and monitored["drift"] is False
    asked = {"term": 24, "credit_amount": 9_000, "turnover": 80_000, "sector": "car repair"}
    body = {"dataframe_records": [asked], "params": {"return": "full"}}
    address = f"http://127.0.0.1:{terminal.ports['5001']}/invocations"
    (answer,) = httpx.post(address, json=body).raise_for_status().json()["predictions"]
    assert 0 < answer["default_probability"] < 1 and answer["unknown"] == []
    assert set(answer["reasons"]) <= {
        "Length of the loan requested",
        "Credit amount",
        "Turnover",
        "Staff",
        "Sector",
    }
    asked["sector"] = "carrepairs"
    (answer,) = httpx.post(address, json=body).raise_for_status().json()["predictions"]
    assert answer["unknown"] == ["sector 'carrepairs'"]


@pytest.mark.slow
@runs("docs/pipeline.md", "python src/make_loans.py")
def test_the_pipeline_runs_step_by_step(terminal: Terminal, blocks: list[str]) -> None:
    made, prepared, trained, promoted, scored, monitored = results(terminal.type(blocks[0]))
    assert made["rows"] == prepared["rows_written"] == 300_000
    assert trained["promotable"] and promoted["promoted"]
    assert scored["rows_in"] == scored["rows_scored"] + scored["rows_rejected"] > 0
    assert monitored["run_date"] == scored["run_date"]
    assert "MLflow" in httpx.get(f"http://localhost:{terminal.ports['5000']}/").text


@pytest.mark.slow
@runs("docs/monitoring.md")
def test_a_day_is_monitored_with_and_without_outcomes(
    terminal: Terminal, blocks: list[str]
) -> None:
    terminal.type(
        "head -5000 data/raw/loans.csv > some.csv; cut -d, -f1,17 some.csv > outcomes.csv"
    )
    assert (terminal.folder / "outcomes.csv").read_text().startswith("id,loan_status\n")
    _, labelled = results(terminal.type(blocks[0]))
    assert labelled["labels"]["rows_in"] == 4_999


@pytest.mark.slow
@runs("docs/serving.md")
def test_the_request_gets_the_answer_that_stands_below_it(
    terminal: Terminal, blocks: list[str]
) -> None:
    printed = terminal.type(blocks[0])
    assert f"# {printed.strip()}" == blocks[0].splitlines()[-1]


@pytest.mark.slow
@runs("README.md", "curl")
def test_the_answer_is_like_the_one_below_its_request(
    terminal: Terminal, blocks: list[str]
) -> None:
    (text,) = [text for _, language, text in FENCES["README.md"] if language == "json"]
    (shown,), (row,) = (
        json.loads(answer)["predictions"] for answer in (text, terminal.type(blocks[0]))
    )
    assert shown.keys() == row.keys() and shown["prediction"] == row["prediction"] == 1
    assert {*shown["reasons"], *row["reasons"]} <= set(REASONS.values())


@runs("README.md", "git clone")
def test_the_quick_start_begins_with_a_clone(tmp_path: Path, blocks: list[str]) -> None:
    """What its second line, `make demo`, does is test_run_demo.py's matter."""
    clone, demo = blocks[0].splitlines()
    typed = f"{clone.replace('URL', str(ROOT))}; {demo} --dry-run VENV=venv"
    done = subprocess.run(
        ["bash", "-euc", typed], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].startswith("venv/bin/python src/run_demo.py")


@pytest.mark.slow
@runs("docs/promotion.md")
def test_the_gate_is_asked_before_it_is_used(terminal: Terminal, blocks: list[str]) -> None:
    checked, promoted = results(terminal.type(blocks[0]))
    assert checked["promoted"] is False and promoted["promoted"] is True
    assert {check["name"] for check in checked["checks"]} >= {"AUC", "F1", "calibration_error"}


@runs("docs/dags.md")
def test_the_connections_are_connections(terminal: Terminal, blocks: list[str]) -> None:
    terminal.type(blocks[0])
    slack, smtp = (
        json.loads(terminal.environment.pop(f"AIRFLOW_CONN_{name}"))
        for name in ("SLACK_WEBHOOK", "SMTP_DEFAULT")
    )
    assert slack["conn_type"] == "slackwebhook" and slack["password"].startswith("https://")
    assert smtp["conn_type"] == "smtp" and {"from_email", "to"} <= set(smtp["extra"])


def test_every_block_of_commands_is_run_or_listed() -> None:
    forgotten = [
        (page, text) for page, blocks in BLOCKS.items() for text in blocks if not looked_after(text)
    ]
    assert forgotten == []


def test_what_is_listed_is_there() -> None:
    for page, start in (*ELSEWHERE, *BY_HAND):
        assert any(text.startswith(start) for text in BLOCKS[page]), f"{page}: {start}"
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert {name for name in ELSEWHERE.values() if f"def {name}" not in tests} == set()


def test_every_fence_says_its_language() -> None:
    unknown = {page: {name for _, name, _ in found} - LANGUAGES for page, found in FENCES.items()}
    assert {page: names for page, names in unknown.items() if names} == {}


@pytest.mark.parametrize("page", [page for page in BLOCKS if BLOCKS[page]])
def test_every_block_is_bash(page: str) -> None:
    for text in BLOCKS[page]:
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), text
