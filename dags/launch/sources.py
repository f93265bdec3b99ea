"""Which files of this machine a step's container may read: only those under the folders that LAUNCH_SOURCES names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

INSIDE = PurePosixPath("/rounds")  # where an image has the project: a relative path counts from there
FOLDERS = "data"  # of the checkout, where LAUNCH_SOURCES is not set
OPTIONS = frozenset({"--source", "--appointments", "--calls", "--outcomes"})


def source_mounts(arguments: Sequence[str], settings: Mapping[str, str], root: Path) -> dict[str, Path]:
    """Each path inside the container, and the file or folder of this machine that is mounted there.

    Airflow's form takes any text, so a path in it must not open the rest of the machine.
    """
    folders = allowed_folders(settings, root)
    mounts: dict[str, Path] = {}
    for typed in typed_paths(arguments, settings):
        path = Path(typed)
        if "/" not in typed and not (root / path).exists():
            continue  # the name of a kind, such as `simulate`
        real = real_path(path, root, folders)
        if not (root / path).exists():
            continue  # the step reports a file that is missing
        if path.suffix == ".dvc":
            mounts[str(INSIDE / path.parent)] = real.parent
        else:
            mounts[str(INSIDE / path)] = real
    return mounts


def allowed_folders(settings: Mapping[str, str], root: Path) -> list[Path]:
    """The folders that containers may read from, without symbolic links."""
    names = (settings.get("LAUNCH_SOURCES") or FOLDERS).split(os.pathsep)
    return [(root / name).resolve() for name in names if name]


def typed_paths(arguments: Sequence[str], settings: Mapping[str, str]) -> Iterator[str]:
    """The values that name a file, not a URL or a day of the journal."""
    pairs = (argument.partition("=") for argument in arguments)
    values = [value for option, _, value in pairs if option in OPTIONS]
    for value in [*values, settings.get("SOURCE", "")]:
        path = value.removeprefix("file://")
        if path and "://" not in path and not path.startswith("journal:"):
            yield path


def real_path(path: Path, root: Path, folders: Sequence[Path]) -> Path:
    """The path without symbolic links, if a container may read it."""
    if ".." in path.parts:
        raise ValueError(f"the path '{path}' holds '..'; want one without. Type where the file is.")
    real = (root / path).resolve()
    if not any(real.is_relative_to(folder) for folder in folders):
        shown = ", ".join(map(str, folders))
        raise ValueError(
            f"the path '{path}' is outside the folders that containers may read: {shown}. "
            "Move the file there, or name its folder in LAUNCH_SOURCES."
        )
    if real.exists() and not real.is_file():
        raise ValueError(f"the path '{path}' is not a file; want one file.")
    return real
