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
_RUN = re.compile(rf"/run_date=(\d{{4}}-\d{{2}}-\d{{2}})/(?:batch=([^/]+)/)?{MANIFEST}$")
DATA_FILES = (PREDICTIONS, SAMPLE, REJECTED_FILE)


@dataclass(frozen=True)
class RunFiles:
    """The files of the run of one date, below an output root.

    `batch` names a further run of the date, next to the one without a name.
    """

    root: str
    run_date: date
    batch: str | None = None

    @property
    def marker(self) -> str:
        """The path of the marker, which names the latest complete run."""
        return storage.join(self.root, "predictions", "latest_prediction.txt")

    @property
    def name(self) -> str:
        """The run's name among all below the root."""
        return f"{self.run_date}/{self.batch}" if self.batch else str(self.run_date)

    @property
    def flags(self) -> str:
        """The flags of batch_predict.py for this run."""
        batch = f" --batch {self.batch}" if self.batch else ""
        return f"--run-date {self.run_date}{batch}"

    def path(self, name: str) -> str:
        """Return the path of one of the run's files."""
        batch = (f"batch={self.batch}",) if self.batch else ()
        folder = storage.join(self.root, "predictions", f"run_date={self.run_date}")
        return storage.join(folder, *batch, name)

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
                f"run batch_predict.py {self.flags}"
            )
        for name, digest in manifest["digests"].items():
            if name != "input" and storage.digest(self.path(name)) != digest:
                raise InputError(
                    f"{self.path(name)} does not match its manifest (the run was interrupted): "
                    f"run batch_predict.py {self.flags} again"
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
    return sorted({run.run_date for run in runs(root)})


def runs_of(root: str, day: date) -> list[RunFiles]:
    """Return the runs of a date under `root` that have a manifest, the one without a name first."""
    return runs(root, f"run_date={day}")


def runs(root: str, *folder: str) -> list[RunFiles]:
    """Return the runs under `root` that have a manifest, oldest date first; maybe of one folder."""
    paths = storage.files_below(storage.join(root, "predictions", *folder))
    matches = [match for path in paths if (match := _RUN.search(path))]
    found = [RunFiles(root, date.fromisoformat(match[1]), match[2]) for match in matches]
    return sorted(found, key=lambda run: (run.run_date, run.batch or ""))
