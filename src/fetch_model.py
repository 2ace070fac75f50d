"""Fetch a model version's files into a folder, whole or not at all, and try them out.

The server starts this for each new version: so files that bring a process down bring down this one,
and the server never imports MLflow; nor does this, where the files can be had without. The last
line of stdout is a JSON object: model_version, folder and unusable, which says why the version
cannot serve (null where it can).
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    flags = cli.parser(__doc__)
    flags.add_argument("--model-name", required=True, help="registered model")
    flags.add_argument("--version", required=True, help="its version")
    flags.add_argument("--folder", required=True, type=Path, help="where its files shall lie")
    return flags


def fetch(flags: argparse.Namespace) -> dict[str, Any]:
    """The job: returns what the JSON line holds."""
    from loan_default.registry import resolve
    from loan_default.settings import settings

    name, number, target = flags.model_name, flags.version, flags.folder
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as temporary:
        files = resolve.files(settings(), name, number, Path(temporary))
        unusable = _why_unusable(files, name, number)
        shutil.rmtree(target, ignore_errors=True)
        files.rename(target)
    return {"model_version": number, "folder": str(target), "unusable": unusable}


def _why_unusable(files: Path, name: str, number: str) -> str | None:
    from loan_default.errors import InputError
    from loan_default.serving import loaded_model

    try:
        loaded_model.load(files, name, number, threads=1)
    except InputError as error:
        return str(error)
    # Damaged files fail in as many ways as there are libraries that read them.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fetch; returns its exit code."""
    return cli.run(build_parser(), fetch, argv)


if __name__ == "__main__":
    sys.exit(main())
