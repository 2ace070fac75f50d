"""The files of a scoring run: data files, manifest, and the marker of the latest run.

A run is complete if its manifest exists and its data files have the digests in the manifest. The
manifest is written after the data files, and the marker after the manifest.
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
    """The files of the run of one date, below an output root."""

    root: str
    run_date: date

    @property
    def marker(self) -> str:
        """The path of the marker, which names the latest complete run."""
        return storage.join(self.root, "predictions", "latest_prediction.txt")

    def path(self, name: str) -> str:
        """Return the path of one of the run's files."""
        return storage.join(self.root, "predictions", f"run_date={self.run_date}", name)

    def manifest(self) -> dict[str, Any] | None:
        """Read the run's manifest; None if there is none. Raises InputError if it is not JSON."""
        if not storage.exists(self.path(MANIFEST)):
            return None
        try:
            manifest = json.loads(storage.read_text(self.path(MANIFEST)))
        except ValueError:
            raise InputError(
                f"{self.path(MANIFEST)} is not JSON: remove it and score again"
            ) from None
        return dict(manifest)

    def complete_manifest(self) -> dict[str, Any]:
        """Return the manifest of a complete run. Raises InputError if the run is not complete."""
        manifest = self.manifest()
        if manifest is None:
            raise InputError(
                f"there is no complete run of {self.run_date} under {self.root}: "
                f"run batch_predict.py --run-date {self.run_date}"
            )
        for name, digest in manifest["digests"].items():
            if name != "input" and storage.digest(self.path(name)) != digest:
                raise InputError(
                    f"{self.path(name)} does not match its manifest (the run was interrupted): "
                    f"run batch_predict.py --run-date {self.run_date} again"
                )
        return manifest

    def publish(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Publish the data files from the local `folder`, then the manifest, then the marker.

        The marker never moves to an older date.
        """
        for name in DATA_FILES:
            storage.publish(folder / name, self.path(name))
        storage.write_text(self.path(MANIFEST), json.dumps(manifest, indent=1) + "\n")
        marked = marked_date(self.root)
        if marked is None or marked <= self.run_date:
            storage.write_text(self.marker, self.path(PREDICTIONS) + "\n")


def marked_date(root: str) -> date | None:
    """Return the run date in the marker under `root`, None if there is no marker.

    Raises InputError if the marker names no run.
    """
    marker = RunFiles(root, date.min).marker
    if not storage.exists(marker):
        return None
    text = storage.read_text(marker).strip()
    match = re.search(r"run_date=(\d{4}-\d{2}-\d{2})/", text)
    if not match:
        raise InputError(f"{marker} names no run: {text[:100]!r}")
    return date.fromisoformat(match[1])


def scored_dates(root: str) -> list[date]:
    """Return the run dates under `root` that have a manifest, oldest first."""
    matches = (
        re.search(rf"/run_date=(\d{{4}}-\d{{2}}-\d{{2}})/{MANIFEST}$", path)
        for path in storage.files_below(storage.join(root, "predictions"))
    )
    return sorted(date.fromisoformat(match[1]) for match in matches if match)
