"""Run the four DAGs once on a temporary Airflow and MLflow server and summarise the results.

Trains on TRAIN_DATA_PATH if that is set, otherwise on generated loans. Everything is written below
a temporary folder, which stays so that the reports can be read; delete it when you are done. With
--keep the servers keep running too. The last line of stdout is a JSON object: folder, seconds, runs
and results, with --keep also the addresses and the command that stops the servers.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli

# The test months then hold some 8,000 loans, and the AUC is known to about 0.007.
LOANS = 300_000
PLAN = """\
The demo trains a model on loans, promotes it if it passes the gate, scores applications and
monitors them: four Airflow DAGs, once, on temporary servers of this machine, without Docker.
That takes 2 to 4 minutes on two cores, longer with a slow disk or a file of your own."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    flags = cli.parser(__doc__)
    flags.add_argument("--rows", type=int, default=LOANS, help=f"generated loans ({LOANS:,})")
    flags.add_argument("--folder", help="where to work (default: a new temporary folder)")
    flags.add_argument("--keep", action="store_true", help="leave the servers running")
    return flags


def job(flags: argparse.Namespace) -> dict[str, Any]:
    """Run the job and return the JSON result."""
    # Before anything that takes time to import
    print(PLAN, file=sys.stderr, flush=True)
    from loan_default.sandbox.demo import demo

    return demo(**vars(flags))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    return cli.run(build_parser(), job, argv)


if __name__ == "__main__":
    sys.exit(main())
