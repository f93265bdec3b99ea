"""Whether git would take a file: rows of patients must not lie where a commit picks them up."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from rounds.errors import Refused


def require_ignored(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder in a work tree of git where these files would not be ignored."""
    place = folder.expanduser().resolve()
    tree = next((parent for parent in (place, *place.parents) if (parent / ".git").exists()), None)
    if tree is None:
        return
    if any(not _is_ignored(tree, place / name) for name in names):
        raise Refused(
            f"{folder} is in a work tree of git ({tree}) and is not ignored, and these files may hold patients' rows. "
            "Ignore it in .gitignore, choose another folder, or leave --to out."
        )


def _is_ignored(tree: Path, path: Path) -> bool:
    """Not where git cannot say: it may be away, or refuse a work tree of another owner."""
    try:
        asked = subprocess.run(
            ["git", "-C", str(tree), "check-ignore", "--quiet", "--", str(path)], capture_output=True
        )
    except OSError:
        return False
    return asked.returncode == 0
