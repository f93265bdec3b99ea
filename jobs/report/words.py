"""What each figure is called, and what it means to somebody who treats patients and does not fit models."""

from __future__ import annotations

from collections.abc import Mapping

FIGURES: Mapping[str, tuple[str, str]] = {
    "auc": (
        "ROC-AUC",
        "Of two cases, one with the outcome and one without: how often the first is given the higher risk. "
        "0.5 is guessing, 1 is perfect.",
    ),
    "pr_auc": (
        "PR-AUC",
        "How often a call is right, averaged over all outcomes found. Guessing reaches the share of cases that have "
        "the outcome.",
    ),
    "precision_at_capacity": (
        "Precision at capacity",
        "Of the people whom the clinic can call, highest risk first: how many have the outcome.",
    ),
    "recall_at_capacity": (
        "Recall at capacity",
        "Of all with the outcome: how many are among the people whom the clinic can call.",
    ),
    "net_benefit": (
        "Net benefit",
        "Outcomes found in each case seen, less the calls made in vain, weighed as the calling threshold implies. "
        "Above 0 is better than calling nobody.",
    ),
    "brier": (
        "Brier score",
        "The mean squared distance between risk and outcome. Less is better; 0 is perfect.",
    ),
    "log_loss": (
        "Log loss",
        "How surprising the outcomes are to somebody who believes the model. Less is better; being sure and wrong "
        "costs most.",
    ),
    "ece": (
        "Calibration error (ECE)",
        "Cases are put in ten groups of like risk and equal size: how far the risk that was said lies from what "
        "happened, on average. The interval takes out what chance adds, so it may lie below the plain figure.",
    ),
    "observed_over_expected": (
        "Observed over expected",
        "How often the outcome came, as a multiple of how often the model said it would. 1 is right; below 1 the "
        "model says too much.",
    ),
    "calibration_slope": (
        "Calibration slope",
        "1 is right. Below 1, high risks are said too high and low ones too low; above 1 it is the other way round.",
    ),
    "f1": (
        "F1",
        "The harmonic mean of precision and recall when everybody at or above the calling threshold is called.",
    ),
    "accuracy": (
        "Accuracy",
        "How many cases are rightly called or rightly left alone at the calling threshold. Beware: where the outcome "
        "is rare, calling nobody looks accurate.",
    ),
}

VERDICTS: Mapping[str, tuple[str, str]] = {
    "pass": ("✓", "passes"),
    "refuse": ("✕", "refused"),
    "alarm": ("!", "alarm"),
}

MOMENTS: Mapping[str, str] = {"booking": "when the appointment is booked", "day_before": "the day before"}


def figure(name: str) -> str:
    """`auc` as people write it; the sentinel's gates are called by their own words."""
    return FIGURES[name][0] if name in FIGURES else name[:1].upper() + name[1:]
