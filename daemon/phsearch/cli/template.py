r"""What --format makes of a hit: "{path}\t{score}" and the like.

Fields are members of a hit as --json shows them, and nothing else can be reached from a format. A name is written as in
TSV, with a tab in it as \t, so that no file can forge a line; -0 and --json have its exact bytes.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from phsearch.cli import output

if TYPE_CHECKING:
    from collections.abc import Callable

FIELDS = (
    "path",
    "score",
    "relevance",
    "band",
    "share",
    "more",
    "root",
    "taken_at",
    "width",
    "height",
    "format",
    "camera",
    "indexed_at",
    "offline",
    "last_seen",
    "name",
    "folder",
)
"""`name` and `folder` are the two parts of the path."""

_PARTS = re.compile(r"\{\{|\}\}|\{(\w*)\}|\\([tn0\\])|([{}])")
_ESCAPES = {"t": "\t", "n": "\n", "0": "\0", "\\": "\\"}


def compiled(template: str) -> Callable[[dict[str, Any]], bytes]:
    """Give what writes a hit, with a newline after it unless the format ends in one or in a null.

    Raises ValueError with a sentence.
    """
    parts: list[tuple[str, str]] = []
    end = 0
    for found in _PARTS.finditer(template):
        parts.append((template[end : found.start()], ""))
        end = found.end()
        field, escape, brace = found.groups()
        if brace:
            raise ValueError(f'there is a "{brace}" without its other half: to print one write it twice')
        if field is not None:
            parts.append(("", _known(field)))
        else:
            parts.append((_ESCAPES[escape] if escape else found.group()[0], ""))
    parts.append((template[end:], ""))
    closing = "" if "".join(text for text, _ in parts[-2:]).endswith(("\n", "\0")) and not parts[-1][1] else "\n"

    def write(hit: dict[str, Any]) -> bytes:
        return output.name_bytes(
            "".join(text or (_value(hit, field) if field else "") for text, field in parts) + closing
        )

    return write


def _known(field: str) -> str:
    if field in FIELDS:
        return field
    near = difflib.get_close_matches(field, FIELDS, 1)
    remedy = f'did you mean "{{{near[0]}}}"?' if near else f"there are {', '.join(FIELDS)}"
    raise ValueError(f'a hit has no field "{field}": {remedy}')


def _value(hit: dict[str, Any], field: str) -> str:
    folder, _, name = hit["path"].rpartition("/")
    value = {"name": name, "folder": folder or "/"}.get(field, hit.get(field))
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return output.escaped(str(value))
