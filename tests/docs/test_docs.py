"""What the documentation names exists: links, files, flags, make targets, settings, rooms."""

import inspect
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from loan_default import cli
from loan_default.settings import Settings
from workspace import ROOT

PACKAGE = ROOT / "src" / "loan_default"
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "infra" / "terraform" / "README.md",
    ]
)
# Names in capitals that are no settings: of Google's and Airflow's own, and placeholders.
OTHER_CAPITALS = re.compile(
    r"AIRFLOW__\w+|AIRFLOW_CONN_\w+|[A-Z]+_[A-Z]+_(ID|VERSION)|PROJECT_ID|OLD_KEY_ID|"
    r"STORAGE_EMULATOR_HOST|RUN_INTEGRATION_TESTS|REAL_LOANS|TRAINING_SETTINGS|"
    r"KNOWN_AFTERWARDS|RAW_SOURCE|"
    r"GATE_SETTINGS|ON_ERROR_STOP"
)

NETWORKS = ("database", "platform")
FOLDERS = ("src", "airflow", "infra", "tests", "docs", "benchmarks", "tools")
# A path from the repository's root; NAME stands for any.
PATH = re.compile(rf"(?<![\w/.$-])(?:{'|'.join(FOLDERS)})/(?!NAME)[\w./-]*\w")


