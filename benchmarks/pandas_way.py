"""The usual pandas code for the same work: the peer of `make bench`.

`prepare IN OUT`: pandas reads the export, cleans it as `prepare_data.py` does, writes Parquet.
`prepare_used IN OUT`: the same for only the columns that are used, a third of the parsing.
`score IN OUT MODEL`: the same as `prepare`, then MLflow's pyfunc predicts and pandas writes the
CSV. MODEL is a model URI in MLFLOW_TRACKING_URI. pyfunc takes typed columns only, so the
cleaning is part of the work.
"""

import sys

import pandas as pd

from loan_default import columns
from loan_default.contract.load import LENDINGCLUB, load
from loan_default.data.parsing import EMPLOYMENT_YEARS

CONTRACT = load(LENDINGCLUB)

_YEARS = {text: float(years) for text, years in EMPLOYMENT_YEARS.items()}
_RAW = [
    *(name for name in CONTRACT.names if name != "credit_history_months"),
    *(columns.ID, "earliest_cr_line", "issue_d", CONTRACT.outcome.column),
]


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    """Return an export's typed records, without units, invalid rows and repeated ids."""
    frame["term"] = frame["term"].str.strip().str.removesuffix(" months")
    for name in ("int_rate", "revol_util"):
        if frame[name].dtype == object:
            frame[name] = frame[name].str.strip().str.removesuffix("%")
    frame["emp_length"] = frame["emp_length"].map(_YEARS)
    issued = pd.to_datetime(frame["issue_d"], format="%b-%Y")
    opened = pd.to_datetime(frame["earliest_cr_line"], format="%b-%Y")
    months = (issued.dt.year - opened.dt.year) * 12 + issued.dt.month - opened.dt.month
    frame["credit_history_months"] = months
    status = (
        frame[CONTRACT.outcome.column].str.removeprefix(CONTRACT.outcome.prefixes[0]).str.strip()
    )
    frame[columns.DEFAULT] = status.map(CONTRACT.outcome.labels).astype("Int8")
    frame[columns.ISSUE_MONTH] = issued
    good = status.isin(list(CONTRACT.outcome.labels)) & issued.notna()
    for column in CONTRACT.record:
        if column.kind == "number":
            numbers = pd.to_numeric(frame[column.name]).astype(float)
            frame[column.name] = numbers
            inside = numbers.between(column.low, column.high)
            good &= inside if column.core else inside | numbers.isna()
    frame = frame[good & ~frame[columns.ID].duplicated()]
    return frame[[columns.ID, columns.ISSUE_MONTH, columns.DEFAULT, *CONTRACT.names]]


def read(path: str, used: list[str] | None = None) -> pd.DataFrame:
    """Read the export, or just its `used` columns."""
    return pd.read_csv(path, usecols=used, low_memory=False, dtype={columns.ID: str})


def prepare(source: str, target: str, used: list[str] | None = None) -> None:
    """Convert an export to typed Parquet."""
    clean(read(source, used)).to_parquet(target, index=False, compression="zstd")


def prepare_used(source: str, target: str) -> None:
    """Do the same, parsing only the used columns."""
    prepare(source, target, _RAW)


def score(source: str, target: str, model: str) -> None:
    """Score an export into a CSV of decisions and probabilities."""
    import mlflow

    frame = clean(read(source))
    loaded = mlflow.pyfunc.load_model(model)
    found = loaded.predict(frame[list(CONTRACT.names)])
    frame[[columns.ID]].assign(prediction=found).to_csv(target, index=False)


if __name__ == "__main__":
    work = {"prepare": prepare, "prepare_used": prepare_used, "score": score}
    work[sys.argv[1]](*sys.argv[2:])
