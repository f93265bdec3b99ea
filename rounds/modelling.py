"""The keys of `problem.yaml` that say how a model is searched for, fitted, judged and released."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator, model_validator

from rounds.sections import Knobs, Positive, Share

Finite = Annotated[float, Field(allow_inf_nan=False)]
PartAboveZero = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Train(Knobs):
    """One model: its family, its size, what holds it back, and how many people the clinic can call."""

    family: Literal["xgboost"]
    trees: Positive
    depth: Annotated[int, Field(gt=0, le=30)]
    rate: PartAboveZero
    leaf: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    rows: PartAboveZero = 1.0
    columns: PartAboveZero = 1.0
    ridge: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    bins: Annotated[int, Field(ge=2, le=65535)] = 256
    scale_pos_weight: bool = True
    threads: Positive
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    capacity: Annotated[Share, Field(gt=0, lt=1)]


# What a search may vary; the rest says where and for whom a model is made, not how good it is.
SEARCHED = ("trees", "depth", "rate", "leaf", "rows", "columns", "ridge", "bins", "scale_pos_weight")


class Tune(Knobs):
    """A search for better knobs of `train`, judged by folds of time inside the fitting slice."""

    engine: Literal["grid"]
    space: Annotated[dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]], Field(min_length=1)]
    fits: Positive
    folds: Annotated[int, Field(ge=2)]
    score: Literal["roc_auc", "log_loss"] = "roc_auc"
    apart: bool = True

    @field_validator("space")
    @classmethod
    def _varies_knobs_of_train(cls, space: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        """The space with each value in its knob's own type."""
        unknown = sorted(set(space) - set(SEARCHED))
        if unknown:
            raise ValueError(f"names '{unknown[0]}'; want knobs among {', '.join(SEARCHED)}")
        typed = {name: tuple(_typed(name, value) for value in values) for name, values in space.items()}
        for name, values in typed.items():
            if len(set(values)) < len(values):
                raise ValueError(f"{name} holds a value twice; want each once")
        return typed


def _typed(name: str, value: Any) -> Any:
    field = Train.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata]
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        wanted = error.errors()[0]["msg"].replace("Input should be", "want")
        raise ValueError(f"{name} holds {value!r}; {wanted}") from error


class Gate(Knobs):
    """What a figure must be for a model to pass, and above which value it is too good to be true.

    With `surely`, its whole interval must lie within the bounds. `nobody` is a policy that acts on nobody.
    """

    at_least: Finite | None = None
    at_most: Finite | None = None
    better_than: Literal["base_rate", "lead_time", "nobody"] | None = None
    alarm_above: Finite | None = None
    surely: bool = False
    blocks: bool = True

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if all(bound is None for bound in (self.at_least, self.at_most, self.better_than, self.alarm_above)):
            raise ValueError("asks nothing; want at_least, at_most, better_than or alarm_above")
        if self.at_least is not None and self.alarm_above is not None and self.at_least > self.alarm_above:
            raise ValueError(f"at_least is {self.at_least:g}, above alarm_above {self.alarm_above:g}; nothing can pass")
        if self.surely and self.at_least is None and self.at_most is None:
            raise ValueError("surely is for at_least and at_most, and neither is there; leave it out")
        return self


class Leakage(Knobs):
    """How far the leakage checks look, and what they let pass.

    `feature_at_most` warns; only a feature that is nearly the answer by itself blocks.
    """

    moments: Positive = 12
    feature_at_most: Annotated[float, Field(ge=0.5, le=1)] = 0.75
    repeated_at_most: Share = 0.005
    blocks: bool = True


LESS_IS_BETTER = ("brier", "log_loss", "ece")
CALIBRATION = ("observed_over_expected", "calibration_slope")  # these are best at 1
FOR_NOBODY = ("accuracy", "net_benefit")  # figures of a policy that acts on nobody


