"""The bundle: a fitted model with everything that it needs to answer, and the definition of what it reads."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from pydantic import TypeAdapter

from rounds import calibration, code, formats, manifest
from rounds.calibration import Calibrator
from rounds.definition import Definition, Sections
from rounds.errors import Refused
from rounds.families import FAMILIES
from rounds.files import Writer
from rounds.manifest import Facts
from rounds.origin import Origin

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
DESCRIPTION, DEFINITION = "bundle.json", "features.py"
FORMAT = 1


@dataclass(frozen=True)
class Bundle:
    """`features` are the matrix's columns in order, `definition` the text that makes them, by `sections`.

    `thresholds` are probabilities, each called by what it is for: at `capacity` and above are those that can be phoned.
    `origin` is that of the rows that it was fitted on.
    """

    problem: str
    family: str
    features: tuple[str, ...]
    model: bytes
    calibrator: Calibrator
    thresholds: dict[str, float]
    definition: str
    sections: Facts
    reference: Facts
    knobs: Facts
    origin: Origin

    def raw(self, matrix: Array) -> Array:
        """The booster's margin: log odds of the outcome, as the class weights distort them."""
        if matrix.ndim != 2 or matrix.shape[1] != len(self.features):
            raise Refused(f"the matrix has the shape {matrix.shape}; this bundle wants {len(self.features)} columns.")
        return self._scorer(np.ascontiguousarray(matrix, dtype=np.float32))

    def score(self, matrix: Array) -> Array:
        """The calibrated probability of the outcome, row by row."""
        return self.calibrator(self.raw(matrix))

    def contributions(self, matrix: Array) -> Array:
        """The SHAP values: what each feature adds to the log odds of each row, before these are calibrated."""
        return self._explainer(np.ascontiguousarray(matrix, dtype=np.float32))

    def rebuild(self) -> Definition:
        """The feature definition that this model was fitted with, whatever the problem's folder says by now."""
        module = ModuleType(f"{self.problem}_features_{self.digest[:12]}")
        exec(compile(self.definition, DEFINITION, "exec"), module.__dict__)
        return Definition(TypeAdapter(Sections).validate_python(self.sections), module.features)

    @cached_property
    def digest(self) -> str:
        """Of what the bundle answers with: comments in the definition do not count."""
        meaning = code.meaning(ast.parse(self.definition))
        return manifest.digest({**self._description(), "definition": meaning, "model": _sha256(self.model)})

    def save(self, write: Writer) -> None:
        file = FAMILIES[self.family].FILE
        definition = self.definition.encode()
        write.path(file).write_bytes(self.model)
        write.path(DEFINITION).write_bytes(definition)
        digests = {file: _sha256(self.model), DEFINITION: _sha256(definition)}
        write.json(DESCRIPTION, {**self._description(), "digest": self.digest, "files": digests})

    @cached_property
    def _explainer(self) -> Callable[[Array], Array]:
        return FAMILIES[self.family].explainer(self.model)

    @cached_property
    def _scorer(self) -> Callable[[Array], Array]:
        return FAMILIES[self.family].scorer(self.model)

    def _description(self) -> Facts:
        plain = {name: value for name, value in self.__dict__.items() if name in _PLAIN}
        made = {"format": FORMAT, "features": list(self.features), "calibrator": calibration.to_json(self.calibrator)}
        return {**plain, **made}


_PLAIN = {"problem", "family", "thresholds", "sections", "reference", "knobs", "origin"}


def load(path_of: Callable[[str], Path]) -> Bundle:
    """The bundle whose files `path_of` finds by name; one that is not whole is refused by what it lacks."""
    try:
        found = json.loads(path_of(DESCRIPTION).read_bytes())
    except ValueError as error:
        raise Refused(f"the bundle's {DESCRIPTION} is not JSON. Run 'train' again.") from error
    formats.check(found, FORMAT, f"the bundle's {DESCRIPTION}")
    wanted = _PLAIN | {"format", "features", "calibrator", "digest", "files"}
    if lacking := sorted(wanted - set(found)):
        raise Refused(f"the bundle's {DESCRIPTION} lacks {', '.join(lacking)}. Run 'train' again.")
    formats.unknown(found, wanted, f"the bundle's {DESCRIPTION}")
    if found["family"] not in FAMILIES:
        raise Refused(f"the bundle is of family '{found['family']}'; this release knows {', '.join(FAMILIES)}.")
    parts = {name: path_of(name).read_bytes() for name in (FAMILIES[found["family"]].FILE, DEFINITION)}
    bundle = Bundle(
        **{name: found[name] for name in _PLAIN},
        features=tuple(found["features"]),
        model=parts[FAMILIES[found["family"]].FILE],
        calibrator=calibration.from_json(found["calibrator"]),
        definition=parts[DEFINITION].decode(),
    )
    altered = [name for name, part in parts.items() if _sha256(part) != found["files"].get(name)]
    formats.unknown(found["files"], set(parts), f"the bundle's {DESCRIPTION} (files)")
    if altered or bundle.digest != found["digest"]:
        raise Refused(
            f"the bundle's {', '.join(altered) or DESCRIPTION} was altered after it was made. Run 'train' again."
        )
    return bundle


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
