"""The files that a path stands for."""

import json
from pathlib import Path

import pytest

from loan_default import storage
from loan_default.data import readers, sources
from loan_default.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.csv.gz", "part-00000", "_SUCCESS", ".a.csv.crc", "README.md"):
        (tmp_path / name).write_text(name)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "c.parquet").write_text("c")
    (tmp_path / "_temporary").mkdir()
    (tmp_path / "_temporary" / "d.csv").write_text("d")
    return tmp_path


def names(path: str, folder: Path) -> list[str]:
    return [each.removeprefix(f"{folder}/") for each in sources.expand(path)]


def test_a_file_stands_for_itself_whatever_its_name(tmp_path: Path) -> None:
    odd = tmp_path / "loans[1]*.csv"
    odd.write_text("x")
    assert sources.expand(str(odd)) == [str(odd)]
    assert sources.expand(f"{tmp_path}/missing.csv") == [f"{tmp_path}/missing.csv"]
    assert sources.expand("gs://bucket/loans.csv") == ["gs://bucket/loans.csv"]


def test_a_folder_stands_for_the_tables_below_it_in_order(folder: Path) -> None:
    data = ["a.csv.gz", "b.csv", "deep/er/c.parquet", "part-00000"]
    assert names(str(folder), folder) == data
    assert names(f"{folder}/", folder) == data


def test_a_pattern_stands_for_what_matches_and_a_matching_folder_for_its_files(folder) -> None:
    assert names(f"{folder}/?.csv*", folder) == ["a.csv.gz", "b.csv"]
    assert names(f"{folder}/d*", folder) == ["deep/er/c.parquet"]
    assert names(f"{folder}/**/*.parquet", folder) == ["deep/er/c.parquet"]


def test_a_pattern_may_be_relative(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert sources.expand("*.csv") == ["b.csv"]
    assert sources.expand("deep") == ["deep/er/c.parquet"]


def test_a_list_keeps_its_order_and_may_hold_folders_and_patterns(folder: Path) -> None:
    path = json.dumps([f"{folder}/b.csv", f"{folder}/deep", f"{folder}/a*"])
    assert names(path, folder) == ["b.csv", "deep/er/c.parquet", "a.csv.gz"]


@pytest.mark.parametrize("path", ["[]", '["a.csv", 1]', '["a.csv"', "[a.csv]", '[""]'])
def test_a_list_of_something_else_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="is no list of files"):
        sources.expand(path)


@pytest.mark.parametrize("name", ["*.xml", "_temporary/", ""])
def test_a_path_without_tables_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "_temporary").mkdir()
    with pytest.raises(InputError, match="no file to read in"):
        sources.expand(f"{tmp_path}/{name}")


def test_a_column_in_the_name_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loans" / "Issue D=2011").mkdir(parents=True)
    (tmp_path / "loans" / "Issue D=2011" / "part.csv").write_text("x")
    with pytest.raises(InputError, match="holds Issue D in the names of folders"):
        with sources.local_files(str(tmp_path / "loans"), ["id", "issue_d"]):
            pass
    with sources.local_files(str(tmp_path / "loans"), ["id"]) as files:
        assert len(files) == 1


def test_the_digest_of_one_file_is_its_own_and_of_several_depends_on_the_order(folder) -> None:
    one, other = str(folder / "b.csv"), str(folder / "a.csv.gz")
    assert sources.digest([one]) == storage.digest(one)
    digests = {sources.digest(files) for files in ([one], [one, other], [other, one])}
    assert len(digests) == 3


def test_folders_patterns_and_lists_may_be_in_cloud_storage(bucket: str) -> None:
    root = f"{bucket}/of-test-sources"
    for name in ("a.csv", "b.csv", "_SUCCESS"):
        storage.write_text(f"{root}/loans/{name}", f"id\n{name}\n")
    one, other = (f"{root}/loans/{name}.csv" for name in "ab")
    for path in (
        f"{root}/loans",
        f"{root}/loans/",
        f"{root}/loans/*.csv",
        json.dumps([one, other]),
    ):
        assert sources.expand(path) == [one, other]
    with readers.open_table(f"{root}/loans/", ["id"]) as table:
        cells = [block.cells.select("row", "id").rows() for block in table.blocks]
        assert cells == [[(1, "a.csv")], [(2, "b.csv")]] and len(table.files) == 2
    with pytest.raises(InputError, match="no file to read in"):
        sources.expand(f"{root}/nothing/*.csv")
