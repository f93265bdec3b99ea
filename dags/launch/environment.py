"""The environment of one dependency group: made once, checked in a millisecond, mended if its making was killed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

UV = "uv==0.13.8"
ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".rounds"
MARKER = ".complete"
TOOLS = frozenset({"airflow", "dvc"})  # groups that stand alone: the project is not installed beside them
STRAY = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"})


class NotMade(Exception):
    """An environment could not be made; the text says why and what to do."""


def python(group: str, progress: str = "") -> Path:
    """The interpreter of the group's environment; groups with equal lists of packages share one."""
    first = shared(group)
    folder, wanted = HOME / "envs" / first, _wanted(first)
    once(folder, wanted, lambda lock, made: _sync(first, folder, made[:1] != wanted[:1], lock), progress)
    return folder / "bin" / "python"


def pythons(groups: Sequence[str]) -> list[Path]:
    """Those of many groups; where several environments are missing, it says how far it is and how large they are."""
    firsts = dict.fromkeys(shared(group) for group in groups)
    missing = [first for first in firsts if mark(HOME / "envs" / first) != _wanted(first)]
    if len(missing) < 2:
        return [python(group) for group in groups]
    begun = time.monotonic()
    for count, first in enumerate(missing, start=1):
        python(first, f" ({count} of {len(missing)})")
    size = _size([HOME / "envs" / first for first in missing])
    seconds = time.monotonic() - begun
    print(f"{len(missing)} environments in .rounds/envs: {size / 1e9:.1f} GB, {seconds:.0f} s", file=sys.stderr)
    return [python(group) for group in groups]


def shared(group: str) -> str:
    """The first group of pyproject.toml with the same packages; the group itself if it is not there."""
    lists = _package_lists((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    own = lists.get(group)
    return next((first for first, packages in lists.items() if packages == own), group)


@cache
def _package_lists(project: str) -> dict[str, tuple[bool, frozenset[str]]]:
    """Each group's packages, and whether the project is installed beside them."""
    import tomllib  # not above: an older Python must come as far as to be refused by name

    groups = tomllib.loads(project)["dependency-groups"]

    def packages(group: str) -> frozenset[str]:
        found: set[str] = set()
        for entry in groups[group]:
            found |= {entry} if isinstance(entry, str) else packages(entry["include-group"])
        return frozenset(found)

    return {group: (group in TOOLS, packages(group)) for group in groups}


def _size(folders: Sequence[Path]) -> int:
    """Bytes on disk; a file that several of them link to counts once."""
    stats = (path.lstat() for folder in folders for path in folder.rglob("*"))
    blocks = {stat.st_ino: stat.st_blocks for stat in stats}
    return 512 * sum(blocks.values())


def uv() -> Path:
    """The pinned uv in an environment of its own, so that nobody has to have one."""
    folder = HOME / "tools"
    once(folder, [_digest(UV, _python(), sys.version)], lambda lock, _: _install(folder, lock))
    return folder / "bin" / "uv"


def close() -> None:
    """Close `.rounds` to other accounts, and so everything below it, without touching each file."""
    HOME.mkdir(exist_ok=True)
    if HOME.stat().st_mode & 0o077:
        with contextlib.suppress(PermissionError):  # the checkout belongs to another account, which decides this
            HOME.chmod(0o700)


def keep_private() -> None:
    """The same; and only this account can read what this process and its children write elsewhere."""
    close()
    os.umask(0o077)


def once(folder: Path, wanted: list[str], make: Callable[[int, list[str]], None], progress: str = "") -> None:
    """Make a folder, unless its mark says that it is whole and made from what is wanted; one maker at a time.

    `make` gets the lock, to hand on to what it starts: so the uv of a maker that was killed still holds it.
    """
    if mark(folder) == wanted:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder.parent / f".{folder.name}.lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = mark(folder)  # somebody else may have made it while we waited
        if made != wanted:
            print(f"making {folder.relative_to(ROOT)}{progress}", file=sys.stderr)
            (folder / MARKER).unlink(missing_ok=True)
            make(lock, made)
            (folder / f"{MARKER}.new").write_text("\n".join(wanted), encoding="ascii")
            (folder / f"{MARKER}.new").replace(folder / MARKER)
    finally:
        os.close(lock)


def mark(folder: Path) -> list[str]:
    """What a folder was made from; empty if it is not whole."""
    try:
        return (folder / MARKER).read_text(encoding="ascii").split()
    except FileNotFoundError:
        return []


def _sync(group: str, folder: Path, whole: bool, lock: int) -> None:
    command = [str(uv()), "sync", "--locked", "--no-default-groups", "--quiet", *_selection(group)]
    # A killed environment lacks files and a moved one names its old path. uv checks neither, so it starts from nothing.
    if whole:
        shutil.rmtree(folder, ignore_errors=True)
    _run(command, lock, "Check the network and run it again.", UV_PROJECT_ENVIRONMENT=str(folder))


def _install(folder: Path, lock: int) -> None:
    hint = "On Debian and Ubuntu install python3-venv first."
    _run([_python(), "-m", "venv", "--clear", str(folder)], lock, hint)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, UV], lock, "Check the network and run it again.")


