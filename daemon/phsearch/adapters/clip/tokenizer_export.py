"""TEMP"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class ExportedTokenizer:
    json: str
    settings: dict[str, Any]


def export_tokenizer(t: Any) -> ExportedTokenizer | str:
    return ExportedTokenizer(t.tokenizer.backend_tokenizer.to_str(), {"length": t.context_length})
