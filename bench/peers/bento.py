"""BentoML with the same bundle: features in, a calibrated probability out. `bentoml serve bench.peers.bento:Scores`."""

# BentoML reads these annotations when it runs, so they are not put off.
import os
from pathlib import Path

import bentoml
import numpy as np

from rounds import bundle


@bentoml.service(workers=1, traffic={"timeout": 30})
class Scores:
    def __init__(self) -> None:
        folder = Path(os.environ["BUNDLE"])
        self.bundle = bundle.load(lambda name: folder / name)

    @bentoml.api
    def predict(self, features: list[float]) -> float:
        return float(self.bundle.score(np.array([features], np.float32))[0])
