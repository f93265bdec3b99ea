"""The command `rounds`: what ran, why, what it found, and what may go.  It reads manifests and keeps nothing itself."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console

from rounds import comparison, inventory, places, pruning, views, words
from rounds.errors import CRASHED, DONE, RoundsError, StoreError
from rounds.files import fetch
from rounds.manifest import Manifest
from rounds.private import kept_private
from rounds.releases import mirror, models, promote, rollback
from rounds.settings import ROOT, settings
from rounds.signing_commands import keys, override, sign
from rounds.store import Store, open_store, sha256

WIDTH = 100
UNBROKEN = 10_000  # a file has no edge: a line a run, for grep and cut
REPORT = "report.json"
LONGEST = 365
WORDS = {
    "run": "a run's name, or 'latest'",
    "step": "a step, such as validate",
    "version": "a version's number, as 'rounds models' shows it",
}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        with kept_private():
            arguments.verb(None if arguments.verb is keys else _store(), arguments)
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
    return DONE


def runs(store: Store, arguments: argparse.Namespace) -> None:
    """every run, the newest first: its steps with their verdicts, and why it did anything"""
    found = [run for problem in inventory.problems(store, arguments.problem) for run in inventory.runs(store, problem)]
    views.show(views.runs(found), _console(UNBROKEN))


def show(store: Store, arguments: argparse.Namespace) -> None:
    """one run: each step, how long it took, why it ran or did not, what it found"""
    run = inventory.run(store, arguments.run, arguments.problem)
    if not arguments.json:
        return views.show(views.run(run, str(store.root or store.url)), _console(WIDTH))
    manifests = {name: json.loads(done.to_json()) for name, done in run.readable().steps.items()}
    print(json.dumps(manifests, indent=1, ensure_ascii=False))


def why(store: Store, arguments: argparse.Namespace) -> None:
    """why a step of a run did its work, or did not"""
    run = inventory.run(store, arguments.run, arguments.problem)
    done = run.step(arguments.step)
    views.show(views.why(run, done, _origin(store, done)), _console(UNBROKEN))


def diff(store: Store, arguments: argparse.Namespace) -> None:
    """what differs between two runs: data, knobs, code, packages, facts"""
    after = inventory.run(store, arguments.after, arguments.problem)
    before = inventory.run(store, arguments.before, arguments.problem or after.problem)
    views.show(
        views.differences(before, after, comparison.compare(before.readable(), after.readable())), _console(WIDTH)
    )


def quarantine(store: Store, arguments: argparse.Namespace) -> None:
    """the rules that the rows of a run broke: how often, and in which rows, never with which values"""
    run = inventory.run(store, arguments.run, arguments.problem)
    done = run.step("validate")
    with tempfile.TemporaryDirectory() as folder:
        report = json.loads(fetch(store, done, REPORT, Path(folder)).read_bytes())
    views.show(views.quarantine(run, done, report), _console(WIDTH))


def get(store: Store, arguments: argparse.Namespace) -> None:
    """the files of a step, by their own names, into a folder that git does not see"""
    run = inventory.run(store, arguments.run, arguments.problem)
    done = run.step(arguments.step)
    target = arguments.to or ROOT / ".rounds" / "files" / run.problem / run.name / done.step
    target.mkdir(parents=True, exist_ok=True)
    for name in sorted(done.content.files):
        _bring(store, done, name, target)
    brought = words.count(len(done.content.files), "file")
    print(f"{brought} of {done.step} in {target}: {', '.join(sorted(done.content.files)) or 'it wrote none'}")


def prune(store: Store, arguments: argparse.Namespace) -> None:
    """remove all but the newest runs, and what killed steps left; never what a run that stays refers to"""
    plans = [pruning.plan(store, problem, arguments.keep) for problem in inventory.problems(store, arguments.problem)]
    for planned in filter(None, plans):
        freed = pruning.apply(store, planned) if arguments.yes else None
        views.show(views.pruned(planned, freed), _console(UNBROKEN))
    if not any(plans):
        print(
            f"nothing to remove: {words.count(arguments.keep, 'run')} a problem may stay, and nothing else is left over"
        )
    elif not arguments.yes:
        print("nothing was removed; say --yes to do it")


def _origin(store: Store, done: Manifest) -> Manifest | None:
    """The work that a step's result was taken from, if it is still on record."""
    if done.circumstances.same_as in {None, done.run}:
        return None
    return places.read(store, places.manifest_path(done.problem, str(done.circumstances.same_as), done.step))


def _bring(store: Store, done: Manifest, name: str, target: Path) -> None:
    """Copy one file, checked again where it arrives; what stood there before is whole until the new one is."""
    with tempfile.TemporaryDirectory(dir=target, prefix=".rounds-") as folder:
        new = Path(folder) / "new"
        shutil.copyfile(fetch(store, done, name, Path(folder)), new)
        if sha256(new) != done.content.files[name].sha256:
            raise StoreError(f"{name} arrived altered in {target}. See that the disk is well, then get it again.")
        new.replace(target / name)


def _store() -> Store:
    """The store as it is: looking must not make one."""
    url = settings().store
    path = Path(unquote(urlsplit(url).path))
    if url.startswith("file://") and not path.is_dir():
        raise StoreError(f"the store {url} is not there. Run 'make demo', or correct STORE.")
    return open_store(url)


def _console(width: int) -> Console:
    """As wide as the terminal; elsewhere as wide as asked for."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return Console(highlight=False, markup=False, emoji=False)
    return Console(highlight=False, markup=False, emoji=False, width=width)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rounds", description=__doc__, allow_abbrev=False)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb, *names in (
        (runs,),
        (show, "run"),
        (why, "run", "step"),
        (diff, "before", "after"),
        (quarantine, "run"),
        (get, "run", "step"),
        (prune,),
        (models,),
        (promote, "version"),
        (rollback,),
        (mirror,),
        (override, "run"),
        (keys,),
        (sign,),
    ):
        own = verbs.add_parser(verb.__name__, help=verb.__doc__, description=verb.__doc__, allow_abbrev=False)
        own.set_defaults(verb=verb)
        for name in names:
            own.add_argument(name, type=_count if name == "version" else str, help=WORDS.get(name, WORDS["run"]))
        own.add_argument("--problem", help="needed where several problems have such a run")
        if verb is keys:
            own.add_argument("folder", type=Path, help="a folder that is not there yet")
        if verb is override:
            own.add_argument("--reason", required=True, help="why it may answer all the same; signed with it")
            own.add_argument("--days", type=_days, required=True, help=f"for how long, at most {LONGEST}")
            own.add_argument("--by", default="", help="who says so; otherwise the name of this account")
        if verb is show:
            own.add_argument("--json", action="store_true", help="the manifests as they are")
        if verb is get:
            own.add_argument("--to", type=Path, metavar="FOLDER", help="otherwise a folder under .rounds/files")
        if verb is prune:
            own.add_argument("--keep", type=_count, default=10, metavar="N", help="runs a problem that stay (10)")
            own.add_argument("--yes", action="store_true", help="do it; without this it only says what would go")
    return parser


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
