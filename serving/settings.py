"""How this instance of the service was set up: the environment, read once and late."""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from problems import problem
from rounds import keypair
from rounds.errors import Refused
from rounds.knobs import Problem
from rounds.settings import ROOT
from serving import disk
from serving.airflow import Airflow

HERE = ROOT / ".rounds"


@dataclass(frozen=True)
class Wanted:
    """Which model of the registry answers: the version that an alias points to, or one version for good."""

    name: str
    alias: str | None
    number: int | None

    def __str__(self) -> str:
        return f"models:/{self.name}@{self.alias}" if self.alias else f"models:/{self.name}/{self.number}"


@dataclass(frozen=True)
class Settings:
    problem: str
    model: Wanted
    store: str
    tracking: str
    history: str
    history_seconds: float  # for one look in Redis
    registry_seconds: float  # for one look at the registry, a new bundle included
    journal: Literal["durable", "fast"]
    journal_folder: Path
    journal_place: str  # a word of `disk.PLACES`
    journal_key: str
    journal_days: int
    journal_store_days: int  # in the store, of both ledgers; 0 is for ever
    keys: Path | None
    verify_keys: str  # by which versions must be signed
    host: str
    port: int
    body_bytes: int
    rows: int
    concurrent: int
    connections: int
    seconds: float  # for one request
    head_seconds: float  # for its first line and headers, and for a new connection to say anything
    answer_seconds: float  # for a caller to read an answer that waits to be read
    docs: bool  # whether /docs and /openapi.json are open
    cache: Path
    watch: float  # seconds between two looks at the registry and at the published histories
    drain: float  # seconds during which a service that was told to end goes on answering
    log: str
    airflow: Airflow | None  # what trains; None where nobody said where it is
    release: str


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that these variables give."""
    given = os.environ if environment is None else environment
    name = given.get("PROBLEM") or "noshow"
    return Settings(
        problem=name,
        model=wanted(given.get("MODEL") or f"models:/{problem(name).model}@champion"),
        store=given.get("STORE") or (HERE / "store").as_uri(),
        tracking=given.get("MLFLOW_TRACKING_URI") or f"sqlite:///{HERE / 'mlflow' / 'mlflow.db'}",
        history=given.get("HISTORY") or "",
        history_seconds=_seconds(given, "HISTORY_SECONDS", 0.25),
        registry_seconds=_seconds(given, "REGISTRY_SECONDS", 60.0),
        journal=cast(Literal["durable", "fast"], _one_of(given, "JOURNAL", "durable", "fast")),
        journal_folder=(folder := Path(given.get("JOURNAL_FOLDER") or HERE / "journal")),
        journal_place=_one_of(given, "JOURNAL_PLACE", *dict.fromkeys([disk.place(folder, given), *disk.PLACES])),
        journal_key=(given.get("JOURNAL_KEY") or "").strip(),
        journal_days=_whole(given, "JOURNAL_DAYS", 30, 1),
        journal_store_days=_kept(given, problem(name)),
        keys=Path(given["KEYS"]) if given.get("KEYS") else None,
        verify_keys=_verify_keys(given),
        host=given.get("HOST") or "127.0.0.1",
        port=_whole(given, "PORT", 8000, 0, 65535),
        body_bytes=_whole(given, "BODY_BYTES", 16 * 1024 * 1024, 1024),
        rows=_whole(given, "ROWS", 100_000, 1),
        concurrent=_whole(given, "CONCURRENT", 256, 1),
        connections=_whole(given, "CONNECTIONS", 800, 1),
        seconds=_seconds(given, "SECONDS", 30.0),
        head_seconds=_seconds(given, "HEAD_SECONDS", 10.0),
        answer_seconds=_seconds(given, "ANSWER_SECONDS", 60.0),
        docs=_one_of(given, "DOCS", "open", "closed") == "open",
        cache=Path(given.get("CACHE") or HERE / "serving"),
        watch=_seconds(given, "WATCH", 5.0),
        drain=_seconds(given, "DRAIN", 1.0),
        log=_one_of(given, "LOG", "text", "json"),
        airflow=_airflow(given),
        release=given.get("ROUNDS_VERSION") or importlib.metadata.version("rounds"),  # an image is not installed
    )


def wanted(text: str) -> Wanted:
    """`models:/Name@alias` or `models:/Name/7`."""
    found = re.fullmatch(r"models:/([A-Za-z][A-Za-z0-9_-]*)(?:@([A-Za-z][A-Za-z0-9_-]*)|/([1-9][0-9]*))", text)
    if found is None:
        raise Refused(f"MODEL is '{text}'; want models:/Name@champion, or models:/Name/7 for one version.")
    return Wanted(found[1], found[2], int(found[3]) if found[3] else None)


def _verify_keys(given: Mapping[str, str]) -> str:
    """Checked at the start; a laptop may make its pair later, with its first model."""
    value = given.get("VERIFY_KEYS") or ""
    if value or not keypair.is_laptop():
        keypair.public_keys(value)
    return value


def _airflow(given: Mapping[str, str]) -> Airflow | None:
    url, user, password, token = (given.get(f"AIRFLOW_{word}") or "" for word in ("URL", "USER", "PASSWORD", "TOKEN"))
    if not url:
        return None
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", url):
        raise Refused(f"AIRFLOW_URL is '{url}'; want http://host:8080, without a user, a password or a query in it.")
    if bool(user) != bool(password):
        raise Refused("AIRFLOW_USER and AIRFLOW_PASSWORD go together; want both, or AIRFLOW_TOKEN, or neither.")
    return Airflow(url, user, password, token)


def _kept(given: Mapping[str, str], of: Problem) -> int:
    """What is watched must still be there: all that `collect` reads, and a day before."""
    days, least = _whole(given, "JOURNAL_STORE_DAYS", 0, 0), of.collect.days + 1
    if 0 < days < least:
        raise Refused(
            f"JOURNAL_STORE_DAYS is {days}; want 0 (for ever), or {least} and more: collect looks back so far."
        )
    return days


def _one_of(given: Mapping[str, str], name: str, *words: str) -> str:
    """The first word is what holds where nothing is said."""
    value = given.get(name) or words[0]
    if value not in words:
        raise Refused(f"{name} is '{value}'; want {' or '.join(words)}.")
    return value


def _whole(given: Mapping[str, str], name: str, usual: int, low: int, high: int = 2**40) -> int:
    text = given.get(name) or str(usual)
    if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
        raise Refused(f"{name} is '{text}'; want a whole number from {low} to {high}.")
    return int(text)


def _seconds(given: Mapping[str, str], name: str, usual: float) -> float:
    text = given.get(name) or str(usual)
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", text) or not float(text):
        raise Refused(f"{name} is '{text}'; want seconds above 0, such as {usual:g}.")
    return float(text)
