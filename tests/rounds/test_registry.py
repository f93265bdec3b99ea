"""Versions and champions in a registry of MLflow's own, killed before any call, lost, and moved by hand."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rounds.errors import Refused, RegistryError
from rounds.mirror import Mirrored
from rounds.registry import ANCHOR, CHALLENGER, CHAMPION, Registry, Shelf, _is_unknown
from rounds.store import open_store
from rounds.tracking import at
from rounds.turns import at_the_registry
from tests import tracked
from tests.tracked import Death, Killed

Act = Callable[[Registry], Any]


@dataclass(frozen=True)
class Place:
    """A store and an MLflow."""

    root: Path

    def do(self, act: Act, death: Death | None = None) -> Any:
        """Act as one process does: at the registry, alone, until the end or until killed."""
        store, door = open_store((self.root / "store").as_uri()), tracked.door(self.root)
        with at_the_registry(store, "noshow") as held:
            return act(Registry(door.while_telling(death or held.beat), store, "noshow", "NoShowXGBoost", held))

    def shelf(self) -> Shelf:
        return self.do(Registry._there)

    def copy(self, root: Path) -> Place:
        shutil.copytree(self.root, root)
        return Place(root)


def add(bundle: str) -> Act:
    """Register a version; the run of MLflow's is the same for all, it is not what is tested here."""

    def act(registry: Registry) -> Any:
        tags = {"stage": "Staging", "rounds.run": f"run of {bundle}", "rounds.bundle": bundle}
        return registry.add(Mirrored("0" * 32, {}, {}), tags)

    return act


def release(bundle: str) -> Act:
    def act(registry: Registry) -> None:
        registry.challenge(add(bundle)(registry))
        shelf = registry.shelf()
        assert shelf is not None
        version = shelf.by_bundle(bundle)
        assert version is not None
        registry.promote(version.number)

    return act


def state(shelf: Shelf) -> dict[str, Any]:
    """All that matters of a registry, without its clock."""
    return {
        "aliases": shelf.aliases,
        "tags": shelf.tags,
        "versions": {number: version.tags for number, version in shelf.versions.items()},
        "stages of MLflow": {number: version.mlflow_stage for number, version in shelf.versions.items()},
    }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place")


@pytest.fixture
def three(place: Place) -> Place:
    """Three champions, one after the other."""
    for bundle in ("one", "two", "three"):
        place.do(release(bundle))
    return place


def test_the_first_champion_is_the_anchor(place: Place) -> None:
    place.do(release("one"))
    shelf = place.shelf()
    assert shelf.aliases == {CHAMPION: 1, ANCHOR: 1}
    assert shelf.versions[1].stage == "Production"
    assert "previous_champion" not in shelf.tags


def test_the_next_champion_archives_the_one_before_and_the_anchor_stays(three: Place) -> None:
    shelf = three.shelf()
    assert shelf.aliases == {CHAMPION: 3, ANCHOR: 1}
    assert [version.stage for version in shelf.versions.values()] == ["Archived", "Archived", "Production"]
    assert shelf.tags["previous_champion"] == "2"


@pytest.mark.data_safety
def test_one_bundle_is_one_version(place: Place) -> None:
    assert [place.do(add("one")).number for _ in range(3)] == [1, 1, 1]
    assert list(place.shelf().versions) == [1]


def test_a_challenger_is_not_champion(place: Place) -> None:
    place.do(release("one"))
    place.do(lambda registry: registry.challenge(add("two")(registry)))
    shelf = place.shelf()
    assert shelf.aliases == {CHAMPION: 1, CHALLENGER: 2, ANCHOR: 1}
    assert shelf.versions[2].stage == "Staging"


def test_rollback_goes_back_one_champion_at_a_time_and_no_further_than_the_first(three: Place) -> None:
    for number, before in ((2, "1"), (1, None)):
        three.do(Registry.rollback)
        shelf = three.shelf()
        assert shelf.aliases[CHAMPION] == number
        assert [v.number for v in shelf.versions.values() if v.stage == "Production"] == [number]
        assert shelf.tags.get("previous_champion") == before
    with pytest.raises(Refused, match="version 1 of NoShowXGBoost is the first champion"):
        three.do(Registry.rollback)


def test_a_release_after_a_rollback_remembers_what_it_replaced(three: Place) -> None:
    three.do(Registry.rollback)
    three.do(release("four"))
    assert three.shelf().tags["previous_champion"] == "2"


def test_a_version_that_is_not_there_is_not_promoted(three: Place) -> None:
    before = state(three.shelf())
    with pytest.raises(Refused, match=r"NoShowXGBoost has no version 7 \(found: 1, 2, 3\)"):
        three.do(lambda registry: registry.promote(7))
    assert state(three.shelf()) == before


def test_nothing_can_be_rolled_back_before_the_first_version(place: Place) -> None:
    with pytest.raises(Refused, match="there is no model NoShowXGBoost in MLflow yet"):
        place.do(Registry.rollback)


def test_an_alias_that_a_person_moved_is_believed(three: Place) -> None:
    tracked.door(three.root).call("set_registered_model_alias", "NoShowXGBoost", CHAMPION, "1")
    three.do(Registry.settle)
    shelf = three.shelf()
    assert [version.stage for version in shelf.versions.values()] == ["Production", "Archived", "Archived"]
    assert shelf.tags["previous_champion"] == "3"


