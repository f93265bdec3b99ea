"""What every section of `problem.yaml` is made of: a frozen model, and the kinds of number that people write."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _share(raw: Any) -> Any:
    """`0.5%` and `0.005` are the same share."""
    if isinstance(raw, str) and re.fullmatch(r"\d+(\.\d+)?%", raw):
        return float(raw[:-1]) / 100
    return raw


Share = Annotated[float, BeforeValidator(_share), Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[int, Field(gt=0)]


class Knobs(BaseModel):
    """A part of `problem.yaml`: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
