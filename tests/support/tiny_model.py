"""A tiny open_clip model with random weights, saved as a `local-dir`: it runs the real loading code in a second.

Run it in a separate process (`python tests/support/tiny_model.py DIR...`): most tests import no torch. Each folder
gets other weights.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CONFIG = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}


PICKLED = b"cos\nsystem\n(S'touch %s'\ntR."
"""Weights that run a command when they are loaded."""


def save(folder: Path, seed: int = 0, *, custom: bool = False, **text: Any) -> None:
    """Write the model to `folder`, with these settings of its text tower; a `custom` tower is a module of its own."""
    import torch  # noqa: PLC0415 - only the process that makes the model needs it
    from safetensors.torch import save_file  # noqa: PLC0415

    from phsearch.adapters.clip.open_clip_library import open_clip  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = json.loads(json.dumps(CONFIG))
    model_cfg = config["model_cfg"]
    model_cfg["text_cfg"] |= text
    torch.manual_seed(seed)
    model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**model_cfg)
    (folder / "open_clip_config.json").write_text(
        json.dumps(config | {"model_cfg": model_cfg | {"custom_text": custom}})
    )
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")


if __name__ == "__main__":
    for number, name in enumerate(sys.argv[1:]):
        save(Path(name), number)
