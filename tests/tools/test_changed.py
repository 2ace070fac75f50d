"""Which changes need the full run of CI."""

import subprocess
from pathlib import Path

import pytest

from workspace import ROOT

PAGE = "# Page\nProse.\n```bash\nmake start\n```\nMore prose.\n"
FIRST = {"README.md": PAGE, "docs/page.md": PAGE, "docs/picture.png": "a", "src/code.py": "1\n"}
PERSON = ("-c", "user.name=x", "-c", "user.email=x@lender.example")


def git(folder: Path, *arguments: str) -> None:
    """Run git in the folder."""
    subprocess.run(["git", *PERSON, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, files: dict[str, str]) -> None:
    """Commit the files with these contents."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "--message", "A step")


def judged(folder: Path, base: str) -> str:
    """What the script says about the commits since the base."""
    command = ["bash", str(ROOT / "tools" / "changed.sh"), base]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    git(tmp_path, "init")
    commit(tmp_path, FIRST)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"README.md": PAGE.replace("Prose", "Better prose")}, False),
        ({"docs/new.md": "Only prose.\n", "docs/picture.png": "b"}, False),
        ({"docs/page.md": PAGE.replace("start", "stop")}, True),
        ({"docs/new.md": PAGE}, True),
        ({"src/code.py": "2\n", "README.md": "Prose.\n" + PAGE}, True),
        ({".github/workflows/ci.yaml": "name: CI\n"}, True),
    ],
    ids=["prose", "page", "command", "new command", "code", "workflow"],
)
def test_prose_and_pictures_need_no_full_run(
    repository: Path, files: dict[str, str], code: bool
) -> None:
    commit(repository, files)
    assert judged(repository, "HEAD~1") == f"code={str(code).lower()}\n"


def test_all_commits_since_the_base_count(repository: Path) -> None:
    commit(repository, {"src/code.py": "2\n"})
    commit(repository, {"README.md": "Prose.\n" + PAGE})
    assert judged(repository, "HEAD~1") == "code=false\n"
    assert judged(repository, "HEAD~2") == "code=true\n"


def test_without_its_base_everything_runs(repository: Path) -> None:
    assert judged(repository, "0" * 40) == "code=true\n"
