"""What runs again, what does not, and the reason that is given for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.checkout import KNOBS, STEPS, Checkout
from tests.warm import Warm

SAME = ["same as run a, nothing changed"]
HEAVY = {"great_expectations", "numpy", "pandas", "polars"}


@pytest.fixture
def again(done: Checkout, tmp_path: Path) -> Checkout:
    """A copy of it, store and all."""
    shutil.copytree(done.place, tmp_path / "again")
    return Checkout(tmp_path / "again" / done.root.name, tmp_path / "again")


def test_why_never_answers_in_a_circle(again: Checkout, warm: Warm) -> None:
    """Run a is taken by run b, then both are run again under their own names."""
    first = again.why("ingest")
    for run in ("b", "a", "b", "a"):
        assert warm.run(again, "ingest", run).well
    for run in ("a", "b"):
        command = [sys.executable, "-m", "rounds.cli", "why", run, "ingest"]
        ended = subprocess.run(
            command, cwd=again.root, env=again.environment(), capture_output=True, text=True, check=True
        )
        same, who, *reasons = ended.stdout.splitlines()
        assert same == "ingest: same as run a, nothing changed"
        assert who.startswith("run a did it on ")
        assert [line.strip() for line in reasons] == first


def ran(checkout: Checkout, warm: Warm, run: str = "b") -> dict[str, list[str]]:
    """The steps that run again, and why."""
    warm.flow(checkout, run)
    reasons = {step: checkout.why(step, run) for step in STEPS}
    return {step: why for step, why in reasons.items() if why != SAME}


@pytest.mark.parametrize("step", STEPS)
def test_nothing_changed_loads_nothing_and_refers_to_the_first_files(again: Checkout, step: str) -> None:
    for left in STEPS[: STEPS.index(step)]:
        assert again.run(left, "b").well
    ended = again.run(step, "b", python=(sys.executable, "-X", "importtime"))
    lines = ended.text.splitlines()
    *notes, answer = (line for line in lines if line.startswith(f"{step}: "))
    assert answer == f"{step}: same as run a, nothing changed"
    assert [("no source was given" in note) for note in notes] == ([True] if step == "ingest" else [])
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in lines if line.startswith("import time:")}
    assert "obstore" in loaded
    assert not loaded & HEAVY
    assert again.why(step, "b") == SAME
    places = again.manifest(step, "b")["circumstances"]["places"].values()
    assert all(place.startswith(f"noshow/a/{step}/") for place in places)
    assert [path.name for path in (again.store / "noshow/b" / step).iterdir()] == ["manifest.json"]


def test_a_third_run_refers_to_the_first_too(again: Checkout) -> None:
    for run in ("b", "c"):
        assert again.run("ingest", run).code == 0
    assert again.why("ingest", "c") == SAME


@pytest.mark.data_safety
def test_force_runs_anyway_with_equal_content(again: Checkout, warm: Warm) -> None:
    first = again.content("ingest")
    ended = warm.run(again, "ingest", "a", "--force")
    assert "ingest: runs: asked for with --force" in ended.text
    assert again.why("ingest") == ["asked for with --force"]
    assert again.content("ingest") == first


@pytest.mark.data_safety
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"damaged")], ids=["deleted", "damaged"])
def test_a_harmed_file_is_made_again(again: Checkout, warm: Warm, step: str, harm: object) -> None:
    first = again.content(step)
    name = min(first["files"], default="")
    if not name:
        pytest.skip(f"{step} writes no file when nobody asks for it")
    harm(again.file(step, name))  # type: ignore[operator]
    ended = warm.run(again, step)
    assert ended.well, ended.text
    assert again.why(step) == [f"of run a, {name} is gone or altered"]
    assert again.content(step) == first
    assert again.file(step, name).is_file()


# validate's report names its rules and changes with them; features reads the table alone.
REPORTED = ["validate"]
CHANGED_KNOBS = {
    # what is changed, into what: the steps that read it, and the reason of the first
    "seed: 7, start": ("seed: 8, start", STEPS, "problem.yaml source.seed 7 -> 8"),
    "{at_most: 0.5%": ("{at_most: 0.6%", REPORTED, "problem.yaml validate.quarantine.at_most 0.005 -> 0.006"),
    "at_most: 2035-12-31": (
        "at_most: 2034-12-31",
        REPORTED,
        "problem.yaml validate.rules.far-future.at_most 2035-12-31 -> 2034-12-31",
    ),
    "area: neighbourhood": (
        "area: patient_id",
        ["features", "tune", "train", "evaluate"],
        "problem.yaml features.history.area neighbourhood -> patient_id",
    ),
    "trees: 20, depth: 4": ("trees: 21, depth: 4", ["tune", "train", "evaluate"], "problem.yaml train.trees 20 -> 21"),
    "smallest: 150": ("smallest: 160", ["evaluate"], "problem.yaml evaluate.smallest 150 -> 160"),
    "title: Will": (
        "title: Would",
        ["evaluate"],
        "problem.yaml title Will this appointment be missed? -> Would this appointment be missed?",
    ),
}


@pytest.mark.parametrize("old", CHANGED_KNOBS)
def test_a_changed_knob_runs_the_steps_that_read_it(again: Checkout, warm: Warm, old: str) -> None:
    new, steps, reason = CHANGED_KNOBS[old]
    again.change(KNOBS, old, new)
    found = ran(again, warm)
    assert list(found) == steps
    for step in steps[1:]:  # each of the later ones says which of the earlier ones changed
        assert any(
            re.fullmatch(r"(what|table\.parquet of) '\w+'( wrote)? changed|problem\.yaml .+", why)
            for why in found[step]
        )
    assert not steps or found[steps[0]] == [reason]


def test_a_changed_source_says_so(checkout: Checkout, warm: Warm, tmp_path: Path) -> None:
    source = tmp_path / "raw.csv"
    source.write_text("a,b\n1,2\n", encoding="utf-8")
    for run in ("a", "b"):
        assert warm.run(checkout, "ingest", run, SOURCE=str(source)).code == 0
    assert checkout.why("ingest", "b") == SAME
    source.write_text("a,b\n1,3\n", encoding="utf-8")
    assert warm.run(checkout, "ingest", "c", SOURCE=str(source)).code == 0
    [reason] = checkout.why("ingest", "c")
    assert re.fullmatch(r"source\.sha256 [0-9a-f]{12} -> [0-9a-f]{12}", reason)


def test_a_changed_comment_or_docstring_does_nothing(again: Checkout, warm: Warm) -> None:
    for path in again.root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        altered = text.replace('"""', '"""In other words: ', 1) if text.startswith('"""') else text
        if path.name != "features.py" or path.parent.name == "jobs":
            path.write_text(f"# A new remark.\n\n{altered}\n\n", encoding="utf-8")
    assert ran(again, warm) == {}


