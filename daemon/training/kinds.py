"""Types for what the libraries leave untyped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import Tensor

# Modules of open_clip, timm and transformers: their parts have names but no types.
Model: TypeAlias = Any

Tokenizer: TypeAlias = Callable[[list[str]], Tensor]
