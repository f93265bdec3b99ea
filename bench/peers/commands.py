"""How each peer is started with the same model, at which address it answers, and what it is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.steps import python
from rounds.settings import ROOT

BENTO = ("bentoml>=1.4,<2", "numpy", "obstore", "polars", "pydantic", "pyyaml", "rich", "xgboost-cpu==3.2.0")
UV = ROOT / ".rounds" / "tools" / "bin" / "uv"


@dataclass(frozen=True)
class Peer:
    """`alive` answers once it is up; `url` takes `body`."""

    name: str
    command: list[str]
    environment: dict[str, str]
    alive: str
    url: str
    body: bytes


def floor(model: Path, features: list[str], place: Path, port: int) -> Peer:
    """FastAPI and the booster, and nothing else."""
    root = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "bench.peers.floor", str(model / "bundle"), str(port)]
    return Peer("floor", command, {}, f"{root}/predict", f"{root}/predict", _row(features))


def mlflow(model: Path, features: list[str], place: Path, port: int) -> Peer:
    """`mlflow models serve` on the folder that the registry has."""
    root, program = f"http://127.0.0.1:{port}", str(Path(python("mlflow")).with_name("mlflow"))
    command = [program, "models", "serve", "-m", str(model), "-p", str(port), "--env-manager", "local", "-w", "1"]
    body = json.dumps({"dataframe_split": {"columns": features, "data": [[1.0] * len(features)]}}).encode()
    path = {"PATH": f"{Path(program).parent}:/usr/bin:/bin"}  # it starts the uvicorn that it finds
    return Peer("mlflow models serve", command, path, f"{root}/ping", f"{root}/invocations", body)


def bento(model: Path, features: list[str], place: Path, port: int) -> Peer:
    """BentoML, in an environment that is made for it and goes with the measurement."""
    own = place / "bento"
    made = [str(UV), "venv", "--quiet", "--python", sys.executable, str(own)]
    subprocess.run(made, check=True)
    subprocess.run([str(UV), "pip", "install", "--quiet", "--python", str(own / "bin" / "python"), *BENTO], check=True)
    root = f"http://127.0.0.1:{port}"
    command = [
        str(own / "bin" / "bentoml"),
        "serve",
        "bench.peers.bento:Scores",
        "--host",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    more = {"BUNDLE": str(model / "bundle"), "BENTOML_HOME": str(place / "bento home"), "BENTOML_DO_NOT_TRACK": "True"}
    return Peer("BentoML", command, more, f"{root}/readyz", f"{root}/predict", _row(features))


def _row(features: list[str]) -> bytes:
    return json.dumps({"features": [1.0] * len(features)}).encode()


PEERS: tuple[Callable[[Path, list[str], Path, int], Peer], ...] = (floor, mlflow, bento)
