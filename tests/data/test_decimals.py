"""Decimal commas are found where a file writes them, and nowhere else."""

import polars as pl
import pytest

from loan_default.data import decimals
from loan_default.data.readers import open_table
from loan_default.errors import InputError


def mark(*cells: str | None) -> str | None:
    return decimals.mark("loans.csv", pl.DataFrame({"x": pl.Series(cells, dtype=pl.String)}))


@pytest.mark.parametrize(
    "cell",
    ["10,65", "0,123", "1.234,5", "1.234,567", "1234,567", "10,6543", "-3,5", "7,5 %", "€ 9,99"],
)
def test_a_comma_with_one_meaning_tells(cell: str) -> None:
    assert mark(None, "12", cell) == ","
    assert mark(cell.translate(str.maketrans(",.", ".,"))) == "."


@pytest.mark.parametrize("cell", ["12", "12,500", "12.500", "1,234,567", "", "n/a", "1e5", "1,2,3"])
def test_a_cell_with_two_meanings_or_none_tells_nothing(cell: str) -> None:
    assert mark(cell) is None


def test_both_in_one_file_are_refused_with_an_example_of_each() -> None:
    with pytest.raises(InputError, match=r"a comma \(x '1,5'\) and with a point \(x '2.5'\)"):
        mark("1,5", "2.5")


def test_a_mistyped_cell_changes_nothing() -> None:
    assert mark(*["2.5"] * 99, "1,5") == "." and mark(*["2,5"] * 99, "1.5") == ","
    assert mark(*["12,500"] * 99, "1,5") is None


def test_points_take_the_place_of_commas() -> None:
    cells = {"x": ["10,65", "1.234,5", "1.234", "7,5 %", "12", "12.5", None, "n,a"]}
    assert decimals.with_points(pl.DataFrame(cells))["x"].to_list() == [
        "10.65",
        "1234.5",
        "1234",
        "7.5 %",
        "12",
        "12.5",
        None,
        "n,a",
    ]


def amounts(path: str) -> tuple[list[float], list[str]]:
    with open_table(path, ("id", "amount"), ("amount",)) as table:
        cells = pl.concat([b.cells["amount"].cast(pl.Float64) for b in table.blocks])
        return cells.to_list(), table.notes


@pytest.mark.parametrize("size", [30, 300, None])
def test_a_file_of_decimal_commas_is_read_as_one_of_points(save, size, monkeypatch) -> None:
    from loan_default.data import csv_reader

    if size:
        monkeypatch.setattr(csv_reader, "BLOCK_BYTES", size)
        monkeypatch.setattr(csv_reader, "PIECE_BYTES", size // 3)
    numbers = [n + n % 7 / 8 for n in range(1, 200)]
    rows = [f"{n};{value:.2f}".replace(".", ",") for n, value in enumerate(numbers)]
    rows[0] = "0;1,5"
    path = save("id;amount\n" + "\n".join(rows) + "\n")
    read, notes = amounts(path)
    assert read == [1.5, *(round(n, 2) for n in numbers[1:])] and notes == [
        f"{path} is read with decimal commas"
    ]


def test_a_file_of_points_keeps_its_separators_of_thousands(save) -> None:
    path = save('id,amount\n1,"1,234.5"\n2,"12,500"\n')
    with open_table(path, ("amount",), ("amount",)) as table:
        (block,) = table.blocks
        assert block.cells["amount"].to_list() == ["1,234.5", "12,500"]
        assert table.notes == []
