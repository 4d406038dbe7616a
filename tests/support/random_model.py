"""A model of open_clip's with random weights, as a `local-dir`. It costs as much as the real one, and knows nothing.

python tests/support/random_model.py ViT-B-32-256 DIR
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def save(name: str, folder: Path) -> None:
    """Write the model to `folder`."""
    import torch  # noqa: PLC0415 - only the process that makes the model needs it
    from safetensors.torch import save_file  # noqa: PLC0415

    from phsearch.adapters.clip.open_clip_library import open_clip  # noqa: PLC0415

    torch.manual_seed(1)
    model = open_clip.create_model(name, load_weights=False)
    config = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": {}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )


if __name__ == "__main__":
    save(sys.argv[1], Path(sys.argv[2]))
