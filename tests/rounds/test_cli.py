"""The command `rounds`, on runs that no step had to make."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rounds import cli, run_commands
from rounds.manifest import Work
from rounds.settings import settings
from tests.rounds.shelf import Shelf

Said = tuple[int, str, str]
Rounds = Callable[..., Said]
AIRFLOW = "manual__2026-11-20T05:35:00.123456+00:00"
SAFE = "manual__2026-11-20T05-35-00.123456-00-00-918f6fd0"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = Shelf(tmp_path / "a store")
    monkeypatch.setenv("STORE", made.root.as_uri())
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(cli, "settings", settings.__wrapped__)
    return made


@pytest.fixture
def rounds(capsys: pytest.CaptureFixture[str]) -> Rounds:
    def call(*words: str) -> Said:
        code = cli.main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def cells(out: str) -> list[list[str]]:
    """The rows of a table without its header: columns are two blanks apart."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.splitlines()[1:]]


def test_runs_are_a_line_each_the_newest_first(shelf: Shelf, rounds: Rounds) -> None:
    shelf.put("one")
    shelf.put("two", same_as="one", why=("same as run one, nothing changed",))
    shelf.put(SAFE, text="other", why=("problem.yaml source.seed 7 -> 8", "package polars 2.1.0 -> 2.1.1"))
    shelf.put(SAFE, "validate", verdict="refused", inputs={"ingest": "0"})
    code, out, _ = rounds("runs")
    assert code == 0
    assert cells(out) == [
        [
            "noshow",
            SAFE,
            "2026-11-20 00:04",
            "ingest done, validate refused",
            "ingest: problem.yaml source.seed 7 -> 8 and 1 more",
        ],
        ["noshow", "two", "2026-11-20 00:02", "ingest done", "nothing changed"],
        ["noshow", "one", "2026-11-20 00:01", "ingest done", "ingest: the first run"],
    ]


def test_steps_stand_in_the_order_of_the_flow(shelf: Shelf, rounds: Rounds) -> None:
    shelf.put("one", "features", inputs={"validate": "0"})
    shelf.put("one", "validate", inputs={"ingest": "0"})
    shelf.put("one", "ingest")
    assert "ingest validate features done" in rounds("runs")[1]


def test_show_says_of_each_step_how_long_why_and_what(shelf: Shelf, rounds: Rounds) -> None:
    shelf.put("one", facts={"good_rows": 110_527, "broken": {"no_show-type": 2}, "none": []})
    title, *table = rounds("show", "one")[1].splitlines()
    assert title == "noshow, run one, 2026-11-20 00:01 UTC"
    assert cells("\n".join(table)) == [
        ["ingest", "done", "1.2", "the first run", "broken (no_show-type 2), good rows 110,527"]
    ]


def test_show_tells_why_a_step_was_refused(shelf: Shelf, rounds: Rounds) -> None:
    shelf.put("one", "validate", verdict="refused", message="6 of 100 rows broke a rule.")
    code, out, _ = rounds("show", "one")
    assert code == 0
    assert out.splitlines()[-1] == "validate was refused: 6 of 100 rows broke a rule."


def test_a_step_is_stale_when_what_it_read_has_changed(shelf: Shelf, rounds: Rounds) -> None:
    before = shelf.put("one", text="before")
    shelf.put("one", "validate", inputs={"ingest": before.content.digest()})
    assert "stale" not in rounds("show", "one")[1]
    shelf.put("one", text="after")
    out = rounds("show", "one")[1]
    assert "done, stale" in out
    assert out.splitlines()[-1] == "validate is stale: 'ingest' changed since. Run 'validate' again."
    assert "stale: 'ingest' changed since" in rounds("why", "one", "validate")[1]


def test_json_is_the_manifests_as_they_are(shelf: Shelf, rounds: Rounds) -> None:
    made = shelf.put("one")
    assert json.loads(rounds("show", "one", "--json")[1]) == {"ingest": json.loads(made.to_json())}


def test_a_run_answers_to_what_airflow_calls_it(shelf: Shelf, rounds: Rounds) -> None:
    shelf.put(SAFE)
    assert rounds("show", AIRFLOW) == rounds("show", SAFE) == rounds("show", "latest")


def test_why_leads_back_to_the_run_that_did_the_work(shelf: Shelf, rounds: Rounds) -> None:
    work = Work(started="2026-11-20T00:01:00+00:00", why=("problem.yaml source.seed 7 -> 8",))
    shelf.put("one", why=work.why)
    shelf.put("two", same_as="one", why=("same as run one, nothing changed",), work=work)
    assert rounds("why", "two", "ingest")[1].splitlines() == [
        "ingest: same as run one, nothing changed",
        "run one did it on 2026-11-20, because:",
        "  problem.yaml source.seed 7 -> 8",
    ]