def _selection(group: str) -> list[str]:
    return ["--only-group" if group in TOOLS else "--group", group]


def _wanted(group: str) -> list[str]:
    """Where it must lie and what it must hold: a change of the second is a sync, of the first a new making."""
    files = [(ROOT / name).read_bytes() for name in ("uv.lock", "pyproject.toml")]
    return [_digest(str(ROOT), _python(), sys.version), _digest(*files, *_selection(group))]


def _python() -> str:
    """The interpreter that every environment is made from, also when we ourselves run in one of them."""
    return os.path.realpath(sys.executable)


def _digest(*parts: str | bytes) -> str:
    raw = (part.encode() if isinstance(part, str) else part for part in parts)
    return hashlib.sha256(b"\0".join(raw)).hexdigest()


def _run(command: list[str], lock: int, hint: str, **settings: str) -> None:
    environment = {**caches(), **{name: value for name, value in os.environ.items() if name not in STRAY}}
    environment.update(UV_NO_PROGRESS="1", UV_PYTHON=_python(), UV_PYTHON_DOWNLOADS="never")
    environment.update(settings)
    done = subprocess.run(command, cwd=ROOT, env=environment, pass_fds=(lock,), capture_output=True, text=True)
    if done.returncode != 0:
        words = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        shown = " ".join([Path(command[0]).name, *command[1:3]])
        raise NotMade(f"{words}\n`{shown}` ended with {done.returncode}. {hint}")


def caches() -> dict[str, str]:
    """Where downloads are kept if the home folder cannot be written: in the checkout."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    with contextlib.suppress(OSError):
        usual.mkdir(parents=True, exist_ok=True)
        if os.access(usual, os.W_OK):
            return {}
    return {"UV_CACHE_DIR": str(HOME / "cache" / "uv"), "PIP_CACHE_DIR": str(HOME / "cache" / "pip")}


def scratch() -> Path:
    """Where whatever we start puts its temporary files."""
    folder = HOME / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main(words: list[str]) -> None:
    """`environment.py GROUP... [-- COMMAND...]`: make them; run the command in the first one."""
    cut = words.index("--") if "--" in words else len(words)
    groups, command = words[:cut], words[cut + 1 :]
    if not groups:
        sys.exit("environment.py: name a dependency group, such as features")
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        found = ".".join(str(part) for part in sys.version_info[:3])
        sys.exit(f"python3 is {found}; want 3.11, 3.12 or 3.13. Name one: make ... PYTHON=python3.13")
    close()
    try:
        folders = [interpreter.parent for interpreter in pythons(groups)]
    except NotMade as error:
        sys.exit(f"environment.py: {error}")
    if command:
        path = os.pathsep.join([str(folders[0]), os.environ.get("PATH", os.defpath)])
        environment = {name: value for name, value in os.environ.items() if name not in STRAY}
        os.chdir(ROOT)
        os.execvpe(command[0], command, {**environment, "PATH": path, "TMPDIR": str(scratch())})


if __name__ == "__main__":
    main(sys.argv[1:])
