"""The bundle as `mlflow models serve` answers with it: features in, one calibrated probability a row out."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rounds import bundle, code
from rounds.bundle import Bundle
from rounds.settings import ROOT

PARTS = ("numpy", "obstore", "polars", "pydantic", "pyyaml", "rich", "xgboost", "xgboost_cpu")


class Served:
    """What MLflow calls a python model."""

    def __init__(self, loaded: Bundle) -> None:
        self.bundle = loaded

    def predict(self, table: Any, params: Any = None) -> Any:
        matrix = np.ascontiguousarray(table[list(self.bundle.features)], dtype=np.float32)
        return self.bundle.score(matrix)


def _load_pyfunc(folder: str) -> Served:
    """MLflow asks the module that `MLmodel` names for this function."""
    return Served(bundle.load(lambda name: Path(folder) / name))


def write(files: dict[str, Path], folder: Path, made: str) -> None:
    """The bundle's files and the code that reads them, laid out as MLflow lays out a model."""
    loaded = bundle.load(files.__getitem__)
    (folder / "bundle").mkdir(parents=True)
    for name, path in files.items():
        shutil.copyfile(path, folder / "bundle" / name)
    for shown in code.digests([__name__], ROOT):
        (folder / "code" / shown).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / shown, folder / "code" / shown)
    found = {name.lower(): version for name, version in code.packages().items()}
    wanted = [f"{name.replace('_', '-')}=={found[name]}" for name in PARTS if name in found]
    (folder / "requirements.txt").write_text("\n".join([*wanted, "mlflow"]) + "\n", encoding="utf-8")
    python = platform.python_version()
    environment = {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    _yaml(folder / "python_env.yaml", environment)
    _yaml(folder / "MLmodel", _described(loaded, python, made))


def _described(loaded: Bundle, python: str, made: str) -> dict[str, Any]:
    inputs = [{"name": name, "type": "float", "required": True} for name in loaded.features]
    return {
        "flavors": {
            "python_function": {
                "loader_module": __name__,
                "code": "code",
                "data": "bundle",
                "env": {"virtualenv": "python_env.yaml"},
                "python_version": python,
            }
        },
        "signature": {
            "inputs": json.dumps(inputs),
            "outputs": json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]),
            "params": None,
        },
        "model_uuid": loaded.digest[:32],
        "utc_time_created": made,
    }


def _yaml(path: Path, value: Any) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=True), encoding="utf-8")