@pytest.mark.data_safety
def test_quarantine_names_rules_counts_and_rows_and_no_value(shelf: Shelf, rounds: Rounds) -> None:
    rules = [
        {"id": "age-between", "wanted": "0 to 120", "broken": 1, "first_rows": [99_832]},
        {"id": "booked-before", "wanted": "at least scheduled_day", "broken": 5, "first_rows": [27, 34]},
        {"id": "sex-in", "wanted": "one of F, M", "broken": 0, "first_rows": []},
    ]
    whole = [{"id": "outcome-rate", "found": "no_show is true in 0.6 of the good rows", "holds": False}]
    report = {"rows": 110_527, "quarantined": 6, "rules": rules, "table": whole}
    shelf.put("one", "validate", name="report.json", text=json.dumps(report), verdict="refused", message="Mend it.")
    assert rounds("quarantine", "one")[1].splitlines() == [
        "6 of 110,527 rows of run one are in quarantine",
        "rule           wanted                  rows broken  row numbers",
        "booked-before  at least scheduled_day            5  27, 34, ...",
        "age-between    0 to 120                          1  99832",
        "outcome-rate does not hold of the table: no_show is true in 0.6 of the good rows",
        "refused: Mend it.",
    ]


def test_diff_parts_data_knobs_code_packages_and_facts(shelf: Shelf, rounds: Rounds) -> None:
    code = {"rounds/step.py": "a"}
    shelf.put(
        "one", text="a", knobs={"columns": {"age": {"between": [0, 120]}}}, code=code, packages={"polars": "2.1.0"}
    )
    shelf.put("one", "validate", text="same", code=code)
    code = {"rounds/step.py": "b"}
    shelf.put(
        "two",
        text="b",
        knobs={"columns": {"age": {"between": [0, 115]}}},
        code=code,
        packages={"polars": "2.1.1"},
        facts={"rows": 110_528},
    )
    shelf.put("two", "validate", text="same", code=code)
    found = {(row[0], row[1], row[2]): row[3:] for row in cells(rounds("diff", "one", "two")[1])}
    assert found[("knobs", "ingest", "columns.age.between.1")] == ["120", "115"]
    assert found[("packages", "ingest", "polars")] == ["2.1.0", "2.1.1"]
    assert found[("facts", "ingest", "rows")] == ["110,527", "110,528"]
    assert found[("code", "ingest validate", "rounds/step.py")] == ["a", "b"]
    assert ("data", "ingest", "table.parquet") in found
    assert len(found) == 5


def test_a_run_differs_from_itself_in_nothing(shelf: Shelf, rounds: Rounds) -> None:
    shelf.put("one")
    assert rounds("diff", "one", "one")[1] == "runs one and one of noshow differ in nothing\n"


def test_get_brings_files_by_their_own_names(shelf: Shelf, rounds: Rounds, tmp_path: Path) -> None:
    shelf.put("one", text="what the step wrote")
    code, _, _ = rounds("get", "one", "ingest", "--to", str(tmp_path / "out"))
    assert code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["table.parquet"]
    assert (tmp_path / "out" / "table.parquet").read_text() == "what the step wrote"


@pytest.mark.data_safety
def test_get_brings_nothing_that_was_altered(shelf: Shelf, rounds: Rounds, tmp_path: Path) -> None:
    done = shelf.put("one")
    shelf.store.write(done.circumstances.places["table.parquet"], b"altered")
    code, _, err = rounds("get", "one", "ingest", "--to", str(tmp_path / "out"))
    assert code == 2
    assert "was altered" in err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("verb", [("runs",), ("show", "one"), ("why", "one", "ingest"), ("diff", "one", "two")])
def test_what_the_store_holds_does_not_steer_the_terminal(shelf: Shelf, rounds: Rounds, verb: tuple[str, ...]) -> None:
    evil = "\x1b]0;a window\x07\x1b[2J\x9b2Jseen"
    shelf.put("one", facts={"said": evil}, why=(evil,))
    shelf.put("two", facts={"said": "well"})
    for said in (*rounds(*verb)[1:], *rounds("get", evil, "ingest")[1:]):
        assert not any(mark in said for mark in ("\x1b", "\x9b", "\x07"))


@pytest.mark.data_safety
def test_get_writes_nothing_outside_its_folder(shelf: Shelf, rounds: Rounds, tmp_path: Path) -> None:
    shelf.put("one", text="of an attacker")
    (path,) = shelf.root.glob("noshow/one/ingest/manifest.json")
    path.write_text(path.read_text().replace('"table.parquet"', '"../.bashrc"'))
    code, _, err = rounds("get", "one", "ingest", "--to", str(tmp_path / "home" / "out"))
    assert code
    assert "is not a manifest" in err
    assert not (tmp_path / "home" / ".bashrc").exists()


