"""The model in MLflow answers as the bundle that it was made of."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from rounds import bundle
from tests import clinic
from tests.checkout import ROOT
from tests.rounds.mirrored import bundled, filled


@dataclass(frozen=True)
class Question:
    """Rows to score, and the scores that the bundle itself gives them."""

    folder: str
    table: pd.DataFrame
    scores: list[float]


@pytest.fixture
def question(tmp_path: Path) -> Question:
    place = filled(tmp_path / "place")
    place.mirror()
    [run] = place.top()
    for name, content in bundled()[0].items():
        (tmp_path / name).write_bytes(content)
    loaded = bundle.load(lambda name: tmp_path / name)
    matrix = clinic.appointments(rows=200, seed=5).select(loaded.features).to_numpy()
    folder = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="model", tracking_uri=place.door.url
    )
    return Question(folder, pd.DataFrame(matrix, columns=list(loaded.features)), loaded.score(matrix).tolist())


@pytest.mark.filterwarnings("default")  # MLflow and pandas warn of each other
def test_the_model_answers_as_the_bundle_does(question: Question) -> None:
    served, table = mlflow.pyfunc.load_model(question.folder), question.table
    assert served.predict(table).tolist() == question.scores
    assert served.predict(table[table.columns[::-1]]).tolist() == question.scores
    with pytest.raises(mlflow.exceptions.MlflowException, match="missing inputs"):
        served.predict(table.drop(columns=[table.columns[0]]))


def test_mlflow_serves_what_was_logged(question: Question) -> None:
    tools = ROOT / ".rounds" / "envs" / "mlflow" / "bin"
    if not (tools / "mlflow").exists():
        pytest.skip("the environment of MLflow's server is not made; 'make test' makes it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(tools / "mlflow"), "models", "serve", "-m", question.folder, "--env-manager", "local"]
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=Path(question.folder).parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        for line in iter(server.stdout.readline, b""):  # type: ignore[union-attr]
            if b"Application startup complete" in line:
                break
        split = question.table.to_dict("split", index=False)
        body = json.dumps({"dataframe_split": split}).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
            assert json.load(answer)["predictions"] == question.scores
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate()
