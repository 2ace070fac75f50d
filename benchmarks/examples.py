"""Generate the example files data/batch_input.csv and data/sample_input.json.

The first holds 100 applications in the raw layout, without the columns known only afterwards. The
second holds one of them as a typed record in MLflow's scoring protocol.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loan_default import cli
from loan_default.contract.load import LENDINGCLUB, load
from loan_default.synthetic import layout

CONTRACT = load(LENDINGCLUB)

ROOT = Path(__file__).resolve().parents[1]

APPLICATIONS, LOANS, SEED = 100, 5_000, 2018


def make(flags: argparse.Namespace) -> dict[str, Any]:
    """Write both files."""
    import polars as pl

    from loan_default.data import parsing
    from loan_default.synthetic import generator

    # Newest first: the applications of the last months.
    chunk = next(iter(generator.generate(LOANS, SEED)))
    newest = chunk.frame.head(APPLICATIONS)
    known = [name for name in layout.EXPORT if name not in CONTRACT.never.known_afterwards]
    batch = Path(flags.folder) / "batch_input.csv"
    newest.select(known).write_csv(batch)
    rows = pl.Series("row", range(APPLICATIONS), pl.Int64)
    parsed = parsing.parse(newest.select(known).insert_column(0, rows), CONTRACT)
    safest = parsed.records[[int(chunk.default_probability[:APPLICATIONS].argmin())]]
    typed = safest.select(name for name in CONTRACT.names if safest[name].null_count() == 0)
    request = {"dataframe_split": {"columns": typed.columns, "data": [list(typed.row(0))]}}
    sample = Path(flags.folder) / "sample_input.json"
    sample.write_text(json.dumps(request, indent=1) + "\n")
    return {"batch_input": str(batch), "sample_input": str(sample)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    flags = cli.parser(__doc__)
    flags.add_argument("--folder", default=str(ROOT / "data"), help="output folder (default: data)")
    return cli.run(flags, make, argv)


if __name__ == "__main__":
    sys.exit(main())
