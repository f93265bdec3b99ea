"""The contract of a step: exit codes, verdicts, what is kept, and what is never said."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.checkout import Checkout
from tests.warm import Warm

STEP = '''"""Try something out.  Reads nothing.  Writes whatever it likes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import polars as pl

from rounds.errors import NotAsked, Refused, SourceError, StoreError
from rounds.knobs import Split
from rounds.step import step


@dataclass(frozen=True)
class Knobs:
    split: Split


@step(knobs=Knobs, options={{"word": "anything"}})
def main(read, write, knobs):
    secret = "93779.52927"
    {body}


if __name__ == "__main__":
    main.command()
'''


def write_step(checkout: Checkout, body: str) -> None:
    (checkout.root / "jobs/trial.py").write_text(STEP.format(body=body), encoding="utf-8")


def test_done(checkout: Checkout, warm: Warm) -> None:
    write_step(checkout, 'write.text("a.txt", "text")\n    return {"rows": 1234, "rate": 0.25, "nested": {"x": 1}}')
    ended = warm.run(checkout, "trial")
    assert ended.code == 0
    assert ended.text.splitlines()[0] == "trial: runs: the first run"
    assert ended.text.splitlines()[1].endswith(" s; rows 1,234, rate 0.25")
    content = checkout.content("trial")
    assert (content["verdict"], list(content["files"]), content["facts"]["nested"]) == ("done", ["a.txt"], {"x": 1})
    assert checkout.manifest("trial")["circumstances"]["read"]["knobs"] == {
        "split": {"by": "appointment_day", "calibrate": 0.17, "fit": 0.55, "test": 0.28}
    }


def test_of_two_runs_of_one_second_the_later_is_the_newest(checkout: Checkout, warm: Warm) -> None:
    write_step(checkout, "return {}")
    names = [f"run-{number}" for number in (3, 1, 2)]
    for name in names:
        assert warm.run(checkout, "trial", name).code == 0
    starts = {name: checkout.manifest("trial", name)["circumstances"]["started"] for name in names}
    assert sorted(names, key=starts.__getitem__) == names and len(set(starts.values())) == 3


@pytest.mark.data_safety
def test_refused_keeps_what_it_wrote(checkout: Checkout, warm: Warm) -> None:
    write_step(checkout, 'write.text("report.txt", "bad")\n    raise Refused("It is bad. Mend it.", {"rows": 3})')
    assert warm.run(checkout, "trial").sentence(2) == "trial: It is bad. Mend it."
    content = checkout.content("trial")
    assert content["verdict"] == "refused"
    assert content["message"] == "It is bad. Mend it."
    assert (list(content["files"]), content["facts"]) == (["report.txt"], {"rows": 3})


def test_not_asked_for_is_on_record_and_found_again(checkout: Checkout, warm: Warm) -> None:
    write_step(checkout, 'write.text("knobs.txt", "default")\n    raise NotAsked("Nobody asked for it.")')
    assert warm.run(checkout, "trial").sentence(99) == "trial: Nobody asked for it."
    assert checkout.content("trial")["verdict"] == "skipped"
    again = warm.run(checkout, "trial", "b")
    assert (again.code, again.text) == (99, "trial: same as run a, nothing changed\n")


@pytest.mark.data_safety
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("raise ValueError(f'could not parse {secret}')", "ValueError"),
        ("pl.Series([secret + 'x']).cast(pl.Int64)", "InvalidOperationError"),
        ("raise pl.exceptions.PanicException(secret)", "PanicException"),
        ("raise KeyError(secret)", "KeyError"),
        ("raise ExceptionGroup(secret, [ValueError(secret)])", "ExceptionGroup"),
        ("open('/nowhere/' + secret)", "FileNotFoundError"),
        ("write.path('never written')\n    return {}", "FileNotFoundError"),
    ],
)
def test_a_crash_says_where_and_never_what(checkout: Checkout, warm: Warm, body: str, kind: str) -> None:
    write_step(checkout, body)
    ended = warm.run(checkout, "trial")
    assert ended.code == 1
    assert f"crashed: {kind} at " in ended.text
    assert "Run again; ROUNDS_DEBUG=1 shows everything." in ended.text
    assert "93779.52927" not in ended.text
    assert "Traceback" not in ended.text
    assert not (checkout.store / "noshow/a").exists()


def test_a_crash_names_the_line_of_ours(checkout: Checkout, warm: Warm) -> None:
    write_step(checkout, "pl.Series(['x']).cast(pl.Int64)")
    assert "at jobs/trial.py:23 in main: " in warm.run(checkout, "trial").text


def test_a_developer_may_see_everything(checkout: Checkout, warm: Warm) -> None:
    write_step(checkout, "raise ValueError(secret)")
    assert "ValueError: 93779.52927" in warm.run(checkout, "trial", ROUNDS_DEBUG="1").text


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("raise StoreError('It is gone.')", 1),
        ("raise SourceError('It is away.')", 1),
        ("raise MemoryError", 1),
        ("raise Refused('It is bad.')", 2),
    ],
)
def test_exit_codes(checkout: Checkout, warm: Warm, body: str, code: int) -> None:
    write_step(checkout, body)
    warm.run(checkout, "trial").sentence(code)


@pytest.mark.parametrize("more", [("--unknown", "x"), ("--wor", "x"), ("--run",), ("stray",)])
def test_wrong_arguments_are_refused(checkout: Checkout, warm: Warm, more: tuple[str, ...]) -> None:
    write_step(checkout, "return {}")
    ended = warm.run(checkout, "trial", "a", *more)
    assert ended.code == 2
    assert "usage: python -m jobs.trial" in ended.text


@pytest.mark.data_safety
def test_a_terminated_step_leaves_nothing_behind(checkout: Checkout, warm: Warm) -> None:
    write_step(checkout, "write.text('a.txt', 'x')\n    time.sleep(60)\n    return {}")
    running = warm.start(checkout, "trial")
    while not list(checkout.scratch.glob("rounds-*/out/a.txt")):
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait().code == 128 + signal.SIGTERM
    assert list(checkout.scratch.iterdir()) == []
    assert not (checkout.store / "noshow").exists()


def test_lines_of_json(checkout: Checkout, warm: Warm) -> None:
    write_step(checkout, "return {'ort': 'ä'}")
    lines = [json.loads(line) for line in warm.run(checkout, "trial", LOG="json").text.splitlines()]
    assert [line["level"] for line in lines] == ["info", "info"]
    assert {(line["step"], line["run"]) for line in lines} == {("trial", "a")}
    assert lines[0]["text"] == "runs: the first run"
    assert all(line["time"].endswith("+00:00") for line in lines)


def test_a_step_keeps_to_its_sections(checkout: Checkout, warm: Warm) -> None:
    write_step(checkout, "return {'found': sorted(vars(knobs))}")
    assert warm.run(checkout, "trial").code == 0
    assert checkout.content("trial")["facts"] == {"found": ["split"]}


def test_a_run_may_be_called_anything(checkout: Checkout, warm: Warm) -> None:
    write_step(checkout, "return {}")
    assert warm.run(checkout, "trial", "../../etc/ä b").code == 0
    [folder] = [path for path in (checkout.store / "noshow").iterdir() if path.name != ".index"]
    assert folder.name.startswith("etc-b-")
    assert Path(checkout.store / "noshow" / folder.name / "trial/manifest.json").is_file()