@pytest.mark.data_safety
def test_patients_rows_go_by_default_where_git_does_not_look(
    shelf: Shelf, rounds: Rounds, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(run_commands, "ROOT", tmp_path)
    shelf.put("one")
    rounds("get", "one", "ingest")
    assert (tmp_path / ".rounds/files/noshow/one/ingest/table.parquet").is_file()


@pytest.mark.data_safety
def test_patients_rows_go_nowhere_where_git_would_commit_them(shelf: Shelf, rounds: Rounds, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "init", "--quiet", str(clone)], check=True)
    shelf.put("one")
    code, _, err = rounds("get", "one", "ingest", "--to", str(clone / "rows"))
    assert code == 2
    assert "is not ignored" in err and "--to" in err
    assert not (clone / "rows").exists()
    (clone / ".gitignore").write_text("/rows/\n", encoding="utf-8")
    assert rounds("get", "one", "ingest", "--to", str(clone / "rows"))[0] == 0
    assert rounds("get", "one", "ingest", "--to", str(clone / "rows" / ".." / "other"))[0] == 2


@pytest.mark.data_safety
def test_prune_does_nothing_until_it_is_told(shelf: Shelf, rounds: Rounds) -> None:
    for name in ("one", "two"):
        shelf.put(name, text=name)
    before = shelf.files()
    _, out, _ = rounds("prune", "--keep", "1")
    assert out.startswith("noshow: would remove 1 old run, 1 file, 1 key; ")
    assert out.endswith("nothing was removed; say --yes to do it\n")
    assert shelf.files() == before
    _, done, _ = rounds("prune", "--keep", "1", "--yes")
    assert done.splitlines() == out.replace("would remove", "removed").splitlines()[:-1]
    assert [row[1] for row in cells(rounds("runs")[1])] == ["two"]
    assert rounds("prune", "--keep", "1")[1].startswith("nothing to remove")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "nope"), "there is no run 'nope' in {store} (found: two, one)."),
        (("why", "one", "train"), "run one of noshow has no step 'train' (found: ingest)."),
        (("quarantine", "one"), "run one of noshow has no step 'validate' (found: ingest)."),
        (("runs", "--problem", "x"), "nothing of a problem 'x' lies in {store} (found: noshow, readmission)."),
        (("show", "two"), "run two is there for several problems (noshow, readmission); choose one with --problem."),
        (("show", "latest"), "run latest is there for several problems (noshow, readmission)"),
    ],
)
def test_what_is_not_there_is_named_and_so_is_what_is(
    shelf: Shelf, rounds: Rounds, words: tuple[str, ...], says: str
) -> None:
    shelf.put("one")
    shelf.put("two")
    shelf.put("two", problem="readmission")
    code, out, err = rounds(*words)
    expected = says.format(store=shelf.store.url)
    if "found: two, one" in says:
        expected = expected.replace("two, one", "two, one, two")
    assert (code, out) == (2, "")
    assert err.startswith(f"rounds: {expected}")


def test_one_unreadable_manifest_does_not_hide_the_others(shelf: Shelf, rounds: Rounds) -> None:
    shelf.put("one")
    shelf.store.write("noshow/one/validate/manifest.json", b"{")
    assert "ingest done, validate unreadable" in rounds("runs")[1]
    assert "noshow/one/validate/manifest.json is not a manifest" in rounds("show", "one")[1]
    code, _, err = rounds("why", "one", "validate")
    assert code == 1
    assert "is not a manifest" in err


def test_a_store_that_is_gone_is_one_sentence_and_looking_makes_none(shelf: Shelf, rounds: Rounds) -> None:
    shelf.root.rmdir()
    code, out, err = rounds("runs")
    assert (code, out) == (1, "")
    assert err == f"rounds: the store {shelf.store.url} is not there. Run 'make demo', or correct STORE.\n"
    assert not shelf.root.exists()


def test_an_empty_store_has_no_runs_and_names_none(shelf: Shelf, rounds: Rounds) -> None:
    assert rounds("runs")[0] == 0
    assert rounds("show", "latest")[2] == f"rounds: there is no run 'latest' in {shelf.store.url} (found: none).\n"


def test_a_file_gets_plain_text_of_100_columns(shelf: Shelf, rounds: Rounds) -> None:
    shelf.put("one", facts={f"fact_{number}": number for number in range(40)}, why=tuple("because " * 9 for _ in "123"))
    out = rounds("show", "one")[1]
    assert out.isascii()
    assert "\x1b" not in out
    assert all(len(line) <= 100 and line == line.rstrip() for line in out.splitlines())


@pytest.mark.parametrize("keep", ["0", "-1", "many"])
def test_prune_keeps_at_least_one_run(shelf: Shelf, rounds: Rounds, keep: str) -> None:
    with pytest.raises(SystemExit) as ended:
        rounds("prune", "--keep", keep)
    assert ended.value.code == 2
