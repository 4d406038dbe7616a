"""A tokenizer.json whose scores are read back to the last bit.

`tokenizers` reads a number as an integer divided by a power of ten. Both are rounded, so one score in eight comes back
with another last bit. That bit decides between two ways to split a text that are equally good.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_INTEGERS = 2.0**64
_EXACT_POWERS = range(23)
"""Powers of ten up to this one are exact as a float."""


def write_exactly(tokenizer: Tokenizer) -> str:
    """Return the tokenizer.json of a tokenizer."""
    text = tokenizer.to_str()
    document = json.loads(text)
    if document["model"]["type"] != "Unigram":
        return text
    pieces = ",".join(
        f"[{json.dumps(piece, ensure_ascii=False)},{exact_decimal(score)}]"
        for piece, score in document["model"]["vocab"]
    )
    document["model"]["vocab"] = []
    return json.dumps(document, ensure_ascii=False).replace('"vocab": []', f'"vocab": [{pieces}]')


def exact_decimal(score: float) -> str:
    """Return a decimal whose digits are an integer that a float can hold, so that only the division rounds.

    One score in a thousand has no such decimal and may change its last bit.
    """
    size = abs(score)
    for power in _EXACT_POWERS:
        near = size * 10.0**power
        for digits in (near, math.nextafter(near, 0), math.nextafter(near, math.inf)):
            if digits < _INTEGERS and digits.is_integer() and digits / 10.0**power == size:
                return f"{'-' if score < 0 else ''}{int(digits)}e-{power}"
    return repr(score)
