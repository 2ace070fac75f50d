"""The platform in Docker with `GCS_BUCKET`, on a process that speaks Cloud Storage's protocol."""

import ipaddress
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from cloud_storage import BUCKET, Emulator, reached_at
from docker_stack import SAMPLE, DockerStack
from loan_default import storage
from waiting import wait_for
from workspace import Workspace

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

# Where the emulator is for the containers that use the bucket; the real service needs nothing.
OVERRIDE = """\
services:
  airflow-scheduler: &reach
    environment: {{STORAGE_EMULATOR_HOST: "{url}"}}
  mlflow: *reach
  serve: *reach
"""
SUBNET = "{{(index .IPAM.Config 0).Subnet}}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerStack]:
    """A stack that keeps everything in a bucket, with generated loans in it."""
    folder = tmp_path_factory.mktemp("stack")
    # This machine under the one address that its containers reach, too.
    # It is the network's first; an engine that was restarted no longer names it as the gateway.
    asked = ["docker", "network", "inspect", "bridge", "--format", SUBNET]
    subnet = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    gateway = next(ipaddress.ip_network(subnet).hosts())
    emulator = Emulator(tmp_path_factory.mktemp("emulator"), host=str(gateway))
    emulator.start()
    made = DockerStack(folder, "loan-default-test-bucket")
    raw = f"{BUCKET}/raw/loans.csv"
    with reached_at(emulator.url):
        arguments = ("--rows", "20000", "--seed", "11", "--output-path", raw)
        assert Workspace(emulator.cwd).run("make_loans", *arguments).code == 0
        made.configure(
            GCS_BUCKET="loans",
            TRAIN_DATA_PATH=raw,
            PROMOTION_AUC_THRESHOLD="0.5",
            PROMOTION_PRICE_GAIN="-1",
            SERVE_LOG_SECONDS="1",
        )
        (folder / "docker-compose.override.yaml").write_text(OVERRIDE.format(url=emulator.url))
        made.remove_leftovers()
        made.make("start")
        yield made
        made.remove()
    emulator.kill()


def test_everything_that_the_platform_makes_lies_in_the_bucket(stack: DockerStack) -> None:
    stack.train()
    wait_for(lambda: stack.post(SAMPLE).is_success)
    wait_for(lambda: storage.files_below(f"{BUCKET}/online"))
    marker = storage.read_text(f"{BUCKET}/predictions/latest_prediction.txt").strip()
    assert marker.startswith(f"{BUCKET}/predictions/run_date=") and storage.exists(marker)
    for folder in ("prepared", "mlflow", "reports", "promotions"):
        assert storage.files_below(f"{BUCKET}/{folder}"), folder
    ready = httpx.get(f"{stack.url('serve')}/ready").json()
    assert (ready["ready"], ready["model_version"]) == (True, "1")
    left = "import pathlib; print([p for p in pathlib.Path('artifacts').rglob('*') if p.is_file()])"
    assert stack.python("airflow-scheduler", left).strip() == "[]"


def test_a_bucket_that_is_away_is_named(stack: DockerStack) -> None:
    assert "the bucket gs://loans can be reached" in stack.make("troubleshoot")
    settings = stack.folder / ".env"
    settings.write_text(settings.read_text().replace("GCS_BUCKET=loans", "GCS_BUCKET=nowhere"))
    said = stack.make("troubleshoot", code=2)
    assert "the bucket gs://nowhere cannot be reached: " in said and "Traceback" not in said
