"""A model's calibration on disk: arrays in safetensors, which cannot hold code, and the rest in its header."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from phsearch.atomic_write import atomic_write
from phsearch.domain.search.relevance import Calibration, Curve
from phsearch.domain.types import ModelName
from phsearch.model_files import BUNDLED, local_folder
from phsearch.text import slug

if TYPE_CHECKING:
    from pathlib import Path

    from phsearch.domain.types import ModelIdentity
    from phsearch.paths import StateFolder

log = logging.getLogger("phsearch.query")

NAME = "calibration.safetensors"
_HEADER = "phsearch"
_LARGEST = 64 << 20


class CalibrationError(Exception):
    """The file exists and cannot be used. The message says why."""


def find(identity: ModelIdentity, state: StateFolder) -> Calibration | None:
    """Return the calibration of a model, from the state folder or from beside its weights; None where there is none.

    A file that cannot be used is skipped with a warning.
    """
    for file in places(ModelName(identity.name, identity.pretrained), state):
        try:
            if found := load(file, identity.weights, identity.dim):
                return found
        except CalibrationError as error:
            log.warning("%s is not used: %s; `phsearch-client model calibrate` makes a new one", file, error)
    return None


def places(model: ModelName, state: StateFolder) -> tuple[Path, ...]:
    """Return the files in which a model's calibration may be. The first one that can be used wins."""
    own = state.calibrations / f"{slug(f'{model.name}/{model.pretrained}')}.safetensors"
    beside_weights = BUNDLED.get(model.name) or local_folder(model.name)
    return (own,) if beside_weights is None else (own, beside_weights / NAME)


def load(file: Path, weights: str, dim: int) -> Calibration | None:
    """Return the calibration in a file, None where there is no file.

    Raise CalibrationError when it is damaged, or was made for other weights or another dimension.
    """
    if not file.exists():
        return None
    try:
        if file.stat().st_size > _LARGEST:
            raise CalibrationError("it is too large")
        with safe_open(file, framework="numpy") as opened:
            header = json.loads((opened.metadata() or {})[_HEADER])
            mean, covariance = (opened.get_tensor(name).astype(np.float32) for name in ("mean", "covariance"))
        found = Calibration(
            words=_curve(header["words"]),
            photo=_curve(header["photo"]),
            strong=float(header["strong"]),
            likely=float(header["likely"]),
            weak=float(header["weak"]),
            templates=tuple(map(str, header["templates"])),
            mean=mean,
            covariance=covariance / len(mean),
            own_photos=int(header.get("own_photos", 0)),
        )
    except (
        OSError,
        SafetensorError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise CalibrationError(f"it is damaged ({type(error).__name__})") from error
    if header.get("weights") != weights:
        raise CalibrationError("it was made for other weights")
    if mean.shape != (dim,) or covariance.shape != (dim, dim):
        raise CalibrationError("it was made for vectors of another length")
    if not all("{}" in template for template in found.templates):
        raise CalibrationError("a template has no {} in it")
    return found


def keep(calibration: Calibration, identity: ModelIdentity, state: StateFolder) -> None:
    """Write the calibration of a model into the state folder. Raise OSError."""
    file = places(ModelName(identity.name, identity.pretrained), state)[0]
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    save(file, calibration, identity.weights)


def _curve(given: dict[str, float]) -> Curve:
    if set(given) != {field.name for field in dataclasses.fields(Curve)}:
        raise CalibrationError("it was made by another version of phsearch")
    return Curve(**{name: float(value) for name, value in given.items()})


def save(file: Path, calibration: Calibration, weights: str) -> None:
    """Write a calibration of the model with these weights. Raise OSError."""
    assert calibration.mean is not None
    assert calibration.covariance is not None
    curves = {name: dataclasses.asdict(getattr(calibration, name)) for name in ("words", "photo")}
    bands = {name: getattr(calibration, name) for name in ("strong", "likely", "weak")}
    made = {"weights": weights, "own_photos": calibration.own_photos, "templates": calibration.templates}
    header = {**made, **curves, **bands}
    # A covariance of unit vectors is about 1/dim, where float16 begins to lose digits.
    arrays = {
        "mean": calibration.mean.astype(np.float16),
        "covariance": (calibration.covariance * len(calibration.mean)).astype(np.float16),
    }
    atomic_write(file, to_safetensors(arrays, {_HEADER: json.dumps(header)}), mode=0o644)
