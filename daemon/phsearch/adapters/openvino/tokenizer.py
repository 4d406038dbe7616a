"""The tokenizer of an exported text tower."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from phsearch.domain.model.tokenization import encode_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from phsearch.domain.model.tokenization import TokenizerSettings

# Otherwise the first text starts a thread for each processor.
os.environ["TOKENIZERS_PARALLELISM"] = "false"


class GraphTokenizer:
    """Makes the ids that open_clip's tokenizer made when it was exported."""

    def __init__(self, source: str | Path, settings: TokenizerSettings) -> None:
        """Load `source`, a tokenizer.json: its path, or its text as a string.

        Raises ValueError if it is not a tokenizer, and OSError if the file cannot be read.
        """
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        try:
            self._tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the library raises this class itself
            raise ValueError(f"not a tokenizer.json: {error}") from error
        self._tokenizer.encode_special_tokens = settings["split_special_tokens"]
        self._settings = settings

    def encode(self, texts: Sequence[str], widths: Sequence[int] = ()) -> npt.NDArray[np.int64]:
        """Return the ids of texts: [n, context_length].

        With `widths`, the rows are cut to the smallest width that holds all tokens which are not padding.
        """
        return encode_texts(self._tokenizer, self._settings, texts, widths)
