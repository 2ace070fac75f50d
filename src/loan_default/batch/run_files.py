"""Where the files of a scoring run lie, what its manifest says, and the marker of the latest run.

A run is complete when its manifest is there and its files have the digests that the manifest names.
The manifest is written after them, and the marker after the manifest.
"""

import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from loan_default import storage
from loan_default.data.rejections import REJECTED_FILE
from loan_default.errors import InputError

PREDICTIONS = "predictions.parquet"
SAMPLE = "sample.parquet"
MANIFEST = "manifest.json"
DATA_FILES = (PREDICTIONS, SAMPLE, REJECTED_FILE)


@dataclass(frozen=True)
class RunFiles:
    """The files of the run of one date below an output root."""

    root: str
    run_date: date

    @property
    def marker(self) -> str:
        """The path of the file that names the latest complete run."""
        return storage.join(self.root, "predictions", "latest_prediction.txt")

    def path(self, name: str) -> str:
        """The path of one of the run's files."""
        return storage.join(self.root, "predictions", f"run_date={self.run_date}", name)

    def manifest(self) -> dict[str, Any] | None:
        """What the run's manifest says, None where there is no manifest."""
        if not storage.exists(self.path(MANIFEST)):
            return None
        try:
            found = json.loads(storage.read_text(self.path(MANIFEST)))
        except ValueError:
            raise InputError(
                f"{self.path(MANIFEST)} is not JSON: remove it and score again"
            ) from None
        return dict(found)

    def complete_manifest(self) -> dict[str, Any]:
        """The manifest of a complete run. Raises InputError where the run is not complete."""
        manifest = self.manifest()
        if manifest is None:
            raise InputError(
                f"there is no complete run of {self.run_date} under {self.root}: "
                f"run batch_predict.py --run-date {self.run_date}"
            )
        for name, digest in manifest["digests"].items():
            if name != "input" and storage.digest(self.path(name)) != digest:
                raise InputError(
                    f"{self.path(name)} is not what its manifest says (the run was cut off): "
                    f"run batch_predict.py --run-date {self.run_date} again"
                )
        return manifest

    def publish(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Move the data files from the local `folder` into place, then the manifest, then the
        marker."""
        for name in DATA_FILES:
            storage.publish(folder / name, self.path(name))
        storage.write_text(self.path(MANIFEST), json.dumps(manifest, indent=1) + "\n")
        marked = marked_date(self.root)
        if marked is None or marked <= self.run_date:
            storage.write_text(self.marker, self.path(PREDICTIONS) + "\n")


def marked_date(root: str) -> date | None:
    """The run date that the marker under `root` names, None where no run is complete yet."""
    marker = RunFiles(root, date.min).marker
    if not storage.exists(marker):
        return None
    text = storage.read_text(marker).strip()
    found = re.search(r"run_date=(\d{4}-\d{2}-\d{2})/", text)
    if not found:
        raise InputError(f"{marker} names no run: {text[:100]!r}")
    return date.fromisoformat(found[1])


def scored_dates(root: str) -> list[date]:
    """The run dates under `root` that have a manifest, oldest first."""
    found = (
        re.search(rf"/run_date=(\d{{4}}-\d{{2}}-\d{{2}})/{MANIFEST}$", path)
        for path in storage.files_below(storage.join(root, "predictions"))
    )
    return sorted(date.fromisoformat(match[1]) for match in found if match)
