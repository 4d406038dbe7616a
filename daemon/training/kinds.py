"""Names for what the libraries leave untyped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import Tensor

# Modules of open_clip, timm and transformers: their parts are known by name, not by type.
Model: TypeAlias = Any

Tokenizer: TypeAlias = Callable[[list[str]], Tensor]
