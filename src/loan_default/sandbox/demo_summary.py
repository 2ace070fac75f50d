"""The end of the demo: what happened, and what to do next."""

import shlex
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from loan_default.sandbox.local_stack import LocalStack
from loan_default.sandbox.steps import duration

Results = dict[str, dict[str, Any]]
Rows = list[tuple[str, str]]


def print_summary(
    stack: LocalStack, results: Results, source: str, seconds: float, keep: bool
) -> None:
    """Print the outcome and what to do next to stderr.

    Args:
        stack: the servers of the demo.
        results: the JSON results of the scripts, by name.
        source: the path of the loans.
        seconds: how long the demo took.
        keep: whether the servers still run.
    """
    console = Console(stderr=True)
    table = Table(title="What happened", show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in [*_outcome(results, source), ("Time", f"{duration(seconds)} minutes")]:
        table.add_row(name, text)
    console.print("", table)
    _print_list(console, f"\nLook at, in {stack.folder}", _files(stack.folder, results))
    _print_list(console, "\nWhat next", [*_gate(results), *_next(stack, keep)])


def _print_list(console: Console, title: str, rows: Rows) -> None:
    console.print(title, style="italic", highlight=False, soft_wrap=True)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        # A command or path that is folded could not be copied
        line = f"  {name:<{width}}  {text}"
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _outcome(results: Results, source: str) -> Rows:
    trained, scored, drift = results["train"], results["predict"], results["monitor"]
    metrics = trained["metrics"]
    verdict = {True: "yes", False: "no", None: "too few rows to tell"}
    made = results.get("make_loans", {})
    best = made.get("best_auc_newest")
    promoted = results.get("promote", {"promoted": False, "reasons": trained["reasons"]})
    loans = f"{results['prepare_data']['rows_written']:,}"
    return [
        ("Loans", f"{loans} generated" if made else f"{loans} of {source}"),
        ("Trained", f"{trained['model_name']} version {trained['model_version']}"),
        (
            "On its test months",
            f"AUC {metrics['AUC']:.3f}"
            + (f" (best reachable {best:.3f})" if best else "")
            + f", F1 {metrics['F1']:.3f}, Brier {metrics['Brier']:.3f}, "
            f"calibration error {metrics['calibration_error']:.3f}",
        ),
        ("Promoted", "yes" if promoted["promoted"] else "no: " + "; ".join(promoted["reasons"])),
        ("Scored", f"{scored['rows_scored']:,} rows, {scored['rows_rejected']:,} rejected"),
        ("Drift", f"{verdict[drift['drift']]}: {drift['reason']}"),
        ("Retraining", drift["decision"]),
    ]


def _files(folder: Path, results: Results) -> Rows:
    report = Path(results["monitor"]["report_html"])
    cards = folder.glob(f"mlruns/*/{results['train']['run_id']}/artifacts/model_card.md")
    files = [
        (report.parents[1] / "index.html", "all monitored days"),
        (report, "the drift of this day"),
        (Path(results["predict"]["predictions_path"]), "the predictions, with reasons"),
        *((card, "the model card") for card in cards),
    ]
    return [(str(path.relative_to(folder)), text) for path, text in files]


def _gate(results: Results) -> Rows:
    if results.get("promote", {}).get("promoted"):
        return []
    return [("docs/promotion.md", "says what the gate asks, and how to set it for your loans")]


def _next(stack: LocalStack, keep: bool) -> Rows:
    if keep:
        return [
            (stack.airflow_url, f"Airflow (user {stack.user}, password {stack.password})"),
            (stack.mlflow_url, "MLflow"),
            (stack.stop_command(), "stops both"),
        ]
    return [
        ("KEEP=1 make demo", "leaves Airflow and MLflow running, to look around"),
        ("TRAIN_DATA_PATH=FILE make demo", "trains on your own loans"),
        ("docs/tutorial-first-model.md", "goes on step by step, to a served decision"),
        (f"rm -r {shlex.quote(str(stack.folder))}", "removes what this demo wrote"),
    ]
