"""TEMP"""

from __future__ import annotations

from typing import Any

import numpy as np
from tokenizers import Tokenizer


class GraphTokenizer:
    def __init__(self, source: Any, settings: dict[str, Any]) -> None:
        self._t = Tokenizer.from_file(str(source))
        self._n = settings["length"]
        self._t.enable_truncation(self._n)
        self._t.no_padding()

    def encode(self, texts, widths=()):
        ids = [e.ids for e in self._t.encode_batch(list(texts))]
        longest = max(map(len, ids))
        width = next((w for w in (*widths, self._n) if w >= longest))
        return np.array([i + [0] * (width - len(i)) for i in ids], np.int64)
