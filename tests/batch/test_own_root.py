import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from loan_default.batch import own_root
from loan_default.errors import InputError


def batch_run(root: Path, model: str) -> None:
    day = root / "predictions" / "run_date=2025-01-01"
    day.mkdir(parents=True)
    (day / "manifest.json").write_text(json.dumps({"model_name": model}))
    marker = root / "predictions" / "latest_prediction.txt"
    marker.write_text(f"{day}/predictions.parquet\n")


def online_file(root: Path, model: str | None, day: date = date(2025, 1, 1)) -> Path:
    path = root / "online" / f"date={day}" / "1.parquet"
    path.parent.mkdir(parents=True)
    metadata = {own_root.MODEL_NAME: model} if model else None
    pl.DataFrame({"id": ["a"]}).write_parquet(path, metadata=metadata)
    return path


def test_an_empty_root_is_anybodys(tmp_path: Path) -> None:
    own_root.require(str(tmp_path), "tractors")


@pytest.mark.parametrize("leave", [batch_run, online_file])
def test_a_root_with_another_models_predictions_is_refused(tmp_path: Path, leave) -> None:
    leave(tmp_path, "tractors")
    own_root.require(str(tmp_path), "tractors")
    with pytest.raises(InputError, match="holds the runs of the model tractors, not of workshops"):
        own_root.require(str(tmp_path), "workshops")


def test_the_newest_file_of_the_online_log_counts(tmp_path: Path) -> None:
    online_file(tmp_path, "tractors")
    online_file(tmp_path, "workshops", date(2025, 1, 2))
    own_root.require(str(tmp_path), "workshops")


def test_a_file_of_an_earlier_release_does_not_say(tmp_path: Path) -> None:
    path = online_file(tmp_path, None)
    assert own_root.recorded(str(path)) is None
    own_root.require(str(tmp_path), "workshops")