def promote_the_first(registry: Registry) -> None:
    registry.promote(1)


ACTS = {"release": release("four"), "rollback": Registry.rollback, "promote": promote_the_first}


@pytest.mark.data_safety
@pytest.mark.parametrize("name", ACTS)
def test_killed_before_any_call_the_next_try_ends_the_same(name: str, three: Place, tmp_path: Path) -> None:
    act, counting = ACTS[name], Death()
    peace = three.copy(tmp_path / "peace")
    peace.do(act, counting)
    wanted = state(peace.shelf())
    assert counting.calls > 10
    for number in range(1, counting.calls + 1):
        killed = three.copy(tmp_path / f"killed {number}")
        with pytest.raises(Killed):
            killed.do(act, Death(number))
        killed.do(act)
        assert state(killed.shelf()) == wanted, number


@pytest.mark.data_safety
@pytest.mark.parametrize("name", ACTS)
def test_killed_before_any_call_whoever_comes_next_finds_it_settled_or_settles_it(
    name: str, three: Place, tmp_path: Path
) -> None:
    """A killed promotion that nobody repeats: afterwards one champion is in production, the old or the new."""
    act, counting = ACTS[name], Death()
    three.copy(tmp_path / "peace").do(act, counting)
    for number in range(1, counting.calls + 1):
        killed = three.copy(tmp_path / f"killed {number}")
        with pytest.raises(Killed):
            killed.do(act, Death(number))
        killed.do(Registry.settle)
        shelf = killed.shelf()
        assert [v.number for v in shelf.versions.values() if v.stage == "Production"] == [shelf.aliases[CHAMPION]]
        assert all(v.mlflow_stage == v.stage for v in shelf.versions.values())
        assert int(shelf.tags["previous_champion"]) != shelf.aliases[CHAMPION]


@pytest.mark.data_safety
def test_the_snapshot_names_bundles_and_follows_every_change(three: Place) -> None:
    saved = json.loads((three.root / "store/noshow/.registry/snapshot.json").read_bytes())
    assert saved["aliases"] == {CHAMPION: "three", ANCHOR: "one"}
    three.do(Registry.rollback)
    saved = json.loads((three.root / "store/noshow/.registry/snapshot.json").read_bytes())
    assert saved["aliases"] == {CHAMPION: "two", ANCHOR: "one"}


def test_a_registry_that_is_there_is_not_lost(three: Place) -> None:
    assert three.do(Registry.lost) is None


def test_a_registry_that_is_gone_is_lost(three: Place, tmp_path: Path) -> None:
    shutil.copytree(three.root / "store", tmp_path / "another" / "store")
    assert Place(tmp_path / "another").do(Registry.lost)["aliases"] == {CHAMPION: "three", ANCHOR: "one"}


def in_production(place: Place) -> str:
    """The version that tools find that know stages and no aliases."""
    client = tracked.door(place.root).client
    with pytest.warns(FutureWarning, match="deprecated"):
        (version,) = client.get_latest_versions("NoShowXGBoost", stages=["Production"])
    return str(version.version)


def test_mlflows_own_stages_follow_the_champion(place: Place) -> None:
    for bundle, number in (("one", "1"), ("two", "2"), ("three", "3")):
        place.do(release(bundle))
        assert in_production(place) == number
    place.do(Registry.rollback)
    assert in_production(place) == "2"
    place.do(promote_the_first)
    assert in_production(place) == "1"
    place.do(lambda registry: registry.challenge(add("four")(registry)))
    place.do(Registry.settle)
    stages = [version.mlflow_stage for version in place.shelf().versions.values()]
    assert stages == ["Production", "Archived", "Archived", "Staging"]


def test_a_stage_that_a_person_moved_is_set_right(three: Place) -> None:
    door = tracked.door(three.root)
    door.call("transition_model_version_stage", "NoShowXGBoost", "1", "Production")
    door.call("transition_model_version_stage", "NoShowXGBoost", "3", "None")
    three.do(Registry.settle)
    assert in_production(three) == "3"
    calls = Death()
    three.do(Registry.settle, calls)
    again = Death()
    three.do(Registry.settle, again)
    assert calls.calls == again.calls, "nothing is left to do"


class Newer:
    """A client of MLflow that gave up stages."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name == "transition_model_version_stage":
            raise AttributeError(name)
        return getattr(self._client, name)


def test_an_mlflow_without_stages_is_gone_on_with(three: Place) -> None:
    def promote(registry: Registry) -> None:
        newer = replace(registry.tracking, client=Newer(registry.tracking.client))
        replace(registry, tracking=newer).promote(1)

    three.do(promote)
    shelf = three.shelf()
    assert (shelf.aliases[CHAMPION], shelf.versions[1].stage) == (1, "Production")


class Answers(BaseHTTPRequestHandler):
    """Answers every call with one status, as a server does that does not know the call, or that fails."""

    status = 404

    def do_POST(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("status", "unknown"), [(404, True), (400, False)])
def test_a_server_without_stages_is_told_from_one_that_fails(status: int, unknown: bool) -> None:
    handler = type("Handler", (Answers,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        door = at(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(RegistryError) as error:
            door.call("transition_model_version_stage", "NoShowXGBoost", "1", "Production")
        server.shutdown()
    assert _is_unknown(error.value) is unknown