@pytest.fixture(params=PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def code_spans(path: Path) -> list[str]:
    """What stands in backticks, and the lines of code blocks."""
    text = path.read_text()
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    plain = re.sub(r"^ *```\w*\n.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.split(" #")[0] for block in blocks for line in block.splitlines()]
    return [*re.findall(r"`([^`\n]+)`", plain), *lines]


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to the page's headings."""
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?://|mailto:", target):
            continue
        if workflow := re.fullmatch(r"\.\./\.\./actions/workflows/([\w.]+)(/badge\.svg)?", target):
            # Of GitHub, relative to the repository's page
            target = f".github/workflows/{workflow[1]}"
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        if not found.exists() or anchor and anchor not in anchors(found):
            broken.append(target)
    assert broken == []


def test_every_page_of_docs_begins_with_the_question_that_it_answers() -> None:
    for path in (ROOT / "docs").rglob("*.md"):
        title, empty, first = path.read_text().splitlines()[:3]
        dated = re.fullmatch(r"Status: \w.*Date: \d{4}-\d\d-\d\d\.", first)
        asked = re.fullmatch(r"\*[A-Z].+\?\*", first)
        decision = path.parent.name == "adr" and path.name != "README.md"
        assert title.startswith("# ") and not empty and (dated if decision else asked), path


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 170
    assert [line for line in lines if len(line) > 120] == []


def test_the_badges_are_true() -> None:
    badges = {
        name: text.replace("--", "-")
        for name, text in re.findall(
            r"img\.shields\.io/badge/(\w+)-(.+)-\w+\)", unquote((ROOT / "README.md").read_text())
        )
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lowest, above = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()
    (least,) = re.findall(r"--cov-fail-under=(\d+)", (ROOT / "Makefile").read_text())
    assert badges == {
        "coverage": f"at least {least}%",
        "python": f"3.{lowest} to 3.{int(above) - 1}",
        "licence": project["license"],
    }


@pytest.mark.parametrize("heading", ["How good is the model?", "Performance"])
def test_the_readme_and_the_benchmarks_state_the_same_figures(heading: str) -> None:
    section = (ROOT / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    table = "".join(re.findall(r"^\|.*", section, re.MULTILINE))
    figures = re.findall(r"0\.\d{3}|\d[\d,.]*(?:%| s| ms| MiB)(?!\w)", table)
    benchmarks = (ROOT / "docs" / "benchmarks.md").read_text()
    assert len(figures) > 8 and {each for each in figures if each not in benchmarks} == set()


def test_prose_is_at_most_120_characters_wide() -> None:
    generated = {ROOT / "docs" / name for name in ("data-contract.md", "settings.md")}
    for path in set((ROOT / "docs").rglob("*.md")) - generated:
        text = re.sub(r"^ *```.*?^ *```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        wide = [
            line
            for line in text.splitlines()
            if len(line) > 120 and not re.match(r" *(\||!\[|`\S)", line)
        ]
        assert wide == [], path
        assert re.findall(r"\d %(?=\W)", text) == [], path


def test_every_flag_of_a_script_exists(page: Path) -> None:
    scripts = {path.name: path for folder in ("src", "benchmarks") for path in in_folder(folder)}
    for span in code_spans(page):
        for script, rest in re.findall(r"(\w+\.py)\b([^|&;]*)", span):
            if script in scripts:
                known = flags_of(scripts[script].read_text())
                assert set(re.findall(r"(?<!\S)(--[a-z-]+)", rest)) <= known, span


def flags_of(script: str) -> set[str]:
    """The flags in a script's text, with those that a helper of cli.py adds."""
    helpers = [getattr(cli, name) for name in re.findall(r"cli\.(add_\w+)\(", script)]
    texts = [script, *map(inspect.getsource, helpers)]
    return {flag for text in texts for flag in re.findall(r'"(--[a-z-]+)"', text)}


def in_folder(name: str) -> list[Path]:
    """The scripts that lie in a folder of the repository."""
    return list((ROOT / name).glob("*.py"))


def test_every_path_exists(page: Path) -> None:
    names = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")}
    for span in code_spans(page):
        for path in PATH.findall(span):
            assert (ROOT / path).exists() or not_kept(path), f"{path} in `{span}`"
        if re.fullmatch(r"[\w-]+\.(py|sh|tf)", span):
            assert span in names, span


def not_kept(path: str) -> bool:
    """Whether git ignores the path: a person makes it."""
    return not subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT).returncode


def test_every_setting_exists(page: Path) -> None:
    example = (ROOT / ".env.example").read_text()
    known = set(re.findall(r"^# ([A-Z0-9_]+)=", example, re.MULTILINE))
    known |= {name.upper() for name in Settings.model_fields}
    # What scripts of the shell and the Makefile read for themselves.
    for path in (ROOT / "Makefile", *(ROOT / "airflow").glob("*.sh"), ROOT / "docker-compose.yaml"):
        known |= set(re.findall(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b", path.read_text()))
    named = {
        name
        for span in code_spans(page)
        for name in re.findall(r"(?<![\w/])([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)(?![\w…])", span)
    }
    assert {name for name in named - known if not OTHER_CAPITALS.fullmatch(name)} == set()


def test_every_secret_has_steps_to_change_it() -> None:
    secrets = set(re.findall(r"([A-Z_]+):\?", (ROOT / "docker-compose.yaml").read_text()))
    guide = (ROOT / "docs" / "operations.md").read_text().split("## Secrets")[1]
    steps = "".join(re.findall(r"```bash\n(.*?)```", guide, re.DOTALL))
    assert len(secrets) > 8 and {name for name in secrets if name not in steps} == set()


def test_the_decision_on_the_locks_counts_their_packages() -> None:
    (page,) = (ROOT / "docs" / "adr").glob("0010-*.md")
    rows = re.findall(r"^\| `(requirements\S*\.txt)` \|.*\| (\d+) \|$", page.read_text(), re.M)
    assert len(rows) == 4
    for name, count in rows:
        locked = re.findall(r"^([\w.-]+)(?:\[.*\])?==", (ROOT / name).read_text(), re.M)
        assert len(set(locked)) == int(count), name


def test_the_table_of_services_is_that_of_the_stack() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)`[^|]* \| (yes)? ?\| (yes)? ?\|.*\| (\d*) ?\|$", text, re.M)
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    assert {name: facts for name, *facts in rows} == {
        name: [
            *("yes" if network in found["networks"] else "" for network in NETWORKS),
            "".join(port.rpartition(":")[2] for port in found.get("ports", [])),
        ]
        for name, found in services.items()
    }


def test_the_architecture_names_every_module_of_every_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `loan_default/([\w/]*)` \| (.*?) \|", text, re.M)
    listed = {(folder, name) for folder, cell in rows for name in re.findall(r"`(\w+)`", cell)}
    files = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]
    assert listed == {
        (file.parent.as_posix().replace(".", ""), file.stem)
        for file in files
        if file.stem != "__init__"
    }
