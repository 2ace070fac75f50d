from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lendingclub
from loan_default.errors import InputError
from loan_default.model import pyfunc
from loan_default.serving.request_features import FeatureReader, RequestTable
from records import fitted_model, typed_loans

LOANS = typed_loans(1000)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> pyfunc.Predictor:
    model = fitted_model(LOANS, rounds=20)
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    return pyfunc._load_pyfunc(str(folder))


def frame(rows: int = 5) -> pd.DataFrame:
    return LOANS[:rows].select(lendingclub.NAMES).to_pandas()


def test_decisions_are_the_default_answer(predictor: pyfunc.Predictor) -> None:
    found = predictor.predict(frame(1000))
    expected = predictor.model.probability(LOANS) >= predictor.model.facts.threshold
    assert found.dtype == np.int64
    assert found.tolist() == expected.astype(int).tolist()


def test_the_full_answer_holds_probability_decision_threshold_and_reasons(
    predictor: pyfunc.Predictor,
) -> None:
    found = predictor.predict(frame(), {"return": "full"})
    assert isinstance(found, pd.DataFrame)
    scores = {"default_probability", "prediction", "reasons", "threshold", "unknown"}
    assert set(found) == scores | {"expected_loss", "expected_return"}
    assert found["default_probability"].tolist() == list(predictor.model.probability(LOANS[:5]))
    assert all(len(reasons) for reasons in found["reasons"])


def test_nulls_missing_optional_columns_and_integers_are_fine(predictor: pyfunc.Predictor) -> None:
    bare = frame()[list(lendingclub.CORE)].astype({"term": int})
    nulls = frame().assign(
        **{name: None for name in lendingclub.NAMES if name not in lendingclub.CORE}
    )
    assert predictor.predict(bare).tolist() == predictor.predict(nulls).tolist()


def test_an_unknown_category_counts_as_missing(predictor: pyfunc.Predictor) -> None:
    strange = predictor.predict(frame().assign(purpose="a yacht"), {"return": "full"})
    missing = predictor.predict(frame().assign(purpose=None), {"return": "full"})
    assert strange["default_probability"].tolist() == missing["default_probability"].tolist()
    assert list(map(list, strange["unknown"])) == [["purpose 'a yacht'"]] * 5
    assert list(map(list, missing["unknown"])) == [[]] * 5


def test_a_column_with_nearly_the_name_of_a_missing_one_is_named(
    predictor: pyfunc.Predictor,
) -> None:
    found = predictor.predict(frame().rename(columns={"purpose": "purposes"}), {"return": "full"})
    assert list(found["unknown"][0]) == ["the column 'purposes' is not read: is it purpose?"]


def test_what_was_not_read_is_said_as_the_server_says_it(predictor: pyfunc.Predictor) -> None:
    rows = frame().assign(purpose=" a yacht ", grade="a").rename(columns={"dti": "dtii"})
    model = predictor.model
    reader = FeatureReader(model.contract, model.facts.features, model.facts.levels)
    table = RequestTable(tuple(rows.columns), [tuple(r) for r in rows.itertuples(index=False)])
    found = predictor.predict(rows, {"return": "full"})
    assert list(map(list, found["unknown"])) == reader.unknown(table)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"annual_inc": -5.0}, "row 1: annual_inc '-5' is outside"),
        ({"loan_amnt": 9.2}, "row 1: loan_amnt '9.2' is outside"),
        ({"dti": "much"}, "row 1: dti 'much' is not a number"),
        ({"annual_inc": None}, "row 1: annual_inc is empty"),
    ],
)
def test_a_bad_row_is_named_with_its_column(
    predictor: pyfunc.Predictor, change: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        predictor.predict(frame().assign(**change))


def test_a_missing_core_column_is_named(predictor: pyfunc.Predictor) -> None:
    with pytest.raises(InputError, match="lacks the columns annual_inc"):
        predictor.predict(frame().drop(columns="annual_inc"))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model"):
        pyfunc._load_pyfunc(str(tmp_path))
