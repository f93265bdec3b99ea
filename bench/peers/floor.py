"""The floor: FastAPI, pydantic and the booster on raw numbers. `python -m bench.peers.floor BUNDLE PORT`."""

# FastAPI reads these annotations when it runs, so they are not put off.
import sys
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from rounds import bundle
from rounds.families.xgboost import library


class Row(BaseModel):
    features: list[float]


def application(folder: Path) -> FastAPI:
    model = bytearray(bundle.load(lambda name: folder / name).model)
    booster = library().Booster({"nthread": 1}, model_file=model)
    app = FastAPI()

    @app.post("/predict")
    async def predict(row: Row) -> dict[str, float]:
        return {"probability": float(booster.inplace_predict(np.array([row.features], np.float32))[0])}

    return app


if __name__ == "__main__":
    options = {"loop": "uvloop", "http": "httptools", "access_log": False, "log_level": "warning"}
    uvicorn.run(application(Path(sys.argv[1])), port=int(sys.argv[2]), **options)  # type: ignore[arg-type]
