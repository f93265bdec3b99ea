"""A manifest is read back as it was written, or named as none."""

from __future__ import annotations

import json
import math

import pytest

from rounds.errors import StoreError
from rounds.manifest import Circumstances, Content, Ingredients, Kept, Manifest, digest, parse

READ = Ingredients(code={}, knobs={"seed": 7}, packages={}, inputs={}, also={})
MADE = Manifest(
    problem="p",
    run="a",
    step="s",
    content=Content(verdict="done", files={"t": Kept(sha256="1" * 64, bytes=3)}, facts={"rows": 1, "ort": "ä"}),
    circumstances=Circumstances(
        why=("the first run",),
        same_as=None,
        read=READ,
        places={"t": "p/a/s/t"},
        started="",
        seconds=0.1,
        machine="",
        python="",
    ),
)


def test_read_back_as_written() -> None:
    assert parse(MADE.to_json(), "p/a/s/manifest.json") == MADE


def test_equal_manifests_are_equal_bytes_whatever_the_order() -> None:
    raw = json.loads(MADE.to_json())
    turned = dict(reversed(raw.items()))
    assert parse(json.dumps(turned).encode(), "x").to_json() == MADE.to_json()


@pytest.mark.parametrize("cut", [0, 1, 100])
def test_half_a_manifest_is_none(cut: int) -> None:
    with pytest.raises(StoreError, match=r"x/manifest\.json is not a manifest .* Remove it and run the step again"):
        parse(MADE.to_json()[:cut], "x/manifest.json")


def test_what_an_older_release_wrote_is_named() -> None:
    older = {name: value for name, value in json.loads(MADE.to_json()).items() if name != "format"}
    with pytest.raises(StoreError, match=r"x is not a manifest \(it has no format number\)"):
        parse(json.dumps(older).encode(), "x")


@pytest.mark.parametrize("change", [{"run": None}, {"more": 1}, {"content": {"verdict": "good"}}])
def test_another_thing_is_no_manifest(change: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="is not a manifest"):
        parse(json.dumps({**json.loads(MADE.to_json()), **change}).encode(), "x")


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"format": 2}, "x is of format 2; this release reads format 1. A newer release wrote it"),
        ({"format": None}, "x has no format number"),
        ({"more": 1}, "upgrade to the release that wrote it"),
        ({"content": {**json.loads(MADE.to_json())["content"], "more": 1}}, "upgrade to the release that wrote it"),
    ],
)
def test_what_another_release_wrote_is_never_to_be_removed(change: dict[str, object], advice: str) -> None:
    with pytest.raises(StoreError, match=advice) as found:
        parse(json.dumps({**json.loads(MADE.to_json()), **change}).encode(), "x")
    assert "Remove it" not in str(found.value)


PATHS = ["../out", "/etc/out", "a/b", "..", ".hidden", "a\\b", "a\n", ""]


@pytest.mark.data_safety
@pytest.mark.parametrize("name", PATHS)
def test_a_file_or_a_step_named_by_a_path_is_refused(name: str) -> None:
    raw = json.loads(MADE.to_json())
    content, circumstances = raw["content"], raw["circumstances"]
    kept = content["files"]["t"]
    for change in (
        {"content": {**content, "files": {name: kept}}},
        {"circumstances": {**circumstances, "places": {name: "p/a/s/t"}}},
        *({field: name} for field in ("problem", "run", "step")),
    ):
        with pytest.raises(StoreError, match="is not a manifest"):
            parse(json.dumps({**raw, **change}).encode(), "x")


@pytest.mark.data_safety
@pytest.mark.parametrize("place", ["/etc/passwd", "p/../../../etc/passwd", "..", "p//s", "p/a/", "t", ""])
def test_a_place_outside_the_store_is_refused(place: str) -> None:
    raw = json.loads(MADE.to_json())
    circumstances = {**raw["circumstances"], "places": {"t": place}}
    with pytest.raises(StoreError, match="is not a manifest"):
        parse(json.dumps({**raw, "circumstances": circumstances}).encode(), "x")


def test_a_content_digest_tells_verdict_files_facts_and_message_apart() -> None:
    content = MADE.content
    changes = [{}, {"verdict": "skipped"}, {"files": {}}, {"facts": {"rows": 2}}, {"message": "no"}]
    assert len({content.model_copy(update=change).digest() for change in changes}) == len(changes)


def test_digests_do_not_depend_on_order_but_on_type() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert len({digest(value) for value in (1, 1.0, "1", True, [1], None)}) == 6
    with pytest.raises(ValueError, match="Out of range"):
        digest(math.nan)


def test_the_key_depends_on_every_ingredient() -> None:
    changes = [{}, *({name: {"new": "1"}} for name in ("code", "knobs", "packages", "inputs", "also"))]
    assert len({READ.model_copy(update=change).key() for change in changes}) == 6
