"""The names of the tables that belong to one model; they follow from its identity.

Readable letters alone are no name: `/models/b32-256` and `/models/b32/256` have the same, and `/模型` has none. So a
digest of the identity follows them. For an older phsearch the letters were the whole name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from typing import TYPE_CHECKING, Literal

from phsearch.text import slug

if TYPE_CHECKING:
    from phsearch.domain.types import ModelIdentity

TableKind = Literal["photos", "retired"]
"""The photos in the library, and the vectors of deleted ones."""

_LONGEST = 40
_DIGITS = 8


def table_name(kind: TableKind, identity: ModelIdentity) -> str:
    """Return the name of the table of this model, for example "photos_mini_0a1b2c3d"."""
    record = json.dumps(dataclasses.astuple(identity)).encode()
    return f"{kind}_{_slug(identity.name, identity.pretrained)}_{hashlib.sha256(record).hexdigest()[:_DIGITS]}"


def may_be_of(table: str, kind: TableKind, name: str, pretrained: str) -> bool:
    """Whether its name allows that `table` is of this model: for a table whose files do not tell."""
    with_digest = rf"{re.escape(_slug(name, pretrained))}_[0-9a-f]{{{_DIGITS}}}"
    return table == former_name(kind, name, pretrained) or bool(re.fullmatch(f"{kind}_{with_digest}", table))


def former_name(kind: TableKind, name: str, pretrained: str) -> str:
    """Return the name that an older phsearch gave the table of this model; several models may have the same."""
    return f"{kind}_{_letters(name, pretrained)}"


def _slug(name: str, pretrained: str) -> str:
    return _letters(name, pretrained)[:_LONGEST].strip("_") or "model"


def _letters(name: str, pretrained: str) -> str:
    return slug(f"{name}/{pretrained}" if pretrained else name)
