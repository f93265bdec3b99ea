"""The section `serve` of problem.yaml: how an answer is put, by the service and on the list of whom to call alike."""

from __future__ import annotations

import string
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from rounds.sections import Knobs, Share

# One sentence, or one for each value that a feature of few values has.
Words = str | dict[int, str]


class Bands(Knobs):
    """From which probability on a risk is no longer low, and from which on it is high."""

    low: Share = 0.15
    high: Share = 0.35

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low:g} and high is {self.high:g}; want low below high")
        return self

    def of(self, probability: float) -> str:
        return "low" if probability < self.low else "medium" if probability < self.high else "high"


class Serve(Knobs):
    """The bands of risk, and how many reasons (SHAP values) are given and in which words."""

    bands: Bands = Bands()
    reasons: Annotated[int, Field(ge=0, le=20)] = 3
    words: dict[str, Words] = Field(default_factory=dict)

    @field_validator("words")
    @classmethod
    def _can_be_filled(cls, words: dict[str, Words]) -> dict[str, Words]:
        """Every sentence takes a number called `value` and nothing else."""
        for name, said in words.items():
            for sentence in said.values() if isinstance(said, dict) else [said]:
                try:
                    fields = {field for _, field, _, _ in string.Formatter().parse(sentence) if field is not None}
                    sentence.format(value=1.0)
                except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
                    raise ValueError(f"{name} is '{sentence}', which takes no number; want {{value:.0f}}") from error
                if not fields <= {"value"}:
                    raise ValueError(f"{name} is '{sentence}'; want no field but {{value}}")
        return words
