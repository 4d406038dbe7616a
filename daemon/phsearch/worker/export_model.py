"""A short-lived worker: exports a model's towers as graphs, with torch, into an empty folder, and checks them.

The model is loaded first. From then on the worker may not use the network, and it may write only to the files that it
has opened in the folder.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phsearch.adapters.sandbox import enter_sandbox
from phsearch.domain.types import RuntimePlan
from phsearch.errors import GraphError
from phsearch.model_files import GRAPHS, MANIFEST, TOKENIZER, ModelManifest, exporter_versions, input_states

if TYPE_CHECKING:
    from phsearch.adapters.clip import LoadedTower
    from phsearch.domain.types import Vectors
    from phsearch.service.workers.command import WorkerSetup
    from phsearch.service.workers.frames import WorkerChannel

_CHECKED = 32


def export_model(channel: WorkerChannel, setup: WorkerSetup) -> None:
    """Fill `setup.folder` and answer "exported". Raises GraphError, ModelUnavailableError."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from phsearch.adapters import clip  # noqa: PLC0415 - seconds of torch, and after the environment is set

    loaded = clip.load_tower(setup.name, setup.pretrained, "both")
    if loaded.weights is None:
        raise GraphError("its folder holds several files of weights")
    weights, folder = loaded.weights.resolve(), Path(setup.folder)
    names = (*GRAPHS.values(), TOKENIZER, MANIFEST)
    files = {name: os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600) for name in names}
    enter_sandbox((str(folder), str(weights.parent)), device=False, writes=True)
    content = export_files(loaded, weights)
    for name, data in content.items():
        _write(files[name], data)
    check_graphs(loaded, folder)
    channel.send_message({"op": "exported"})


def export_files(loaded: LoadedTower, weights: Path, *, bundled: bool = False) -> dict[str, bytes]:
    """Return the content of all files by name. Raises GraphError.

    `bundled` files lie beside the weights, and may be moved together with them.
    """
    from phsearch.adapters.clip import export, tokenizer_export  # noqa: PLC0415 - see above

    tokenizer = tokenizer_export.export_tokenizer(loaded.tokenizer)
    if isinstance(tokenizer, str):
        raise GraphError(tokenizer)
    short = export.short_texts(loaded)
    text = export.export_text(loaded, weights, short=bool(short))
    if not _takes(text, weights, short):
        # Its exporter took the number of tokens for a constant.
        short, text = {}, export.export_text(loaded, weights, short=False)
    content = {
        GRAPHS["image"]: export.export_image(loaded, weights),
        GRAPHS["text"]: text,
        TOKENIZER: tokenizer.json.encode(),
    }
    manifest = ModelManifest(
        info=replace(loaded.info, source="") if bundled else loaded.info,
        tokenizer=tokenizer.settings,
        text_widths=(*short, loaded.tokenizer.context_length),
        weights=weights.name if bundled else str(weights),
        inputs={} if bundled else input_states(map(str, loaded.files)),
        digests={} if bundled else {file: hashlib.sha256(data).hexdigest() for file, data in content.items()},
        versions=exporter_versions(),
    )
    return {**content, MANIFEST: manifest.to_json()}


def _takes(graph: bytes, weights: Path, texts: dict[int, tuple[np.ndarray, Vectors]]) -> bool:
    """Whether a texts' graph gives the vectors of texts of each length, together and one by one."""
    from phsearch.adapters import openvino  # noqa: PLC0415 - see above
    from phsearch.adapters.clip import export  # noqa: PLC0415 - see above

    try:
        model = openvino.compile_graph(graph, weights, RuntimePlan.plain(""))
        for ids, vectors in texts.values():
            export.check_vectors(model({0: ids})[0].copy(), vectors, "text")
            export.check_vectors(
                np.concatenate([model({0: ids[row : row + 1]})[0] for row in range(3)]), vectors[:3], "text"
            )
    except (GraphError, RuntimeError):
        return False
    return True


def check_graphs(loaded: LoadedTower, folder: Path) -> None:
    """Raise GraphError where the graphs in `folder` do not give the vectors of torch."""
    from phsearch.adapters import clip, openvino  # noqa: PLC0415 - see above
    from phsearch.adapters.clip import export  # noqa: PLC0415 - see above

    plan = RuntimePlan.plain(str(folder))
    texts = list(export.example_texts(_CHECKED))
    found = openvino.load_text_tower(plan).embed(texts)
    export.check_vectors(found, clip.OpenClipTextTower(loaded, device="cpu", precision="fp32").embed(texts), "text")
    size = loaded.info.preprocess
    # One more than a multiple of any batch.
    pictures = export.example_pictures(size.height, size.width, _CHECKED + 1)
    found = openvino.load_image_tower(plan).embed(pictures)
    wanted = clip.OpenClipImageTower(loaded, device="cpu", precision="fp32", batch_size=8).embed(pictures)
    export.check_vectors(found, wanted, "image")


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
