"""What Evidently says of windows by its own usual settings, and how long its report takes; in the steps' environment.

`python -m bench.peers.columns false WINDOWS.npz` or `... speed WINDOWS.npz`; ends in one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd


def alarms(found: Any) -> dict[str, list[int]]:
    """For each pair of tables, how many columns its usual test of a column finds drifted."""
    from evidently.legacy.calculations.stattests import get_stattest

    drifted = []
    for reference, window in zip(found["references"], found["windows"], strict=True):
        tests = 0
        for at in range(reference.shape[1]):
            pair = pd.Series(reference[:, at]), pd.Series(window[~np.isnan(window[:, 0]), at])
            test = get_stattest(*pair, "num", None)
            tests += bool(test(*pair, "num", None).drifted)
        drifted.append(tests)
    return {"drifted": drifted}


def report(found: Any) -> dict[str, float]:
    """Seconds of one core for its preset on these rows, once."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    names = [str(at) for at in range(found["reference"].shape[1])]
    made = DataDefinition(numerical_columns=names)
    pair = [Dataset.from_pandas(pd.DataFrame(found[name], columns=names), made) for name in ("window", "reference")]
    begun = time.process_time()
    Report([DataDriftPreset()]).run(*pair)
    return {"seconds": time.process_time() - begun}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with np.load(sys.argv[2]) as tables:
        print(json.dumps({"false": alarms, "speed": report}[sys.argv[1]](tables)))
