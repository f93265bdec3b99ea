"""Remove from jobs/ what a step does not import: `keep_imported.py train`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from rounds import code


def main(step: str) -> None:
    root = Path.cwd()
    imported = code.digests([f"jobs.{step}"], root)
    kept = {"__init__.py"} | {path.split("/")[1] for path in imported if path.startswith("jobs/")}
    if f"{step}.py" not in kept:
        sys.exit(f"There is no step '{step}' in jobs/; STEP must name one.")
    for path in Path("jobs").iterdir():
        if path.name in kept or path.name == "__pycache__":
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


if __name__ == "__main__":
    main(sys.argv[1])
