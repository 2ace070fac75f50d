"""The scoring server as a process: an alias that moves, a registry that is away."""

import concurrent.futures
import json
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from loan_default.model import artifact
from loan_default.sandbox.local_stack import LocalStack, free_ports
from scoring_server import DECISION, NAME, SAMPLE, add_version, copy_of, point, running_server
from workspace import Workspace

pytestmark = pytest.mark.slow


# The alias


def _cut(folder: Path) -> None:
    whole = (folder / artifact.BOOSTER).read_bytes()
    (folder / artifact.BOOSTER).write_bytes(whole[: len(whole) // 2])


def _other_scores(folder: Path) -> None:
    facts = json.loads((folder / artifact.FACTS).read_text())
    facts["calibration"]["intercept"] += 0.01
    (folder / artifact.FACTS).write_text(json.dumps(facts))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "an empty booster": (lambda to: (to / artifact.BOOSTER).write_bytes(b""), "SIGABRT"),
    "half a booster": (_cut, ""),
    "other scores": (_other_scores, "does not reproduce its stored scores"),
    "no self-check": (lambda to: (to / artifact.SELF_CHECK).unlink(), "self_check.parquet"),
    "a damaged self-check": (
        lambda to: (to / artifact.SELF_CHECK).write_bytes(b"PAR1PAR1"),
        "ComputeError",
    ),
    "facts of another code": (
        lambda to: (to / artifact.FACTS).write_text("[]"),
        "holds no model of this platform",
    ),
}


def test_a_broken_version_is_refused_and_the_old_one_stays(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    broken = {add_version(workspace, change): says for change, says in BROKEN.values()}
    good = add_version(workspace)
    cache = tmp_path / "cache"
    with running_server(workspace, SERVE_CACHE_PATH=str(cache)) as found:
        found.serves("1")
        for count, (number, says) in enumerate(broken.items(), start=1):
            point(workspace, number)
            state = found.until(lambda state, number=number: number in state["refused"])
            assert says in state["refused"][number]
            assert (state["ready"], state["model_version"]) == (True, "1")
            assert found.post().json() == DECISION
            assert found.metric("serve_refused_versions") == 1
            assert found.metric("serve_refusals_total") == count
        time.sleep(1)
        # Tried once: five looks later there has been no other try.
        refusals = [line for line in found.lines() if line["message"] == "version rejected"]
        assert [line["model_version"] for line in refusals] == list(broken)
        point(workspace, good)
        assert found.serves(good)["refused"] == {}
        assert found.post().headers["X-Model-Version"] == good
        kept = {"served.json", f"{NAME}-{good}"}
        found.until(lambda _: {path.name for path in cache.iterdir()} == kept)


def test_a_version_whose_files_are_away_is_tried_again(trained: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(trained, tmp_path)
    number = add_version(workspace)
    (folder,) = (tmp_path / "versions").iterdir()
    folder.rename(tmp_path / "away")
    with running_server(workspace) as found:
        found.serves("1")
        point(workspace, number)
        state = found.until(lambda state: number in state["refused"])
        assert "could not be fetched" in state["refused"][number]
        (tmp_path / "away").rename(folder)
        found.serves(number)


def test_an_alias_that_moves_on_does_not_wait_for_the_next_try_of_a_version(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    gone, good = add_version(workspace), add_version(workspace)
    shutil.rmtree(min((tmp_path / "versions").iterdir()))
    point(workspace, gone)
    # The fourth try comes eight seconds after the third.
    with running_server(workspace, SERVE_POLL_SECONDS="1") as found:
        for tries in (1, 2, 3):
            found.until(lambda _, tries=tries: found.metric("serve_refusals_total") >= tries)
        point(workspace, good)
        started = time.monotonic()
        found.serves(good)
        assert time.monotonic() - started < 7


def test_the_alias_is_followed_under_load_without_a_failed_request(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    numbers = ["1", *(add_version(workspace) for _ in range(2))]
    with running_server(workspace) as found:
        found.serves("1")
        done = False

        def load() -> list[httpx.Response]:
            answers = []
            with httpx.Client(base_url=found.http.base_url, timeout=30) as one:
                last = False
                while not last:
                    # The last one is asked when the last switch is over
                    last = done
                    headers = {"Content-Type": "application/json"}
                    answers.append(one.post("/invocations", content=SAMPLE, headers=headers))
                    time.sleep(0.002)
            return answers

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            loads = [pool.submit(load) for _ in range(2)]
            for number in (numbers[1], numbers[2], numbers[0]):
                point(workspace, number)
                found.serves(number)
            done = True
            seen = [one.result() for one in loads]
    for answers in seen:
        assert {answer.status_code for answer in answers} == {200}
        versions = [answer.headers["X-Model-Version"] for answer in answers]
        changes = [v for v, before in zip(versions, ["", *versions]) if v != before]
        assert changes == ["1", *numbers[1:], "1"]


def test_only_promoted_versions_serve_behind_production(trained: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(trained, tmp_path)
    with running_server(workspace, SERVE_ALIAS="production") as found:
        time.sleep(1)
        assert found.post().status_code == 503
        gate = {"PROMOTION_AUC_THRESHOLD": "0.5", "PROMOTION_CALIBRATION_TOLERANCE": "1"}
        gate["PROMOTION_PRICE_GAIN"] = "-1"
        assert workspace.run("promote_model", **gate).result["promoted"] is True
        assert found.serves("1")["passed_gate"] is True
        assert found.metric("serve_gate_passed") == 1


# The registry


def test_the_registry_stopped_and_started(trained: Workspace, tmp_path: Path) -> None:
    stack = LocalStack(copy_of(trained, tmp_path).folder)
    (tmp_path / "logs").mkdir()
    workspace = Workspace(tmp_path, {"SERVE_CACHE_PATH": str(tmp_path / "cache")})
    number = add_version(workspace)
    over_http = {"MLFLOW_TRACKING_URI": stack.mlflow_url}
    try:
        stack.start_mlflow()
        with running_server(workspace, **over_http) as found:
            found.serves("1")
            stack.kill("mlflow")
            found.until(lambda state: state["registry"] != "up")
            assert found.post().json() == DECISION
            assert found.metric("serve_registry_up") == 0
        # A server that starts meanwhile serves what it served last.
        with running_server(workspace, **over_http) as found:
            state = found.serves("1")
            found.until(lambda state: state["registry"] != "up")
            assert found.post().json() == DECISION
            point(workspace, number)
            stack.start_mlflow()
            assert found.serves(number)["registry"] == "up"
            assert state["ready"]
    finally:
        stack.stop()


def test_without_a_kept_version_and_a_registry_the_reason_is_told(workspace: Workspace) -> None:
    (port,) = free_ports(1)
    uri = f"http://127.0.0.1:{port}"
    with running_server(workspace, MLFLOW_TRACKING_URI=uri) as found:
        found.until(lambda state: "does not answer" in state["registry"])
        asked = found.post()
        assert asked.status_code == 503
        assert "the registry does not answer" in asked.json()["message"]


def test_a_registry_that_keeps_everybody_waiting_delays_neither_start_nor_stop(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path, SERVE_CACHE_PATH=str(tmp_path / "cache"))
    with running_server(workspace) as found:
        found.serves("1")
        found.stop()
    # The system takes the connections; nobody reads from them.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with running_server(workspace, MLFLOW_TRACKING_URI=uri) as found:
            state = found.serves("1")
            assert state["registry"] == "the registry has not answered yet"
            assert found.post().json() == DECISION
            started = time.monotonic()
            found.stop()
            assert time.monotonic() - started < 8


def test_a_kept_version_whose_files_have_changed_is_not_loaded(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    cache = tmp_path / "cache"
    with running_server(workspace, SERVE_CACHE_PATH=str(cache)) as found:
        found.serves("1")
        found.stop()
    (cache / f"{NAME}-1" / artifact.BOOSTER).write_bytes(b"")
    with running_server(workspace, SERVE_CACHE_PATH=str(cache)) as found:
        found.serves("1")
        warned = [line for line in found.lines() if line["message"] == "cached version not usable"]
        assert len(warned) == 1 and "have changed" in warned[0]["error"]


def test_a_cache_that_cannot_be_written_to_does_not_end_the_service(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    cache = tmp_path / "cache"
    # A folder where the file shall be: nothing can replace it, not even root.
    (cache / "served.json").mkdir(parents=True)
    with running_server(workspace, SERVE_CACHE_PATH=str(cache)) as found:
        found.serves("1")
        assert found.post().json() == DECISION
        found.until(lambda _: "version not cached" in found.log.read_text())
