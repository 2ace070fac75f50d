"""Monitor a scored day: data drift, data quality, realised performance, and what to do about them.

Compares the day with the days before it and with the model's reference sample, using Evidently.
Without --run-date it monitors the latest day of the --source: the batch run that the marker names,
or the newest day of the online prediction log.

Writes drift_report.html, drift_report.json and quality_report.json under
ROOT/reports/run_date=YYYY-MM-DD/, the day's row of ROOT/reports/history.parquet and the overview,
ROOT/reports/index.html. It sends them to MLflow too, and to Evidently's UI if EVIDENTLY_UI_URL is
set. The last line of stdout is a JSON object:

  drift                 true, false, or null if there are too few rows to tell
  drift_share, drifted_columns (worst first), compared_with
  reference_drift, ...  the same against the model's reference sample
  realised              performance on known outcomes; null before there are any
  estimate              performance estimated from the scores
  alert, retrain        whether to notify people and whether to retrain
  decision, severity, alert_subject, alert_text
  sampled_rows and the paths of the reports

The script only decides; the caller sends the alert or starts the retraining.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; flags that are not given come from the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--output-path", help="root of predictions/ and reports/ (OUTPUT_PATH)")
    flags.add_argument("--run-date", type=cli.run_date, help="YYYY-MM-DD (default: the latest)")
    flags.add_argument(
        "--source",
        choices=("batch", "online", "both"),
        help="predictions to monitor (MONITOR_SOURCE)",
    )
    flags.add_argument(
        "--report-only", action="store_true", help="write the reports only: no alert, no retraining"
    )
    flags.add_argument(
        "--labels", help="file of outcomes (id, loan_status) to store and evaluate with"
    )
    flags.add_argument(
        "--labels-as-of",
        type=cli.month,
        help="YYYY-MM through which outcomes are known (default: from the file, else this month)",
    )
    flags.add_argument(
        "--idempotency-key", help="a repeat with the same key returns the same decision"
    )
    return flags


def job(flags: argparse.Namespace) -> dict[str, Any]:
    """Run the job and return the JSON result."""
    from loan_default.pipelines.monitor import Request, monitor

    return monitor(Request(**vars(flags)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    return cli.run(build_parser(), job, argv)


if __name__ == "__main__":
    sys.exit(main())
