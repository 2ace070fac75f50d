from pathlib import Path

import pytest

from lendingclub import CONTRACT
from loan_default.contract import load as contracts
from loan_default.errors import InputError
from loan_default.synthetic.layout import EXPORT
from workspace import ROOT

SMALL = """name = "Tractors"

[loan]
id = "Nr"
issued = "Opened"
term = "months"

[outcome]
column = "Result"
defaulted = ["bad"]
repaid = ["good"]

[columns.months]
source = "Years"
scale = 12
range = [1, 480]
core = true
reason = "Length of the loan requested"

[columns.soil]
levels = ["clay", "sandy loam"]
spellings = { "loam" = "sandy loam" }
reason = "Soil"

[columns.acres]
range = [0, 1000]
set_by_lender = true

[ratios.acres_a_month]
over = "acres"
under = "months"

[never]
known_afterwards = ["Paid"]
"""


def problem(text: str) -> str:
    with pytest.raises(InputError) as error:
        contracts.parse(text, "our.toml")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('[outcome]\ncolumn = "Result"\n', "[outcome]\n", "line 8: outcome.column: is missing"),
        ('name = "Tractors"', "", "our.toml: name: is missing: write name ="),
        ('defaulted = ["bad"]', "defaulted = []", "line 10: outcome.defaulted"),
        ('repaid = ["good"]', 'repaid = ["BAD"]', "outcome: the word 'BAD' is there twice"),
        ('"clay", "sandy loam"', '"clay", "sandy loam", "Clay"', "columns.soil: the level 'Clay'"),
        ("range = [1, 480]", "range = [480, 1]", "line 16: columns.months.range: 480 to 1 is no"),
        ("range = [1, 480]", "range = 480", "line 16: columns.months.range: '480' is no range"),
        ("core = true", "cora = true", "columns.months.cora: there is no such key; write core"),
        ("[never]", "[newer]", "newer: there is no such key; write never"),
        ('under = "months"', 'under = "month"', "ratios.acres_a_month.under: 'month' is no number"),
        ('under = "months"', 'under = "soil"', "ratios.acres_a_month.under: 'soil' is no number"),
        ('["Paid"]', '["Paid", "acres"]', "columns.acres: 'acres' is known afterwards and a"),
        ('["Paid"]', '["Paid"]\nproxies = ["Years"]', "columns.months: 'Years' is a proxy and a"),
        (
            "levels = [",
            'source = "Opened"\nlevels = [',
            "columns.soil: 'Opened' is the issue date and",
        ),
        ('source = "Years"', "", "columns.months.scale: needs source ="),
        ('source = "Years"', 'source = "Months"', "columns.months: name the record's column other"),
        ('term = "months"', 'term = "soil"', "line 6: loan.term: 'soil' is no number"),
        ('term = "months"', "", "line 3: loan: write either term"),
        ("set_by_lender = true", "", "line 25: columns.acres: write either reason"),
        ('reason = "Soil"', 'reason = "Soil"\nrisk = "up"', "columns.soil: risk is for numbers"),
        ('= "sandy loam" }', '= "loamy" }', "columns.soil: spellings: 'loam' stands for 'loamy'"),
        ("[columns.acres]", "[columns.default]", "columns.default: 'default' is a name of the"),
        ("[columns.acres]", "[columns.acres", "our.toml line 25: this is not TOML"),
        ('"Tractors"', '"Tractors', "our.toml line 1: this is not TOML"),
        ("core = true", "core = true\ncore = true", "our.toml line 18: this is not TOML"),
        ('["Paid"]', '["paid", "ACRES"]', "columns.acres: 'acres' is known afterwards and a"),
        ('["Paid"]', '["Paid"', "our.toml"),
        ('id = "Nr"', 'id = "Opened"', "line 4: loan.id: 'Opened' is the issue date and the id"),
        ('"Opened"', '"Result"', "line 5: loan.issued: 'Result' is the outcome and the issue"),
        (
            'issued = "Opened"',
            'issued = "Opened"\nknown_through = ["acres"]',
            "columns.acres: 'acres' is known afterwards and a",
        ),
        (
            'column = "Result"',
            'column = "Result"\ndefault_month = { column = "soil" }',
            "columns.soil: 'soil' is known afterwards and a",
        ),
        ('column = "Result"', 'column = "Result"\ndefault_month = "x"', "write { column ="),
        (
            "range = [0, 1000]",
            'source = "SOIL"\nrange = [0, 1000]',
            "columns.acres: 'SOIL', which is read like 'soil',",
        ),
        ("[columns.acres]", '[columns."a[b]"]', "columns.a[b]: 'a[b]' is no name"),
        ("[columns.acres]", '[columns."a\\nb"]', "is no name: write letters"),
        ('"clay", "sandy loam"', '"clay", ""', "columns.soil: the level '' is read as a missing"),
        ('repaid = ["good"]', 'repaid = ["None"]', "outcome: the word 'None' is read as a missing"),
        (
            'repaid = ["good"]',
            "repaid = [0]",
            "line 11: outcome.repaid: '0' is no text: write \"0\"",
        ),
        ('term = "months"', 'term = "Years"', "line 6: loan.term: 'Years' is no number"),
        (
            "[never]",
            '[money]\nlent = "Sum"\nreturned = "Got"\namount = "Sum"\n\n[never]',
            "line 36: money.amount: 'Sum' is no number of the record",
        ),
        (
            "[never]",
            '[money]\nlent = "Sum"\nreturned = "Got"\nprice = "soil"\n\n[never]',
            "line 36: money.price: 'soil' is no number of the record",
        ),
        (
            'name = "Tractors"',
            'name = "Tractors"\ndates = "US"',
            "line 2: dates: write one of auto",
        ),
    ],
)
def test_what_is_wrong_is_said_with_line_key_and_remedy(old: str, new: str, told: str) -> None:
    assert SMALL.count(old) == 1 or old in ("[columns.acres]", "core = true")
    assert told in problem(SMALL.replace(old, new, 1))


