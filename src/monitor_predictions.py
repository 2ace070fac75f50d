"""Compare a scored day with the days before and with what the model learned from, through
Evidently, and say whether it drifts and how good its predictions are.

Without --run-date the latest day of the --source is monitored: the batch run that the marker names,
or the online prediction log's newest day. Writes drift_report.html, drift_report.json and
quality_report.json under ROOT/reports/run_date=YYYY-MM-DD/, the day's row of
ROOT/reports/history.parquet and the overview, ROOT/reports/index.html; MLflow gets them too, and
Evidently's own UI where EVIDENTLY_UI_URL is set. The last line of stdout is a JSON object: drift
(true, false, or null when there are too few rows to say), drift_share, drifted_columns (worst
first), what they were compared_with, the same against the model's reference (reference_drift, ...),
the reports' paths and sampled_rows; realised (quality on outcomes, null before there are any) and
estimate; and alert, retrain and decision: whether to tell people, whether to train anew, and why,
with severity, alert_subject and alert_text. It decides; the caller carries it out.
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
    flags.add_argument("--run-date", type=cli.day, help="YYYY-MM-DD (default: the latest)")
    flags.add_argument(
        "--source", choices=("batch", "online", "both"), help="what to look at (MONITOR_SOURCE)"
    )
    flags.add_argument(
        "--report-only", action="store_true", help="write the report; call for nothing"
    )
    flags.add_argument(
        "--labels", help="outcomes (id, loan_status), kept and judged by from now on"
    )
    flags.add_argument(
        "--labels-as-of",
        type=cli.month,
        help="YYYY-MM through which the labels hold (default: what the file says, else this month)",
    )
    flags.add_argument("--idempotency-key", help="a repeat with the same key decides the same")
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