class Gates(Knobs):
    """What a model must pass before it is registered: bounds on its figures, and the leakage sentinel."""

    auc: Gate | None = None
    pr_auc: Gate | None = None
    f1: Gate | None = None
    accuracy: Gate | None = Gate(better_than="nobody", blocks=False)
    brier: Gate | None = None
    log_loss: Gate | None = None
    ece: Gate | None = None
    precision_at_capacity: Gate | None = None
    recall_at_capacity: Gate | None = None
    net_benefit: Gate | None = Gate(at_least=0.0, blocks=False)
    observed_over_expected: Gate | None = None
    calibration_slope: Gate | None = None
    leakage: Leakage = Leakage()

    @model_validator(mode="after")
    def _bounds_fit_the_figure(self) -> Self:
        for name in LESS_IS_BETTER:
            gate = getattr(self, name)
            if gate is not None and gate.alarm_above is not None:
                raise ValueError(f"{name} has alarm_above, and of {name} less is better; leave it out")
        for name in CALIBRATION:
            gate = getattr(self, name)
            if gate is not None and (gate.alarm_above is not None or gate.better_than is not None):
                raise ValueError(f"{name} is best at 1; want at_least and at_most alone")
        for name in type(self).model_fields:
            gate = getattr(self, name)
            if isinstance(gate, Gate) and gate.better_than == "nobody" and name not in FOR_NOBODY:
                raise ValueError(f"{name} is better_than nobody; that is for {' and '.join(FOR_NOBODY)}")
        return self


class Slice(Knobs):
    """One way to part the test rows: by the values of a column or feature, or by bands that begin `at` these."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    column: str
    at: Annotated[tuple[Finite, ...], Field(min_length=1)] | None = None

    @field_validator("at")
    @classmethod
    def _rises(cls, at: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if at is not None and list(at) != sorted(set(at)):
            raise ValueError(f"at is {list(at)}; want numbers that rise")
        return at


def _slice(raw: Any) -> Any:
    """`sex` is short for `{name: sex, column: sex}`."""
    return {"name": raw, "column": raw} if isinstance(raw, str) else raw


class Evaluate(Knobs):
    """How a model is judged on the last slice of time."""

    gates: Gates
    slices: tuple[Annotated[Slice, BeforeValidator(_slice)], ...] = ()
    smallest: Positive = 200
    seed: Annotated[int, Field(ge=0)] = 7

    @field_validator("slices")
    @classmethod
    def _names_differ(cls, slices: tuple[Slice, ...]) -> tuple[Slice, ...]:
        names = [part.name for part in slices]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two slices are named {doubled[0]}; want each name once")
        return slices


# The metrics of a promotion. `ece` is none: no interval of a difference of two calibration errors can be trusted.
Metric = Literal[
    "auc",
    "pr_auc",
    "f1",
    "accuracy",
    "brier",
    "log_loss",
    "precision_at_capacity",
    "recall_at_capacity",
    "net_benefit",
]


RISK_OF_YEAR = 0.05


class Register(Knobs):
    """When a challenger becomes champion: by itself or by hand, and what it must show on the same rows.

    `by` and `metric` are for the champion. `margin` is the AUC that may be lost against the anchor. A version whose
    AUC is surely above the champion's at its registration by more than `surprise` waits for a person.
    """

    promotion: Literal["auto", "manual"] = "auto"
    must: Literal["not_worse", "improve"] = "not_worse"
    metric: Metric = "auc"
    by: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = None
    surely: bool = False
    margin: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)] = 0.005
    surprise: Annotated[float, Field(ge=0, lt=0.5, allow_inf_nan=False)] | None = 0.02
    tests_per_year: Positive = 60
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 7

    @field_validator("by", mode="before")
    @classmethod
    def _is_no_percentage(cls, by: Any) -> Any:
        if isinstance(by, str) and by.endswith("%"):
            raise ValueError(
                f"by is '{by}', which may mean points or a part of the champion's figure; "
                "want points, such as 0.02, which asks for an F1 of 0.42 after 0.40"
            )
        return by

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if self.by is None and self.must == "improve":
            raise ValueError("must is improve, and by is missing; want how much better, such as by: 0.02")
        if self.by is None and self.metric != "auc":
            raise ValueError(f"metric is {self.metric}, and by is missing; want how much may be lost, such as by: 0.01")
        if self.surely and self.must == "not_worse":
            raise ValueError("surely is for must: improve; not_worse always looks at the lower bound, so leave it out")
        return self

    @property
    def risk(self) -> float:
        """How often one test may pass a model that is worse by the margin: all tests of a year together 5%."""
        return RISK_OF_YEAR / self.tests_per_year

    @property
    def least_difference(self) -> float:
        """How much better than the champion a challenger must be, or how much worse it may be."""
        return self.margin if self.by is None else self.by
