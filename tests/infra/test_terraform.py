"""Terraform's files as far as they can be checked without its provider, and what runs it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from loan_default import settings
from workspace import ROOT

FOLDER = ROOT / "infra" / "terraform"
terraform = shutil.which("terraform")
needs_terraform = pytest.mark.skipif(not terraform, reason="terraform is not on this machine")


@needs_terraform
def test_the_files_are_formatted() -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", "-recursive", str(FOLDER)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_every_variable_is_checked_and_every_check_is_tested() -> None:
    text = (FOLDER / "variables.tf").read_text()
    blocks = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL)
    checked = {name for name, block in blocks if "validation {" in block}
    # Nothing but true and false passes for these.
    assert {name for name, _ in blocks} - checked == {"force_destroy", "customer_managed_key"}
    tests = (FOLDER / "tests" / "variables.tftest.hcl").read_text()
    assert set(re.findall(r"expect_failures = \[var\.(\w+)\]", tests)) == checked


def test_the_example_names_every_variable_that_a_lender_sets() -> None:
    variables = re.findall(
        r'^variable "(\w+)"', (FOLDER / "variables.tf").read_text(), re.MULTILINE
    )
    example = (FOLDER / "terraform.tfvars.example").read_text()
    named = re.findall(r"^(?:# )?(\w+) += ", example, re.MULTILINE)
    assert set(variables) - set(named) == {"force_destroy"}
    assert set(named) <= set(variables)


def test_what_grows_cold_lies_where_the_platform_writes_it() -> None:
    (prefixes,) = re.findall(r"results = \[(.+)\]", (FOLDER / "main.tf").read_text())
    source = "".join(path.read_text() for path in (ROOT / "src" / "loan_default").rglob("*.py"))
    for prefix in re.findall(r'"([^"]+)"', prefixes):
        folder, day = prefix.split("/")
        assert re.search(rf'"{folder}", f"{day}\{{', source), prefix
    # Nothing that is kept may begin like what is deleted.
    assert not settings.BUCKET_PATHS["mlflow_artifact_root"].startswith("/tmp")


def run(folder: Path, *arguments: str, programs: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a copy of terraform.sh with nothing but the basic programs and `programs` on PATH."""
    here = folder / "infra" / "terraform"
    here.mkdir(parents=True, exist_ok=True)
    shutil.copy(FOLDER / "terraform.sh", here)
    shutil.copy(ROOT / "docker-compose.yaml", folder)
    found = folder / "bin"
    found.mkdir(exist_ok=True)
    for name in ("bash", "dirname", "grep", "tr", "sort", "id"):
        (found / name).unlink(missing_ok=True)
        (found / name).symlink_to(str(shutil.which(name)))
    for name in programs.split():
        (found / name).write_text(f'#!{shutil.which("bash")}\necho {name} "$@"\n')
        (found / name).chmod(0o755)
    return subprocess.run(
        [str(found / "bash"), str(here / "terraform.sh"), *arguments],
        env={"PATH": str(found)},
        capture_output=True,
        text=True,
    )


def test_the_machines_own_terraform_comes_first(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "-upgrade", programs="terraform docker")
    assert done.stdout == f"terraform -chdir={tmp_path}/infra/terraform init -upgrade\n"


def test_without_it_the_container_does_the_same_as_the_same_user(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "-upgrade", programs="docker")
    user = f"{os.getuid()}:{os.getgid()}"
    assert done.stdout == (
        f"docker compose --profile terraform run --rm --user {user} terraform init -upgrade\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a command"),
        (["plan"], "copy terraform.tfvars.example"),
        (["validate"], "make terraform-init"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = run(tmp_path, *arguments, programs="terraform")
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and said in line


def test_neither_program_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "init")
    assert done.returncode == 2
    assert done.stderr == "error: neither terraform nor docker is installed: install one of them\n"
