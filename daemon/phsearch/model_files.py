"""The files that a model runs from without torch: two graphs, a tokenizer, and a manifest that describes them.

A graph holds no weights. Its initializers point into the file of weights that is there anyway. mini comes with these
files; for any other model they are exported once, see `adapters.clip.export`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.domain.types import ModelIdentity, ModelInfo, Preprocess
from phsearch.errors import GraphError, ModelUnavailableError, remedy_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phsearch.domain.model.tokenization import TokenizerSettings

BUNDLED = {"mini": Path(__file__).parent / "models" / "mini"}
"""The models that come with phsearch, by name."""

_LOCAL = "local-dir:"
CONFIG = "open_clip_config.json"
"""The description of a model in a folder that open_clip wrote."""
MANIFEST = "graphs.json"
GRAPHS = {"image": "image.onnx", "text": "text.onnx"}
TOKENIZER = "tokenizer.json"
_CHECKSUMS = "SHA256SUMS"
_FORMAT = 1
_VERSIONED = ("torch", "open_clip_torch", "onnx", "openvino", "tokenizers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelManifest:
    """What the graphs of a folder need to be used. A relative path of `weights` is one in the folder."""

    info: ModelInfo
    tokenizer: TokenizerSettings
    text_widths: tuple[int, ...]
    """The numbers of tokens that a text may be padded to, ascending; the last is the model's limit."""
    weights: str
    inputs: Mapping[str, str]
    """The files that were exported, and their state at that time; empty where they come with the graphs."""
    digests: Mapping[str, str]
    """The sha256 of each file that was exported, by name. Files that come with phsearch have a list of their own."""
    versions: Mapping[str, str]

    def to_json(self) -> bytes:
        """Return the content of the manifest's file."""
        return json.dumps({"format": _FORMAT, **dataclasses.asdict(self)}, indent=1).encode() + b"\n"


def local_folder(name: str) -> Path | None:
    """Return the owner's folder that a model's name says, None for a model that is no folder of the owner's."""
    return Path(name.removeprefix(_LOCAL)).expanduser() if name.startswith(_LOCAL) else None


def foreign_text_model(folder: Path) -> str:
    """Return the model of the hub whose settings the text tower of an owner's folder needs; "" where it needs none."""
    try:
        text = json.loads((folder / CONFIG).read_bytes())["model_cfg"]["text_cfg"]
        name = str(text.get("hf_model_name") or "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""  # who loads it says what is wrong
    return "" if (folder / name).exists() else name


def input_states(paths: Iterable[str]) -> dict[str, str]:
    """Return the state of each file: where its links lead, its size and its time. Raises OSError."""
    states = {}
    for path in paths:
        status = Path(path).stat()
        states[path] = f"{Path(path).resolve()} {status.st_size} {status.st_mtime_ns}"
    return states


def exporter_versions() -> dict[str, str]:
    """Return the versions that graphs depend on; graphs by others are exported again. A missing package has none."""
    versions = {"format": str(_FORMAT)}
    for package in _VERSIONED:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def read_manifest(folder: Path) -> ModelManifest:
    """Return the manifest of a folder. Raises GraphError with the reason."""
    try:
        values = json.loads((folder / MANIFEST).read_bytes())
        if values.pop("format") != _FORMAT:
            raise GraphError("they are of another version")
        info = values.pop("info")
        info["identity"] = ModelIdentity(**info["identity"])
        info["preprocess"] = Preprocess(**info["preprocess"])
        values["text_widths"] = tuple(values["text_widths"])
        return ModelManifest(info=ModelInfo(**info), **values)
    except FileNotFoundError:
        raise GraphError("there are none yet") from None
    except OSError as error:
        raise GraphError(f"they cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise GraphError("their manifest is damaged") from error


def bundled_identity(name: str) -> ModelIdentity | None:
    """Return the identity of a bundled model before it is loaded, None for any other or where it is damaged."""
    folder = BUNDLED.get(name)
    with contextlib.suppress(GraphError):
        return read_manifest(folder).info.identity if folder is not None else None
    return None


def check_exported(folder: Path) -> ModelManifest:
    """Return the manifest of graphs that were exported here, if they are complete and of the weights there are now.

    Raises GraphError with the reason.
    """
    manifest = read_manifest(folder)
    if manifest.versions != exporter_versions():
        raise GraphError("they are of another version")
    try:
        for name, digest in manifest.digests.items():
            if _sha256(folder / name) != digest:
                raise GraphError(f"{name} is damaged")
        if input_states(manifest.inputs) != manifest.inputs:
            raise GraphError("the weights have changed")
    except OSError as error:
        raise GraphError(f"{error.filename} cannot be read ({error.strerror})") from error
    return manifest


def verify_checksums(name: str, folder: Path) -> None:
    """Compare the files of a bundled model with its list of checksums. Raises ModelUnavailableError."""
    remedy = "install phsearch again: its files are damaged, or are not its own"
    try:
        lines = (folder / _CHECKSUMS).read_text(encoding="ascii").splitlines()
        for wanted, _, file in (line.partition("  ") for line in lines):
            if _sha256(folder / file) != wanted:
                raise ModelUnavailableError(
                    f'model "{name}": {folder / file} has not the sha256 it should have', remedy
                )
    except (OSError, ValueError) as error:
        remedy = remedy_of(getattr(error, "errno", None), remedy)
        raise ModelUnavailableError(f'model "{name}": {folder} cannot be checked ({error})', remedy) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
