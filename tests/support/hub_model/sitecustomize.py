"""Lets open_clip know the tiny model by the name "tiny", with weights on the hub.

Python imports this module at the start of every process whose PYTHONPATH names this folder.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

NAME, TAG, REPOSITORY = "tiny", "made_here", "laion/tiny"


class _Registrar:
    """Adds the model once open_clip is imported."""

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "open_clip":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def register(module: ModuleType) -> None:
            execute(module)
            _register(module)

        spec.loader.exec_module = register  # type: ignore[method-assign]
        return spec


def _register(open_clip: Any) -> None:
    from support.tiny_model import CONFIG  # noqa: PLC0415 - only in processes that load open_clip

    preprocess: Any = CONFIG["preprocess_cfg"]
    open_clip.factory._MODEL_CONFIGS[NAME] = CONFIG["model_cfg"]
    open_clip.pretrained._PRETRAINED[NAME] = {
        TAG: {"hf_hub": f"{REPOSITORY}/", "mean": tuple(preprocess["mean"]), "std": tuple(preprocess["std"])}
    }


sys.meta_path.insert(0, _Registrar())
