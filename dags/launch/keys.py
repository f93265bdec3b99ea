"""The keys of signatures as text: a container sees no path of the machine that launches it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PEM = "-----BEGIN"
HALVES = {"SIGNING_KEY": "private.pem", "VERIFY_KEYS": "public.pem"}


def texts(environ: Mapping[str, str], own: Path) -> dict[str, str]:
    """SIGNING_KEY and VERIFY_KEYS as PEM text; where neither is set, the pair of this checkout, if it has one."""
    if any(environ.get(name) for name in HALVES):
        return {name: _text(value) for name in HALVES if (value := environ.get(name))}
    return {name: _text(str(own / file)) for name, file in HALVES.items() if (own / file).is_file()}


def _text(value: str) -> str:
    """What a step reads at a path, or the value itself; a path that cannot be read is left for the step to refuse."""
    if PEM in value:
        return value
    try:
        return "\n".join(file.read_text(encoding="ascii", errors="replace") for file in _files(Path(value))) or value
    except OSError:  # its message would quote the value, which may be a key without its first line
        return value


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return [one for one in sorted(path.iterdir()) if one.is_file() and not one.name.startswith(".")]
    return [path] if path.is_file() else []
