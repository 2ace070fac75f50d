import json
from pathlib import Path

import pytest

from loan_default.errors import InputError
from loan_default.pipelines import batch


def test_a_root_with_another_models_runs_is_refused(tmp_path: Path) -> None:
    day = tmp_path / "predictions" / "run_date=2025-01-01"
    day.mkdir(parents=True)
    (day / "manifest.json").write_text(json.dumps({"model_name": "tractors"}))
    marker = tmp_path / "predictions" / "latest_prediction.txt"
    marker.write_text(f"{day}/predictions.parquet\n")
    batch._require_own_root(str(tmp_path), "tractors")
    batch._require_own_root(str(tmp_path / "new"), "workshops")
    with pytest.raises(InputError, match="holds the runs of the model tractors, not of workshops"):
        batch._require_own_root(str(tmp_path), "workshops")
