"""The commands with which docs/model-risk.md answers a risk officer, as they stand there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scoring_server import copy_of, running_server
from workspace import ROOT, Workspace

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "model-risk.md").read_text()
LOAN = "1004999"


def answers(heading: str, workspace: Workspace) -> list[str]:
    """What each command under a heading prints, run in the workspace's folder."""
    (part,) = re.findall(rf"^### {heading}\n(.*?)(?=^#+ )", PAGE, re.MULTILINE | re.DOTALL)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return [
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=workspace.folder,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in re.findall(r"```bash\n(.*?)```", part, re.DOTALL)
    ]


@pytest.fixture(scope="module")
def lender(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a promoted version, a scored day and a served application."""
    made = copy_of(
        trained,
        tmp_path_factory.mktemp("lender"),
        PROMOTION_AUC_THRESHOLD="0.5",
        PROMOTION_PRICE_GAIN="-1",
    )
    assert made.run("promote_model", "--triggered-by", "a person").result["promoted"]
    made.run("batch_predict", "--input-path", ROOT / "data" / "batch_input.csv").result
    sample = json.loads((ROOT / "data" / "sample_input.json").read_text())["dataframe_split"]
    row = dict(zip(sample["columns"], sample["data"][0], strict=True)) | {"id": LOAN}
    with running_server(made, SERVE_LOG_SECONDS="0.2") as server:
        server.serves("1")
        body = json.dumps({"dataframe_records": [row]}).encode()
        assert server.post(body, **{"X-Request-ID": "asked-once"}).is_success
        server.stop()
    return made


def test_why_a_loan_was_declined(lender: Workspace) -> None:
    batch, online, again = answers(f"Why was loan {LOAN} declined\\?", lender)
    assert f"'id': '{LOAN}'" in batch and "'prediction': 1" in batch
    (reasons,) = re.findall(r"'reasons': \[(.+?)\]", batch)
    assert all(reason in again for reason in reasons.split(", "))
    assert "asked-once" in online and "'reasons'" not in online


def test_who_promoted_the_model(lender: Workspace) -> None:
    (event,) = map(
        json.loads, answers("Who promoted this model, when, by which metrics\\?", lender)
    )
    assert (event["triggered_by"], event["model_version"]) == ("a person", "1")
    assert {check["name"] for check in event["checks"]} >= {"AUC", "F1", "calibration_error"}


def test_which_data_taught_it(lender: Workspace) -> None:
    (told,) = answers("Which data was it trained on\\?", lender)
    facts = dict(line.split(" ", 1) for line in told.splitlines())
    assert facts["data_path"].endswith("loans.csv") and len(facts["data_digest"]) == 64
    assert facts["fit_through"] < facts["test_from"] <= facts["test_through"]
