"""The contract of a step: two arguments in, files and a manifest out, an exit code that says what it means."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import platform
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import problems
from rounds import code, keypair, log, places, signed, why
from rounds.errors import CRASHED, DONE, NOT_ASKED, NotAsked, Refused, RegistryError, RoundsError
from rounds.files import Reader, Writer, acceptable
from rounds.knobs import Problem
from rounds.manifest import (
    Circumstances,
    Content,
    Facts,
    Ingredients,
    Manifest,
    Verdict,
    Work,
)
from rounds.names import safe
from rounds.private import keep_private
from rounds.scratch import scratch
from rounds.settings import ROOT, settings
from rounds.store import Store, open_store

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

K = TypeVar("K", bound="DataclassInstance")
Also = Callable[[Reader, K], tuple[Facts, Any]]
After = Callable[[Reader], None]


def step(
    *,
    reads: tuple[str, ...] = (),
    knobs: type[K],
    modules: tuple[str, ...] = (),
    also: Also[K] | None = None,
    options: Mapping[str, str] | None = None,
    reuse: bool = True,
    mirror: bool = False,
    signs: bool = False,
    sorts: Callable[[Reader], tuple[str, ...]] = lambda _: (),
    after: After = lambda _: None,
) -> Callable[[Callable[[Reader, Writer, K], Facts]], Step[K]]:
    """Make a step of `main(read, write, knobs)`.

    `reads` names steps, or single files of them: `validate/table.parquet` does not change when a report does.
    The fields of `knobs` are the sections of problem.yaml that it may read, `modules` the problem's own modules,
    `also` whatever else decides the result (its first answer is part of the key, its second becomes `read.also`).
    A step without `reuse` looks at the world every time; one with `mirror` shows in MLflow what it did; one that
    `signs` signs with SIGNING_KEY what it wrote.
    `sorts` returns names of groups, such as `simulated`: the index also finds the last good result of each group.
    `after` is called once a good result is there, new or reused.
    """
    return lambda main: Step(main, reads, knobs, modules, also, dict(options or {}), reuse, mirror, signs, sorts, after)


@dataclass(frozen=True)
class Step(Generic[K]):
    main: Callable[[Reader, Writer, K], Facts]
    reads: tuple[str, ...]
    knobs: type[K]
    modules: tuple[str, ...]
    also: Also[K] | None
    options: dict[str, str]
    reuse: bool
    mirror: bool
    signs: bool
    sorts: Callable[[Reader], tuple[str, ...]]
    after: After

    @property
    def name(self) -> str:
        return Path(self.main.__code__.co_filename).stem

    def command(self) -> None:
        """`python -m jobs.<step>`: run, and leave with the exit code that says how it went."""
        keep_private()
        arguments = self._arguments(sys.argv[1:])
        log.start(self.name, arguments["run"], settings().log)
        signal.signal(signal.SIGTERM, _stop)
        sys.exit(self._caught(arguments))

    def _arguments(self, argv: list[str]) -> dict[str, Any]:
        text = (sys.modules[self.main.__module__].__doc__ or "").strip()
        parser = argparse.ArgumentParser(prog=f"python -m jobs.{self.name}", description=text, allow_abbrev=False)
        parser.add_argument("--problem", required=True, help="a folder in problems/")
        parser.add_argument(
            "--run",
            required=True,
            help="the name of this pass of the pipeline",
        )
        parser.add_argument("--force", action="store_true", help="run even if nothing changed")
        for name, meaning in self.options.items():
            parser.add_argument(f"--{name}", default="", help=meaning)
        arguments = vars(parser.parse_args(argv))
        if not arguments["run"].strip():
            parser.error("--run is empty; want a name such as 2026-11-20")
        return {**arguments, "run": safe(arguments["run"])}

    def _caught(self, arguments: dict[str, Any]) -> int:
        """The one place where a failure becomes an exit code."""
        try:
            return self.run(**arguments)
        except RoundsError as error:
            log.fail(str(error))
            return error.exit_code
        except MemoryError:
            log.fail("out of memory. Give the step more, or a smaller table, and run it again.")
            return CRASHED
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of polars is no Exception, and it quotes values too
            log.fail(log.withheld(error))
            return CRASHED

    def run(self, problem: str, run: str, force: bool = False, **options: str) -> int:
        """Do the step, or find that it was done; answers an exit code or raises one of `rounds.errors`."""
        started = time.monotonic()
        described = problems.problem(problem)
        knobs = self.knobs(**{field.name: getattr(described, field.name) for field in dataclasses.fields(self.knobs)})
        store = open_store(settings().store)
        inputs = self._inputs(store, problem, run)
        with scratch() as folder:
            read = Reader(
                problem,
                run,
                store,
                folder,
                inputs,
                {name: options.get(name, "") for name in self.options},
            )
            extra, value, refusal = self._look(read, knobs)
            read = dataclasses.replace(read, also=value)
            ingredients = self._ingredients(described, inputs, extra)
            if self.reuse and not force and refusal is None:
                done = places.finished(store, problem, run, self.name, ingredients.key(), self._is_sound(problem))
                if done is not None:
                    return self._again(read, done, run, started)
            return self._work(read, knobs, ingredients, force, started, refusal)

    def _inputs(self, store: Store, problem: str, run: str) -> dict[str, Manifest]:
        """The manifests of the steps that this one reads; of a step read by files, these files alone are to be seen."""
        found = {}
        for name in dict.fromkeys(entry.partition("/")[0] for entry in self.reads):
            done = acceptable(places.read(store, places.manifest_path(problem, run, name)), name, run)
            if name in signed.STEPS:  # before anything that it wrote is opened
                signed.check(done, problem, name)
            if name not in self.reads:
                files = {entry.partition("/")[2] for entry in self.reads if entry.startswith(f"{name}/")}
                done = done.model_copy(update={"content": done.content.only(files)})
            found[name] = done
        return found

    def _is_sound(self, problem: str) -> Callable[[Manifest], bool]:
        """Whether earlier work of this step may be referred to: of a step that signs, only signed work."""
        if not self.signs:
            return lambda _: True
        return lambda done: signed.is_sound(done, problem, self.name)

    def _look(self, read: Reader, knobs: K) -> tuple[Facts, Any, Refused | None]:
        """What else decides the result; a refusal here is on record like one of the work itself."""
        if self.also is None:
            return {}, None, None
        try:
            return *self.also(read, knobs), None
        except Refused as error:
            return {}, None, error

    def _ingredients(self, described: Problem, inputs: Mapping[str, Manifest], extra: Facts) -> Ingredients:
        sections = {field.name for field in dataclasses.fields(self.knobs)}
        modules = [
            f"jobs.{self.name}",
            *(f"problems.{described.name}.{name}" for name in self.modules),
        ]
        return Ingredients(
            code=code.digests(modules, ROOT),
            knobs=described.model_dump(mode="json", include=sections, by_alias=True, exclude_defaults=True),
            packages=code.packages(),
            inputs={entry: _part(inputs, entry) for entry in self.reads},
            also=extra,
        )

    def _again(self, read: Reader, done: Manifest, run: str, started: float) -> int:
        origin = done.circumstances.same_as or done.run
        reason = f"same as run {origin}, nothing changed"
        circumstances = done.circumstances.model_copy(
            update={
                "why": (reason,),
                "same_as": origin,
                "started": _now(),
                "seconds": _since(started),
                "work": done.circumstances.work or Work(started=done.circumstances.started, why=done.circumstances.why),
            }
        )
        again = done.model_copy(update={"run": run, "circumstances": circumstances})
        places.publish(read.store, again, self.sorts(read))
        self.after(read)
        log.say(reason)
        return NOT_ASKED if done.content.verdict == "skipped" else DONE

    def _work(
        self,
        read: Reader,
        knobs: K,
        ingredients: Ingredients,
        force: bool,
        started: float,
        refusal: Refused | None,
    ) -> int:
        if self.signs:
            keypair.private_key()  # a step that cannot sign what it will write says so before it works
        reasons = self._reasons(read, ingredients, force)
        for reason in reasons:
            log.say(f"runs: {reason}")
        begun, write, message = _now(), Writer(read.scratch), ""
        verdict: Verdict = "done"
        try:
            if refusal is not None:
                raise refusal
            facts, ending = self.main(read, write, knobs), None
        except (Refused, NotAsked) as error:
            verdict = "refused" if isinstance(error, Refused) else "skipped"
            facts, message, ending = error.facts, str(error), error
        kept, at = write.keep(read.store, read.problem, read.run, self.name, refused=verdict == "refused")
        content = Content(verdict=verdict, files=kept, facts=facts, message=message)
        circumstances = Circumstances(
            why=reasons,
            same_as=None,
            read=ingredients,
            places=at,
            started=begun,
            seconds=_since(started),
            machine=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            signature=signed.seal(read.problem, self.name, content, ingredients) if self.signs else "",
        )
        made = Manifest(
            problem=read.problem,
            run=read.run,
            step=self.name,
            content=content,
            circumstances=circumstances,
        )
        places.publish(read.store, made, self.sorts(read))
        if self.mirror and verdict != "skipped":
            self._show(read, ending)
        if ending is not None:
            raise ending
        self.after(read)
        log.say(f"done in {circumstances.seconds:.1f} s; {log.in_words(facts)}")
        return DONE

    def _show(self, read: Reader, ending: RoundsError | None) -> None:
        """Write the mirror. It is found by name, not imported: a change of the mirror makes no model anew."""
        try:
            importlib.import_module("rounds.mirror").after(read.store, read.problem, read.run)
        except RegistryError as error:
            if ending is None:
                raise
            log.fail(f"{error} Or say 'rounds mirror' later.")

    def _reasons(self, read: Reader, ingredients: Ingredients, force: bool) -> tuple[str, ...]:
        if not self.reuse:
            return (why.LOOKS,)
        own = places.read(read.store, places.manifest_path(read.problem, read.run, self.name))
        last = own or places.read(read.store, places.last_path(read.problem, self.name))
        gone = places.damaged(read.store, last) if last and last.circumstances.read == ingredients else []
        return why.reasons(ingredients, last, damaged=gone, forced=force)


def _part(inputs: Mapping[str, Manifest], entry: str) -> str:
    step, _, file = entry.partition("/")
    return inputs[step].content.part(file)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _stop(signum: int, _: Any) -> None:
    raise SystemExit(128 + signum)
