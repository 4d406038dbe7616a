"""The two towers of CLIP as graphs: they turn pictures or texts into unit vectors.

A graph takes pixels as the decoder makes them, or the numbers of tokens, and normalises its output itself.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phsearch.adapters.openvino.runtime import VERSION, compile_graph, reason
from phsearch.adapters.openvino.tokenizer import GraphTokenizer
from phsearch.domain.fitting_batches import FittingBatches
from phsearch.errors import GraphError
from phsearch.model_files import BUNDLED, GRAPHS, TOKENIZER, read_manifest, verify_checksums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.types import ModelInfo, Pixels, RuntimePlan, Vectors
    from phsearch.model_files import ModelManifest

_BATCH_SIZE = 16
_AT_ONCE = {"cpu": 4, "intel-gpu": 16, "npu": 1}
"""On processors 4 pictures at once are as fast as 16, and take 300 MB less with mini."""


class GraphImageTower:
    """Embeds pictures in batches that fit into memory."""

    runtime = VERSION

    def __init__(self, *, model: Any, info: ModelInfo, plan: RuntimePlan, batch_size: int = 0) -> None:
        self.info = info
        self.device, self.precision, self.device_choice = plan.device, plan.precision, plan.why
        self.batch_size = batch_size or _BATCH_SIZE
        self._batches = FittingBatches(batch_size if batch_size and plan.device != "npu" else _AT_ONCE[plan.device])
        self._model = model

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        """Embed preprocessed pictures of one size: [n][height, width, 3] uint8 -> [n, dim] unit rows.

        When memory runs out, fewer are embedded at once, also in later calls. Raises MemoryError if a single picture
        does not fit.
        """
        return self._batches.embed_all(pixels, lambda batch: _run(self._model, np.stack(batch)))


class GraphTextTower:
    """Embeds queries, on the processor: a few words are fast there, and would keep a GPU from ever sleeping."""

    runtime = VERSION
    device = "cpu"

    def __init__(
        self, *, model: Any, tokenizer: GraphTokenizer, widths: tuple[int, ...], info: ModelInfo, plan: RuntimePlan
    ) -> None:
        self.info = info
        self.precision = plan.precision
        self.device_choice = plan.why
        self._model = model
        self._tokenizer = tokenizer
        self._widths = widths

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: n strings -> [n, dim] unit rows."""
        return _run(self._model, self._tokenizer.encode(texts, self._widths))


def load_image_tower(plan: RuntimePlan, *, batch_size: int = 0, threads: int = 0) -> GraphImageTower:
    """Load the photos' tower of a plan. Raises GraphError; ModelUnavailableError for a damaged bundled model."""
    manifest, model = _load("image", plan, threads)
    return GraphImageTower(model=model, info=manifest.info, plan=plan, batch_size=batch_size)


def load_text_tower(plan: RuntimePlan, *, threads: int = 0) -> GraphTextTower:
    """Load the texts' tower of a plan. Raises GraphError; ModelUnavailableError for a damaged bundled model."""
    if plan.device != "cpu":
        plan = replace(plan, device="cpu", precision="fp32")
    manifest, model = _load("text", plan, threads)
    tokenizer = GraphTokenizer(Path(plan.folder) / TOKENIZER, manifest.tokenizer)
    return GraphTextTower(model=model, tokenizer=tokenizer, widths=manifest.text_widths, info=manifest.info, plan=plan)


def _load(tower: str, plan: RuntimePlan, threads: int) -> tuple[ModelManifest, Any]:
    folder = Path(plan.folder)
    name = next((name for name, bundled in BUNDLED.items() if bundled == folder), None)
    if name is not None:
        verify_checksums(name, folder)
    manifest = read_manifest(folder)
    if not manifest.info.source:
        manifest = replace(manifest, info=replace(manifest.info, source=str(folder)))
    try:
        graph = (folder / GRAPHS[tower]).read_bytes()
    except OSError as error:
        raise GraphError(f"{error.filename} cannot be read ({error.strerror})") from error
    return manifest, compile_graph(graph, folder / manifest.weights, plan, threads=threads)


def _run(model: Any, values: Any) -> Vectors:
    try:
        vectors: Vectors = model({0: values})[0]
    except RuntimeError as error:
        kind = MemoryError if "alloc" in str(error) else RuntimeError
        raise kind(reason(error)) from error
    if vectors.shape[0] != len(values):
        raise GraphError("its graph is of another model")
    # A copy: the next call writes into the same memory.
    return vectors.astype(np.float32, copy=True)