def test_a_contract_without_an_outcome_is_refused() -> None:
    start, end = SMALL.index("[outcome]"), SMALL.index("[columns.months]")
    assert "our.toml: outcome: is missing: write [outcome]" in problem(SMALL[:start] + SMALL[end:])


def test_the_digest_is_that_of_the_content_alone() -> None:
    contract = contracts.parse(SMALL, "our.toml")
    assert contracts.parse("# A comment\n" + SMALL, "our.toml").digest == contract.digest
    assert contracts.parse(SMALL.replace("480", "481"), "our.toml").digest != contract.digest
    assert contracts.parse(contract.text, "elsewhere.toml").digest == contract.digest


def test_the_record_the_features_and_the_price_follow_the_file() -> None:
    contract = contracts.parse(SMALL, "our.toml")
    assert contract.features == ("months", "soil", "acres", "acres_a_month")
    assert contract.stored == ("term", "months", "soil", "acres")
    assert contract.price == ("acres",)
    assert {"Nr", "Opened", "Result", "Years", "soil", "acres"} <= contract.sources
    assert contract.never.known_afterwards == {"Paid", "Result"}


@pytest.mark.parametrize("name", ["lendingclubs", "missing.toml", "gs.txt"])
def test_a_contract_that_is_not_there_is_said(name: str) -> None:
    with pytest.raises(InputError, match="name a built-in one|not found|no such|does not exist"):
        contracts.load(name)


def test_a_file_is_a_contract_as_a_name_is(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(SMALL)
    assert contracts.load(str(path)).name == "Tractors"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert contracts.load(str(path)).digest == contracts.parse(SMALL, "x.toml").digest
    path.write_bytes("name = 'M\xfcller'".encode("latin-1"))
    with pytest.raises(InputError, match="not text in UTF-8"):
        contracts.load(str(path))


def test_a_folder_is_no_contract_and_an_empty_file_lacks_all(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").mkdir()
    with pytest.raises(InputError, match="is a directory"):
        contracts.load(str(tmp_path / "ours.toml"))
    (tmp_path / "empty.toml").write_bytes(b"")
    with pytest.raises(InputError, match="name: is missing: write name ="):
        contracts.load(str(tmp_path / "empty.toml"))


def test_what_was_lent_may_be_a_feature(tmp_path: Path) -> None:
    money = '[money]\nlent = "acres"\nreturned = "Paid"\n'
    contract = contracts.parse(SMALL + money, "our.toml")
    assert contract.money and contract.money.lent in contract.by_name
    told = problem(SMALL + money.replace('"Paid"', '"soil"'))
    assert "columns.soil: 'soil' is known afterwards and a feature" in told


def test_lendingclubs_contract_has_a_place_for_every_column_of_the_export() -> None:
    never = CONTRACT.never
    used = {CONTRACT.loan.id, CONTRACT.loan.issued, *(column.source for column in CONTRACT.record)}
    groups = [used, never.known_afterwards, never.proxies, never.unused]
    assert sum(map(len, groups)) == len(EXPORT) == len(set().union(*groups))
    assert set().union(*groups) == set(EXPORT)


def test_the_examples_are_contracts() -> None:
    for path in (ROOT / "examples").glob("*.toml"):
        assert contracts.load(str(path)).features
    prosper = contracts.load(str(ROOT / "examples" / "prosper.toml"))
    assert prosper.by_name["rate"].scale == 100 and prosper.by_name["yearly_income"].scale == 12
    assert set(prosper.price) == {"rate", "apr", "payment", "credit_grade"}


def test_the_short_cut_of_lendingclubs_export_has_a_place_for_its_27_columns() -> None:
    cut = contracts.load(str(ROOT / "examples" / "lendingclub_27_columns.toml"))
    sources = {column.source for column in cut.record} | {cut.loan.issued}
    never = cut.never
    assert len(sources | never.known_afterwards | never.proxies | never.unused) == 27
    assert {name: cut.by_name[name].levels for name in cut.categories} == {
        name: CONTRACT.by_name[name].levels for name in cut.categories
    }


def test_the_contract_of_versions_without_one_never_changes() -> None:
    frozen = contracts.before_files()
    assert (
        frozen.digest == "59b181fd8cbf210d2b7a6d23370878e5ba366585de434047b570bf730853de26"
    ), "restore contracts/earlier"
    assert "earlier" not in contracts.built_in()
