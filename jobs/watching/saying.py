"""What was seen and what was not, in sentences: the newest window first, and nothing is called well that was unseen."""

from __future__ import annotations

from collections.abc import Iterator

from rounds.manifest import Facts
from rounds.words import count

MOST = 5  # features that a sentence names
LEFT = {"other_features": "of models with other features", "no_patient": "that name no patient"}


def sentences(found: Facts) -> list[str]:
    return [
        *_rows(found),
        *_history(found["history"]),
        *_drift(found["drift"]),
        *found["performance"]["says"],
        *_target(found["drift"]["target"]),
        *_rest(found),
    ]


def _rows(found: Facts) -> Iterator[str]:
    newest = found["windows"][0]
    if newest["seen"] == "nothing":
        yield "The newest window holds no prediction, so nothing can be said of it."
    elif newest["seen"] == "little":
        yield f"The newest window holds {count(newest['rows'], 'prediction')}, too few to say whether anything drifts."


def _history(history: Facts) -> Iterator[str]:
    if history["verdict"] == "lost":
        yield (
            f"{history['down']:.1%} of the newest window was predicted without histories, which could not be looked "
            f"up; {history['at_most']:.1%} is tolerated. See that 'publish' runs and that the service reaches HISTORY."
        )
    if history["constant"]:
        names = [name.replace("_", " ") for name in history["constant"]]
        more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
        yield (
            f"One value in every prediction of the newest window: {', '.join(names[:MOST])}{more}. They varied when "
            "the model was made: are they still sent, and are the histories published?"
        )


def _drift(drift: Facts) -> Iterator[str]:
    moved = [each for each in drift["features"] if each["lasting"]]
    if drift["verdict"] == "drift":
        names = [each["feature"].replace("_", " ") for each in sorted(moved, key=lambda each: -(each["psi"] or 0))]
        if drift["prediction"]["lasting"]:
            names.append("the score itself")
        more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
        yield f"Drift that chance does not explain: {', '.join(names[:MOST])}{more}."
        if not any(each["matters"] for each in [*drift["features"], drift["prediction"]]):
            yield "None of it is large enough to matter."
    elif drift["verdict"] == "none":
        yield "No feature drifts beyond chance."
    else:
        yield "Drift could not be judged: too few windows hold enough predictions."
    for each in drift["features"]:
        if each["missing"] == 1:
            yield f"{each['feature'].replace('_', ' ')}: {each['says']}."


def _target(target: Facts | None) -> Iterator[str]:
    if target is not None and target["drifted"]:
        yield f"The outcome happens in {target['rate']:.1%} of cases; it was {target['reference']:.1%}."


def _rest(found: Facts) -> Iterator[str]:
    for why, words in LEFT.items():
        if found["left"][why]:
            yield f"{count(found['left'][why], 'prediction')} {words} were left out."
    if found["left"]["columns"]:
        yield f"Columns were sent that the champion never saw: {', '.join(found['left']['columns'])}."
    outcomes = found["outcomes"]
    if outcomes.get("contradictory"):
        yield f"{count(outcomes['contradictory'], 'outcome')} contradict others and were not used."
    yield from (f"Could not be seen: {trouble}." for trouble in found["trouble"])
