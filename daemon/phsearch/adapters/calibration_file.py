"""A model's calibration on disk: two arrays in safetensors, which is data and never a program, the rest in its header."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from phsearch.domain.relevance import Calibration, Curve

if TYPE_CHECKING:
    from pathlib import Path

NAME = "calibration.safetensors"
_HEADER = "phsearch"
_LARGEST = 64 << 20


class CalibrationError(Exception):
    """The file is there and cannot be used; says why."""


def load(file: Path, weights: str, dim: int) -> Calibration | None:
    """Give the calibration in a file, None where there is no such file.

    Raises CalibrationError when it is damaged, or of a model with other weights or another dimension.
    """
    if not file.exists():
        return None
    try:
        if file.stat().st_size > _LARGEST:
            raise CalibrationError("it is too large")
        with safe_open(file, framework="numpy") as opened:
            header = json.loads((opened.metadata() or {})[_HEADER])
            mean, covariance = (opened.get_tensor(name).astype(np.float32) for name in ("mean", "covariance"))
        covariance /= len(mean)
        curves = {name: Curve(**{key: float(value) for key, value in header[name].items()}) for name in ("words", "photo")}
        bands = {name: float(header[name]) for name in ("strong", "likely", "weak")}
        found = Calibration(**curves, **bands, templates=tuple(map(str, header["templates"])), mean=mean, covariance=covariance)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CalibrationError(f"it is damaged ({type(error).__name__})") from error
    if header.get("weights") != weights:
        raise CalibrationError("it was made for other weights")
    if mean.shape != (dim,) or covariance.shape != (dim, dim):
        raise CalibrationError("it was made for vectors of another length")
    if not all("{}" in template for template in found.templates):
        raise CalibrationError("a template has no {} in it")
    return found


def save(file: Path, calibration: Calibration, weights: str) -> None:
    """Write a calibration of the model with these weights."""
    assert calibration.mean is not None
    assert calibration.covariance is not None
    curves = {name: dataclasses.asdict(getattr(calibration, name)) for name in ("words", "photo")}
    bands = {name: getattr(calibration, name) for name in ("strong", "likely", "weak")}
    header = {"weights": weights, "templates": calibration.templates, **curves, **bands}
    # A covariance of unit vectors is about 1/dim, where float16 begins to lose digits.
    arrays = {"mean": calibration.mean.astype(np.float16), "covariance": (calibration.covariance * len(calibration.mean)).astype(np.float16)}
    save_file(arrays, file, {_HEADER: json.dumps(header)})