def test_a_changed_comment_of_a_feature_definition_is_shipped(again: Checkout, warm: Warm) -> None:
    bundle = again.content("train")["facts"]["bundle"]
    with (again.root / "problems/noshow/features.py").open("a", encoding="utf-8") as file:
        file.write("\n# A new remark.\n")
    assert list(ran(again, warm)) == ["train", "evaluate"]
    assert again.content("train", "b")["facts"]["bundle"] == bundle


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("jobs/ingest.py", ["ingest"]),
        ("jobs/validate.py", ["validate"]),
        ("jobs/sources/https.py", ["ingest"]),
        ("problems/noshow/features.py", ["features", "train", "evaluate"]),
        ("problems/noshow/simulate.py", ["ingest"]),
        ("rounds/store.py", STEPS),
    ],
)
def test_a_changed_line_of_code_runs_the_steps_that_import_it(
    again: Checkout, warm: Warm, path: str, steps: list[str]
) -> None:
    with (again.root / path).open("a", encoding="utf-8") as file:
        file.write("\nNOBODY_READS_THIS = 1\n")
    found = ran(again, warm)
    assert list(found) == steps
    for reasons in list(found.values())[:1]:
        assert any(path in reason for reason in reasons)


def environment(place: Path, **versions: str) -> tuple[str, ...]:
    """A Python of its own in which packages have these versions, by the names of their folders."""
    venv.create(place, with_pip=False)
    [packages] = place.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    for name, version in versions.items():
        (packages / f"{name}-{version}.dist-info").mkdir()
    return (str(place / "bin" / "python"),)


def test_a_changed_package_says_so(checkout: Checkout, tmp_path: Path) -> None:
    before = environment(tmp_path / "before", polars="2.1.0", obstore="0.12.1")
    after = environment(tmp_path / "after", polars="2.2.0", obstore="0.12.1")
    for run, python in (("a", before), ("b", before), ("c", after)):
        ended = checkout.run("ingest", run, python=python)
        assert ended.well, ended.text
    assert checkout.why("ingest", "b") == SAME
    assert checkout.why("ingest", "c") == ["package polars 2.1.0 -> 2.2.0"]


def test_a_refused_run_is_never_reused(checkout: Checkout, warm: Warm, tmp_path: Path) -> None:
    source = tmp_path / "raw.csv"
    source.write_bytes(b"")
    for _ in range(2):
        ended = warm.run(checkout, "ingest", SOURCE=str(source))
        assert ended.code == 2
        assert "same as" not in ended.text
    assert checkout.content("ingest")["verdict"] == "refused"
    assert not (checkout.store / "noshow/.index").exists()


def test_a_step_without_what_it_reads_is_refused(unchanged: Checkout, warm: Warm, tmp_path: Path) -> None:
    for step in STEPS[1:]:
        ended = warm.run(unchanged.at(tmp_path), step)
        assert ended.code == 2
        assert re.search(r"'\w+' was not done in run a\. Run '\w+' first\.", ended.text)
