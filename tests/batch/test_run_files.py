import json
from datetime import date
from pathlib import Path

import pytest

from loan_default import storage
from loan_default.batch.run_files import DATA_FILES, RunFiles, marked_date, runs_of, scored_dates
from loan_default.errors import InputError

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)


def publish(root: Path, day: date, text: str = "data", batch: str | None = None) -> RunFiles:
    run = RunFiles(str(root / "out"), day, batch)
    here = root / "here"
    here.mkdir(exist_ok=True)
    for name in DATA_FILES:
        (here / name).write_text(text)
    digests = {name: storage.digest(str(here / name)) for name in DATA_FILES}
    run.publish(here, {"digests": digests | {"input": "whatever"}})
    return run


def test_a_published_run_is_complete_and_marked(tmp_path: Path) -> None:
    run = publish(tmp_path, DAY)
    assert marked_date(run.root) == DAY
    assert set(run.complete_manifest()["digests"]) == {*DATA_FILES, "input"}
    assert Path(storage.read_text(run.marker).strip()).read_text() == "data"


def test_the_marker_never_moves_to_an_older_date(tmp_path: Path) -> None:
    publish(tmp_path, NEXT)
    older = publish(tmp_path, DAY)
    assert marked_date(older.root) == NEXT
    assert older.complete_manifest()


def test_a_further_run_of_a_date_has_a_folder_of_its_own(tmp_path: Path) -> None:
    first = publish(tmp_path, DAY, "first")
    for name in ("b", "a"):
        publish(tmp_path, DAY, name, name)
    publish(tmp_path, NEXT, batch="only")
    found = runs_of(first.root, DAY)
    assert [run.batch for run in found] == [None, "a", "b"]
    assert [run.name for run in found] == ["2026-03-01", "2026-03-01/a", "2026-03-01/b"]
    assert all(run.complete_manifest() for run in found)
    assert Path(found[1].path(DATA_FILES[0])).read_text() == "a"
    assert "/run_date=2026-03-01/batch=a/" in found[1].path(DATA_FILES[0])
    assert scored_dates(first.root) == [DAY, NEXT] and marked_date(first.root) == NEXT
    assert runs_of(first.root, date(2026, 3, 3)) == []


def test_the_marker_moves_to_a_newer_date(tmp_path: Path) -> None:
    publish(tmp_path, DAY)
    assert marked_date(publish(tmp_path, NEXT).root) == NEXT


def test_there_is_no_marker_before_the_first_run(tmp_path: Path) -> None:
    assert marked_date(str(tmp_path)) is None


def test_a_run_without_manifest_is_not_complete(tmp_path: Path) -> None:
    run = publish(tmp_path, DAY)
    Path(run.path("manifest.json")).unlink()
    assert run.manifest() is None
    with pytest.raises(InputError, match="no complete run of 2026-03-01.*--run-date 2026-03-01"):
        run.complete_manifest()


@pytest.mark.parametrize("name", DATA_FILES)
def test_a_file_that_is_not_what_the_manifest_says_makes_the_run_incomplete(
    tmp_path: Path, name: str
) -> None:
    run = publish(tmp_path, DAY)
    Path(run.path(name)).write_text("other")
    with pytest.raises(InputError, match=f"{name} does not match its manifest"):
        run.complete_manifest()


def test_a_manifest_or_marker_that_was_edited_is_named(tmp_path: Path) -> None:
    run = publish(tmp_path, DAY)
    Path(run.path("manifest.json")).write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        run.manifest()
    Path(run.marker).write_text("somewhere")
    with pytest.raises(InputError, match="names no run"):
        marked_date(run.root)


def test_the_manifest_is_written_after_the_data_and_before_the_marker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    publish_one, write_text = storage.publish, storage.write_text

    def publishing(local: Path, path: str) -> None:
        order.append(Path(path).name)
        publish_one(local, path)

    monkeypatch.setattr(storage, "publish", publishing)
    monkeypatch.setattr(
        storage, "write_text", lambda p, t: (order.append(Path(p).name), write_text(p, t))
    )
    run = publish(tmp_path, DAY)
    names = [name for name in dict.fromkeys(order)]
    assert names == [*DATA_FILES, "manifest.json", "latest_prediction.txt"]
    assert json.loads(Path(run.path("manifest.json")).read_text())
