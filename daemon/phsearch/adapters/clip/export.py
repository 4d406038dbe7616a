"""Exports the towers of a loaded model as graphs without weights, for a runtime that starts in a fraction of a second.

A graph is ONNX. It holds no copy of the weights: its initializers point into the safetensors file that the model was
loaded from ("external data": file, offset, length), with a cast where that file holds halves. Whether a tensor is that
of the file is decided by comparing the values, because names may differ. What the file does not hold is in the graph.
"""

from __future__ import annotations

import io
import json
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors import safe_open

from phsearch.adapters.clip.traceable import encode_text, traceable_attention
from phsearch.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from phsearch.adapters.clip.loader import LoadedTower
    from phsearch.domain.types import Vectors

_OPSET = 18
_MAX_INLINE = 64 << 20
_TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT, "BF16": TensorProto.BFLOAT16, "I64": TensorProto.INT64}
_MIN_COSINE = 0.9999
_TEXTS = 32
_SHORT_WIDTHS = (8, 12, 16, 24, 32)


class _ImageGraph(torch.nn.Module):
    """[n, height, width, 3] uint8 -> [n, dim] unit rows."""

    def __init__(self, loaded: LoadedTower) -> None:
        super().__init__()
        self.model = loaded.model
        std = torch.tensor(loaded.std)
        self.scale = torch.nn.Buffer((1 / (255 * std)).view(1, 3, 1, 1))
        self.shift = torch.nn.Buffer((torch.tensor(loaded.mean) / std).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> Any:
        values = pixels.permute(0, 3, 1, 2).float() * self.scale - self.shift
        return torch.nn.functional.normalize(self.model.encode_image(values), dim=-1)


class _TextGraph(torch.nn.Module):
    """[n, tokens] int64 -> [n, dim] unit rows."""

    def __init__(self, loaded: LoadedTower) -> None:
        super().__init__()
        self.model = loaded.model

    def forward(self, ids: torch.Tensor) -> Any:
        return torch.nn.functional.normalize(encode_text(self.model, ids), dim=-1)


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where a tensor lies in the file of weights."""

    kind: int
    offset: int
    length: int


def export_image(loaded: LoadedTower, weights: Path) -> bytes:
    """Return the graph of the photos' tower, which points into `weights`. Raises GraphError."""
    size = (loaded.info.preprocess.height, loaded.info.preprocess.width, 3)
    example = torch.from_numpy(np.stack(example_pictures(*size[:2], count=2)))
    return _export(_ImageGraph(loaded), example, "pixels", {0: "n"}, weights)


def export_text(loaded: LoadedTower, weights: Path, *, short: bool) -> bytes:
    """Return the graph of the texts' tower, which points into `weights`; with `short` it takes fewer tokens, too.

    Raises GraphError.
    """
    axes = {0: "n", 1: "tokens"} if short else {0: "n"}
    return _export(_TextGraph(loaded), loaded.tokenizer(list(example_texts(2))), "ids", axes, weights)


@torch.inference_mode()
def short_texts(loaded: LoadedTower) -> dict[int, tuple[np.ndarray, Vectors]]:
    """Return ids and their vectors for each number of tokens that a text may be padded to, below the model's limit.

    A tower that ignores its padding needs fewer tokens for a short text, which is several times as fast.
    """
    module, found = _TextGraph(loaded), {}
    texts = list(example_texts(_TEXTS))
    every = loaded.tokenizer(texts)
    whole = module(every)
    for width in _SHORT_WIDTHS:
        rows = [row for row, text in enumerate(texts) if len(text) < 2 * width]
        ids = every[rows]
        if not rows or width >= ids.shape[1] or not bool((ids[:, width:] == ids[0, -1]).all()):
            continue
        try:
            vectors = module(ids[:, :width])
        except (RuntimeError, IndexError, AssertionError):
            continue  # its positions are of one length only
        if bool((vectors * whole[rows]).sum(dim=1).min() > _MIN_COSINE):
            found[width] = ids[:, :width].numpy(), vectors.numpy()
    return found


def example_pictures(height: int, width: int, count: int) -> list[np.ndarray]:
    """Return pictures of many kinds, [height, width, 3] uint8: noise, gradients, flat colours; the same each time."""
    random = np.random.default_rng(0)
    down, right = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    pictures = []
    for number in range(count):
        first, second, third = random.integers(0, 256, (3, 3))
        smooth = first * (1 - down) * (1 - right) + second * down + third * right * (1 - down)
        noise = random.normal(0, (0, 8, 40, 90)[number % 4], (height, width, 3))
        pictures.append((smooth + noise).clip(0, 255).astype(np.uint8))
    return pictures


def example_texts(count: int) -> Iterator[str]:
    """Yield texts of several lengths, the same each time."""
    things = ("dog", "beach", "red bicycle", "birthday cake", "old man", "mountain lake", "receipt", "city at night")
    places = ("", " in the snow", " on a table beside a window", " in black and white, seen from above")
    for number in range(count):
        yield f"{('a photo of a ', '')[number % 2]}{things[number % len(things)]}{places[number // len(things) % 4]}"


def check_vectors(found: Vectors, wanted: Vectors, tower: str) -> None:
    """Raise GraphError where the vectors of a graph, [n, dim], are not those of torch.

    They are compared after the mean is subtracted: a model's vectors all lie close together.
    """
    mean = wanted.mean(axis=0)
    cosines = (_unit(found - mean) * _unit(wanted - mean)).sum(axis=1)
    if not float(cosines.min()) >= _MIN_COSINE:  # also where it is not a number
        raise GraphError(f"the graph of its {tower} tower gives other vectors than torch (cosine {cosines.min():.4f})")


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _export(
    module: torch.nn.Module,
    example: torch.Tensor,
    input_name: str,
    axes: Mapping[int, str],
    weights: Path,
) -> bytes:
    written = io.BytesIO()
    try:
        with torch.inference_mode(), traceable_attention(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(),
                (example,),
                written,  # type: ignore[arg-type] # this exporter takes a file, too
                input_names=[input_name],
                output_names=["vectors"],
                dynamic_axes={input_name: dict(axes), "vectors": {0: "n"}},
                opset_version=_OPSET,
                # This exporter keeps the names of the parameters, by which their places are found. Without
                # parameters the graph stays small: protobuf ends at two gigabytes.
                dynamo=False,
                export_params=False,
                do_constant_folding=False,
            )
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise GraphError(f"a part of it has no counterpart in ONNX ({reason})") from error
    model = onnx.load_from_string(written.getvalue())
    _point_to_weights(model.graph, module, input_name, weights)
    return bytes(model.SerializeToString())


def _point_to_weights(graph: onnx.GraphProto, module: torch.nn.Module, input_name: str, weights: Path) -> None:
    """Make the inputs of `graph` that are parameters of `module` point to where they lie in the file of weights."""
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    wanted = [value.name for value in graph.input if value.name != input_name]
    del graph.input[1:]
    inline = 0
    casts = []
    with safe_open(weights, framework="pt") as file:
        stored = _stored_tensors(weights)
        for each in wanted:
            tensor = tensors[each].detach()
            key = _key_of(each.removeprefix("model."), tensor, file, stored)
            if key is None:
                inline += tensor.numel() * tensor.element_size()
                graph.initializer.append(numpy_helper.from_array(tensor.numpy(), each))
                continue
            place = stored[key]
            kind = helper.np_dtype_to_tensor_dtype(tensor.numpy().dtype)
            raw = each if place.kind == kind else f"{each}.stored"
            graph.initializer.append(_external(raw, place, tensor.shape, weights.name))
            if raw != each:
                casts.append(helper.make_node("Cast", [raw], [each], to=kind))
    if inline > _MAX_INLINE:
        raise GraphError("its weights are changed when they are loaded, and would be stored twice")
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _stored_tensors(weights: Path) -> dict[str, _Stored]:
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        key: _Stored(
            _TYPES[value["dtype"]], 8 + length + value["data_offsets"][0], int(np.diff(value["data_offsets"])[0])
        )
        for key, value in header.items()
        if value["dtype"] in _TYPES
    }


def _key_of(name: str, tensor: torch.Tensor, file: Any, stored: Mapping[str, _Stored]) -> str | None:
    """Return the key of a tensor in the file of weights, None where the file does not hold its values."""
    candidates = [name] if name in stored else [key for key in stored if key.endswith(f".{name.rpartition('.')[2]}")]
    for key in candidates:
        if math.prod(file.get_slice(key).get_shape()) != tensor.numel():
            continue
        values = file.get_tensor(key)
        if values.shape == tensor.shape and torch.equal(values.to(tensor.dtype), tensor):
            return key
    return None


def _external(name: str, place: _Stored, shape: torch.Size, file: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=place.kind, dims=list(shape), data_location=TensorProto.EXTERNAL)
    for key, value in (("location", file), ("offset", place.offset), ("length", place.length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
