"""What a step's exit code means to Airflow, wherever the step ran: done, skipped, failed at once, tried again."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

DONE, REFUSED, NOT_ASKED = 0, 2, 99
LAST = 15  # lines of a failed step that its failure repeats


class Crashed(AirflowException):
    """The step broke or was killed: a retry may help."""


class Refused(AirflowException):
    """The step says no to its input, its knobs or its result: a retry does not help."""


class Unfit(Refused):
    """The step lacks what it needs, such as an image or memory: a retry finds the same."""


def conclude(step: str, code: int, last: Sequence[str]) -> None:
    """Return if the step is done, else raise what Airflow is to make of it, with the step's last lines."""
    if code == DONE:
        return
    if code == NOT_ASKED:
        raise AirflowSkipException(f"{step}: nobody asked for it in this run (exit 99)")
    words = "\n".join(last) or "(it said nothing)"
    if code == REFUSED:
        raise Refused(f"{step}: refused (exit 2), a retry does not help\n{words}")
    raise Crashed(f"{step}: {_fall(code)}, a retry may help\n{words}")


def patience(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings of every task: no value is passed on, a crash is tried again, a refusal is final."""
    lacking = RetryRule(Unfit, RetryAction.FAIL, reason="what the step needs is not there: a retry does not help")
    final = RetryRule(Refused, RetryAction.FAIL, reason="the input, a knob or a gate says no: a retry does not help")
    return {
        "do_xcom_push": False,
        "retries": int(environ.get("LAUNCH_RETRIES") or 2),
        "retry_delay": timedelta(seconds=float(environ.get("LAUNCH_RETRY_SECONDS") or 10)),
        "retry_policy": ExceptionRetryPolicy([lacking, final]),
    }


def _fall(code: int) -> str:
    """A signal is a negative number for a process, and 128 and the signal for a container."""
    name = {each.value: each.name for each in signal.Signals}.get(-code if code < 0 else code - 128)
    if name is None:
        return f"crashed (exit {code})"
    return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
