"""The parts of the manual's topics that are made from the code: filters, formats, settings, methods.

A topic marks such a part by two comments, `<!-- made by `make manual`: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import dataclasses
import json
import re
import textwrap
from typing import TYPE_CHECKING, Any

from phsearch import config
from phsearch.domain import formats
from phsearch.domain.roots.ignore_rules import NOT_PHOTOS
from phsearch.wire.filters import FILTERS
from phsearch.wire.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

WIDTH = 80
"""Topics are read in terminals."""

_PART = re.compile(r"(<!-- made by `make manual`: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
_KEY = re.compile(r"(\w+) = .*")
_SECTION = re.compile(r"\[(\w+)\]")


def render(topic: str, example: str) -> str:
    """Return a topic with its made parts as they should be. `example` is the text of config.example.toml."""
    parts: Mapping[str, Callable[[], Iterator[str]]] = {
        "filters": filters,
        "formats": photo_formats,
        "ignored": ignored_folders,
        "settings": lambda: settings(example),
        "methods": protocol_methods,
    }
    return _PART.sub(lambda found: f"{found[1]}\n{_lines(parts[found[2]]())}\n{found[3]}", topic)


def filters() -> Iterator[str]:
    """Yield one item for each filter of the query language."""
    for term in FILTERS.values():
        examples = ", ".join(f"`{term.key}:{value}`" for value in term.manual_examples or (term.example,))
        yield _item(f"`{term.key}:` Photos {term.manual} Examples: {examples}")


def photo_formats() -> Iterator[str]:
    """Yield the formats, and what `type:` calls them."""
    listed = ", ".join(f"{kind.title} (`{kind.words[0]}`)" for kind in formats.FORMATS)
    yield _wrapped(f"{listed}, and camera RAW by its embedded preview (`raw`, or its suffix, such as `nef`).")


def ignored_folders() -> Iterator[str]:
    """Yield the folders that are left out by default."""
    yield _wrapped(", ".join(f"`{rule.removeprefix(chr(92)).removeprefix('**/')}`" for rule in NOT_PHOTOS))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key of the settings; `section` is "" outside all sections."""

    section: str
    key: str
    default: str
    text: str

    @property
    def name(self) -> str:
        """The dotted key, as messages name it."""
        return f"{self.section}.{self.key}" if self.section else self.key


def settings(example: str) -> Iterator[str]:
    """Yield one item for each key of the settings, under a heading for each section."""
    texts = section_texts(example)
    section = ""
    for each in setting_list(example):
        if each.section != section:
            section = each.section
            yield f"\n### [{section}]\n"
            if section in texts:
                yield _wrapped(f"{texts[section]}\n") + "\n"
        yield _item(f"`{each.name}` = `{each.default}`. {each.text}")


def setting_list(example: str) -> list[Setting]:
    """Return all settings: keys and defaults of the code, and the comments of the example."""
    comments = dict(_comments(example))
    found = []
    for field in dataclasses.fields(config.Config):
        value = getattr(config.Config(), field.name)
        keys = [("", field.name, value)]
        if dataclasses.is_dataclass(value):
            keys = [(field.name, key.name, getattr(value, key.name)) for key in dataclasses.fields(value)]
        for section, key, default in keys:
            text = comments[f"{section}.{key}"]
            found.append(Setting(section=section, key=key, default=json.dumps(default), text=text))
    return found


def section_texts(example: str) -> dict[str, str]:
    """Return the comments that stand above a section's name."""
    return {name: text for name, text in _comments(example) if "." not in name}


def _comments(example: str) -> Iterator[tuple[str, str]]:
    """Yield the comment above each "section.key" and above each "section"."""
    section, lines = "", list[str]()
    for line in example.splitlines():
        if line.startswith("# "):
            lines.append(line[2:])
            continue
        if found := _SECTION.fullmatch(line):
            section = found[1]
            if lines:
                yield section, " ".join(lines)
        elif found := _KEY.fullmatch(line):
            yield f"{section}.{found[1]}", " ".join(lines)
        lines.clear()


def protocol_methods() -> Iterator[str]:
    """Yield a section for each method, as `rpc.discover` describes it."""
    for method in (each.describe() for each in METHODS.values()):
        yield f"### {method['name']}\n"
        yield _wrapped(method["summary"])
        if method["params"]:
            yield ""
        for param in method["params"]:
            yield _item(f"`{param['name']}` ({_kind(param)}): {param.get('description', param['summary'])}.")
        yield f"\n{_wrapped('Result: ' + method['result']['summary'])}\n"
        if method["name"] != "rpc.discover" and (members := "\n".join(_members(method["result"]["schema"]))):
            yield f"{members}\n"


def _members(schema: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield an item for each member of an object, and below it those of the objects that it holds."""
    for name, member in schema.get("properties", {}).items():
        if name == "protocol":
            continue
        inner, words = _type_words(member)
        text = member.get("description", "")
        yield _item(f"`{name}` ({words})" + (f": {text}" if text else ""), "  " * depth)
        yield from _members(inner, depth + 1)


def _type_words(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Return the schema of the objects in a value, and the value's type in words."""
    if "anyOf" in schema:
        kinds = [_type_words(each) for each in schema["anyOf"]]
        return kinds[0][0], " or ".join(words for _, words in kinds)
    if schema.get("type") == "array":
        inner, words = _type_words(schema["items"])
        return inner, f"list of {words}s" if words.isalpha() else f"list of {words}"
    if "enum" in schema:
        return schema, _alternatives(schema["enum"])
    return schema, str(schema["type"])


def _kind(param: Mapping[str, Any]) -> str:
    """Return what a parameter's value may be, in words."""
    schema = param["schema"]
    words = [schema["type"]]
    if "enum" in schema:
        words = [_alternatives(schema["enum"])]
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        words.append(f"{low} to {high}")
    if "maxLength" in schema:
        words.append(f"at most {schema['maxLength']} characters")
    if param["required"]:
        words.append("required")
    elif "default" in schema:
        words.append(f"default {json.dumps(schema['default'])}")
    return ", ".join(words)


def _alternatives(choices: Sequence[str]) -> str:
    *first, last = (f'"{choice}"' for choice in choices)
    return f"{', '.join(first)} or {last}" if first else last


def _item(text: str, indent: str = "") -> str:
    return _wrapped(text, f"{indent}- ", f"{indent}  ")


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _lines(parts: Iterator[str]) -> str:
    return "\n".join(parts).strip("\n") + "\n"
