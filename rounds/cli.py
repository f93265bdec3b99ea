"""The command `rounds`: what ran, why, what it found, and what may go.  It reads manifests and keeps nothing itself."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from rounds import words
from rounds.errors import CRASHED, DONE, RoundsError, StoreError
from rounds.output import Output, show
from rounds.private import kept_private
from rounds.releases import mirror, models, promote, rollback
from rounds.run_commands import diff, get, open_report, prune, quarantine, runs, why
from rounds.run_commands import show as show_run
from rounds.settings import settings
from rounds.signing_commands import keys, override, sign
from rounds.source_commands import source
from rounds.step_command import run
from rounds.store import Store, open_store

Verb: TypeAlias = Callable[..., Output | None]
NEED_NO_STORE = {keys, run}
LONGEST = 365
WORDS = {
    "run": "a run's name, or 'latest'",
    "step": "a step, such as validate",
    "version": "a version's number, as 'rounds models' shows it",
}
VERBS: dict[str, tuple[Verb, tuple[str, ...]]] = {
    "runs": (runs, ()),
    "show": (show_run, ("run",)),
    "open": (open_report, ("run",)),
    "why": (why, ("run", "step")),
    "diff": (diff, ("before", "after")),
    "quarantine": (quarantine, ("run",)),
    "get": (get, ("run", "step")),
    "prune": (prune, ()),
    "run": (run, ("step",)),
    "models": (models, ()),
    "promote": (promote, ("version",)),
    "rollback": (rollback, ()),
    "source": (source, ()),
    "mirror": (mirror, ()),
    "override": (override, ("run",)),
    "keys": (keys, ()),
    "sign": (sign, ()),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.verb is None:
        parser.print_help()
        return DONE
    try:
        with kept_private():
            output = arguments.verb(None if arguments.verb in NEED_NO_STORE else _store(), arguments)
        code = show(output, arguments.json) if output else DONE
        sys.stdout.flush()
    except RoundsError as error:
        print(words.printable(f"rounds: {error}"), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has seen enough
        return CRASHED
    except OSError as error:
        print(f"rounds: {error.filename or 'this machine'}: {error.strerror}.", file=sys.stderr)
        return CRASHED
    return code


def _store() -> Store:
    """The store as it is: looking must not make one."""
    url = settings().store
    path = Path(unquote(urlsplit(url).path))
    if url.startswith("file://") and not path.is_dir():
        raise StoreError(f"the store {url} is not there. Run 'make demo', or correct STORE.")
    return open_store(url)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rounds", description=__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"rounds {importlib.metadata.version('rounds')}")
    parser.set_defaults(verb=None)
    verbs = parser.add_subparsers(metavar="VERB")
    for word, (verb, names) in VERBS.items():
        own = verbs.add_parser(word, help=verb.__doc__, description=verb.__doc__, allow_abbrev=False)
        own.set_defaults(verb=verb)
        for name in names:
            own.add_argument(name, type=_count if name == "version" else str, help=WORDS.get(name, WORDS["run"]))
        if verb is run:  # what follows is the step's own
            own.add_argument("words", nargs=argparse.REMAINDER, help="the step's arguments: --run RUN, and its options")
            continue
        own.add_argument("--problem", help="needed where several problems have such a run")
        own.add_argument("--json", action="store_true", help="the same as JSON")
        _add_options(word, own)
    return parser


def _add_options(word: str, own: argparse.ArgumentParser) -> None:
    """What one verb takes beside its names."""
    if word == "open":
        own.add_argument("step", nargs="?", default="", help="otherwise the last step that wrote a report")
    if word == "keys":
        own.add_argument("folder", type=Path, help="a folder that is not there yet")
    if word == "override":
        own.add_argument("--reason", required=True, help="why it may answer all the same; signed with it")
        own.add_argument("--days", type=_days, required=True, help=f"for how long, at most {LONGEST}")
        own.add_argument("--by", default="", help="who says so; otherwise the name of this account")
    if word == "source":
        own.add_argument("source", nargs="?", default="", metavar="SOURCE", help="a table, as make train takes it")
        own.add_argument("--forget", action="store_true", help="go back to the source in problem.yaml")
    if word in {"promote", "rollback"}:
        own.add_argument("--reason", default="", help="why; needed for a version that is held, and kept with it")
        own.add_argument("--by", default="", help="who says so; otherwise the name of this account")
    if word == "get":
        own.add_argument("--to", type=Path, metavar="FOLDER", help="otherwise a folder under .rounds/files")
    if word == "prune":
        own.add_argument("--keep", type=_count, default=10, metavar="N", help="runs a problem that stay (10)")
        own.add_argument("--yes", action="store_true", help="do it; without this it only says what would go")


def _days(text: str) -> int:
    if _count(text) > LONGEST:
        raise argparse.ArgumentTypeError(f"is '{text}'; want at most {LONGEST} days")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"is '{text}'; want a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
