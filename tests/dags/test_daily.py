"""The DAGs of every day: publish and score, their shape in an environment of Airflow alone, and real runs of each."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.checkout import ROOT
from tests.dags.scratch import Scratch, said
from tests.dags.test_training import SAYS, parsed

FLOWS = {"publishing": ["ingest", "validate", "publish"], "scoring": ["score"]}
GIVEN = {
    "publishing": ({"run": "a run", "source": "a 'file'.csv"}, ["--source=a 'file'.csv"]),
    "scoring": (
        {"run": "a run", "appointments": "to morrow.csv", "calls": "made.csv"},
        ["--appointments=to morrow.csv", "--calls=made.csv"],
    ),
}


def scheduled(scratch: Scratch, texts: dict[str, str]) -> dict[str, Any]:
    for name in FLOWS:
        shutil.copy(ROOT / f"dags/{name}.py", scratch.root / "dags")
    for name, text in texts.items():
        (scratch.root / "problems" / name).mkdir(parents=True)
        (scratch.root / "problems" / name / "problem.yaml").write_text(text)
    found = parsed(scratch)
    assert found["errors"] == {}
    assert not found["polars"]
    return {name: dag for name, dag in found["dags"].items() if not name.startswith("train_")}


def test_every_problem_has_its_daily_dags(scratch: Scratch) -> None:
    found = scheduled(scratch, {"noshow": (ROOT / "problems/noshow/problem.yaml").read_text()})
    assert set(found) == {"publish_noshow", "score_noshow"}
    publish, score = found["publish_noshow"], found["score_noshow"]
    assert publish["tasks"] == {"ingest": ["validate"], "validate": ["publish"], "publish": []}
    assert score["tasks"] == {"score": []}
    assert (publish["schedule"], score["schedule"]) == ("@daily", "0 17 * * *")
    assert publish["given"] == {"run": None, "source": None}
    assert score["given"] == {"run": None, "appointments": None, "calls": None}
    for verb, dag in (("publish", publish), ("score", score)):
        assert (dag["catchup"], dag["runs"], dag["tags"], dag["quiet"]) == (False, 1, ["noshow", verb], True)
        assert (dag["owner"], dag["description"]) == ("rounds", "Will this appointment be missed?")
        assert "refused" in dag["doc"] and "rounds show RUN" in dag["doc"]


def test_a_section_says_when_and_a_broken_one_takes_no_other_down(scratch: Scratch) -> None:
    texts = {
        "usual": "title: x\n",
        "own": "title: x\npublish: {schedule: '5 1 * * *'}\nscore: {schedule: null}\n",
        "empty": "title: x\npublish:\n",
        "cron": "title: x\nscore: {schedule: 61 * * * *}\n",
        "word": "title: x\nscore: often\n",
    }
    found = scheduled(scratch, texts)
    assert {name: dag["schedule"] for name, dag in found.items()} == {
        **{f"publish_{name}": "5 1 * * *" if name == "own" else "@daily" for name in texts},
        **{f"score_{name}": "0 17 * * *" if name in {"usual", "empty"} else None for name in texts},
    }
    assert {name for name, dag in found.items() if dag["tags"] == ["broken"]} == {"score_cron", "score_word"}


@pytest.mark.parametrize("name", FLOWS)
def test_a_run_gives_its_parameters_to_the_steps(scratch: Scratch, name: str) -> None:
    for suffix in ("py", "md"):
        shutil.copy(ROOT / f"dags/{name}.{suffix}", scratch.root / "dags")
    (scratch.root / "problems/one").mkdir(parents=True)
    (scratch.root / "problems/one/problem.yaml").write_text("title: One\n")
    scratch.steps(**dict.fromkeys(FLOWS[name], SAYS))
    conf, more = GIVEN[name]
    done = scratch.runs({"publishing": "publish_one", "scoring": "score_one"}[name], conf)
    assert done.returncode == 0, done.stdout[-3000:]
    given = [json.loads(line.removeprefix("given ")) for line in said(done.stdout)]
    base = ["--problem", "one", "--run", "a run"]
    assert given == [[*base, *more], *[base] * (len(FLOWS[name]) - 1)]
    assert scratch.tasks() == dict.fromkeys(FLOWS[name], ("success", 1))
