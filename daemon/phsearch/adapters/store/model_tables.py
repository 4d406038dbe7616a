"""The tables of all models in an index: whose each is, which of them one model uses, and how to discard them.

Nothing is opened for that, and nothing is changed. LanceDB opens no table whose newest version is damaged, and that
table must not be taken for another model's. So the identity is read from the manifests, the newest first.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from phsearch.adapters.store import arrow_rows
from phsearch.adapters.store.errors import translate_errors
from phsearch.adapters.store.table import Table
from phsearch.adapters.store.table_files import TableFiles, size
from phsearch.adapters.store.table_names import TableKind, former_name, may_be_of, table_name
from phsearch.domain.types import ModelName, TableStats
from phsearch.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator
    from pathlib import Path

    from phsearch.domain.types import ModelIdentity

_SUFFIX = ".lance"
_KINDS: tuple[TableKind, ...] = get_args(TableKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTable:
    """One table on the disk. `identity` is None where its files do not tell; `written` is the time of the newest."""

    name: str
    kind: TableKind
    identity: ModelIdentity | None
    written: int
    holds_rows: bool

    @property
    def model(self) -> ModelName:
        """The model that it was made with, whatever its weights were."""
        assert self.identity is not None
        return ModelName(self.identity.name, self.identity.pretrained)

    def is_of(self, name: str, pretrained: str) -> bool:
        """Whether it was made with this model."""
        return self.identity is not None and self.model == ModelName(name, pretrained)

    def may_be_of(self, name: str, pretrained: str) -> bool:
        """Whether it could be of this model by its name, and nothing else tells."""
        return self.identity is None and may_be_of(self.name, self.kind, name, pretrained)

    def is_former(self, identity: ModelIdentity) -> bool:
        """Whether it holds photos of the same model, but of another identity."""
        same = self.is_of(identity.name, identity.pretrained)
        return same and self.kind == "photos" and self.identity != identity


def find_tables(folder: Path) -> list[ModelTable]:
    """Return the tables of all models, the newest written first. Raises StoreError."""
    with translate_errors(folder, "open"):
        found = [_model_table(entry, kind) for entry, kind in _entries(folder)]
    return sorted(found, key=lambda table: table.written, reverse=True)


def choose_names(
    folder: Path, name: str, pretrained: str, expected: ModelIdentity | None
) -> dict[TableKind, tuple[str, str]]:
    """Return the names that the tables of a model have now, and the names that they should have. Raises StoreError.

    Without `expected` they are those whose photos were written last. Both names are equal where there is no table yet,
    and "" where the identity is not known, either.
    """
    tables = find_tables(folder)
    identity = expected or next(
        (table.identity for table in tables if table.kind == "photos" and table.is_of(name, pretrained)), None
    )
    present = {kind: _present_name(tables, kind, identity) for kind in _KINDS}
    if not present["photos"]:
        unidentified = _unidentified_photos(tables, name, pretrained, expected)
        if unidentified:
            retired = unidentified.replace("photos", "retired", 1)
            return {"photos": (unidentified, unidentified), "retired": (retired, retired)}
    wanted = {kind: table_name(kind, identity) if identity else "" for kind in _KINDS}
    return {kind: (present[kind] or wanted[kind], wanted[kind]) for kind in _KINDS}


def former_tables(folder: Path, own: Container[Path]) -> list[TableStats]:
    """Return the stats of all tables of models except these folders; nothing removes them."""
    return [
        TableStats(entry.name.removesuffix(_SUFFIX), size(entry), former=True)
        for entry, _ in _entries(folder)
        if entry not in own
    ]


def photos_of_models(folder: Path) -> dict[ModelName, int]:
    """Return the models that have photos here, with the bytes of all their tables. Raises StoreError."""
    tables = [table for table in find_tables(folder) if table.identity is not None]
    models = dict.fromkeys((table.model for table in tables if table.kind == "photos" and table.holds_rows), 0)
    for table in tables:
        if table.model in models:
            models[table.model] += size(folder / f"{table.name}{_SUFFIX}")
    return models


def remove_model(folder: Path, model: ModelName, own: Container[Path]) -> int:
    """Delete the tables of a model except these folders, and return how many bytes they took. Raises StoreError."""
    freed = 0
    for table in find_tables(folder):
        path = folder / f"{table.name}{_SUFFIX}"
        if table.is_of(model.name, model.pretrained) and path not in own:
            freed += size(path)
            _remove(path)
    return freed


def discard_model(folder: Path, *, name: str, pretrained: str) -> None:
    """Delete this model's photos and all failures, so that the next start embeds every photo anew. Raises StoreError.

    No table has to open for that. What cannot say whose it is goes, too, where its name is this model's. Other models'
    tables stay, and so does what is known of the disks, which protects their photos.
    """
    if not folder.is_dir():
        _remove(folder)
    gone = [
        table.name
        for table in find_tables(folder)
        if table.is_of(name, pretrained) or table.may_be_of(name, pretrained)
    ]
    try:
        Table(folder=folder, name="volumes", kind="volumes").refuse_newer()
    except StoreError:
        gone.append("volumes")
    for table in (*gone, "errors"):
        _remove(folder / f"{table}{_SUFFIX}")


def _present_name(tables: Iterable[ModelTable], kind: TableKind, identity: ModelIdentity | None) -> str:
    """Return the name that the table of this identity has now, "" where there is none."""
    if identity is None:
        return ""
    names = [table.name for table in tables if table.kind == kind and table.identity == identity]
    wanted = table_name(kind, identity)
    return wanted if wanted in names else next(iter(names), "")


def _unidentified_photos(
    tables: Iterable[ModelTable], name: str, pretrained: str, expected: ModelIdentity | None
) -> str:
    """Return the table of photos that is this model's by its name alone, "" where there is none.

    Where the identity is `expected`, that can only be a table named by an older phsearch.
    """
    found = [table for table in tables if table.kind == "photos" and table.may_be_of(name, pretrained)]
    if expected is not None:
        found = [table for table in found if table.name == former_name("photos", name, pretrained)]
    # An empty one, whose making was cut short, hides no other.
    return max(found, key=lambda table: table.holds_rows).name if found else ""


def _entries(folder: Path) -> Iterator[tuple[Path, TableKind]]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for entry in sorted(folder.iterdir()):
            for kind in _KINDS:
                if entry.name.startswith(f"{kind}_") and entry.suffix == _SUFFIX:
                    yield entry, kind


def _model_table(entry: Path, kind: TableKind) -> ModelTable:
    files = TableFiles(entry)
    identity, written = None, 0
    # A table that cannot be reached may be another model's, which must not hold up this one.
    with contextlib.suppress(OSError):
        for manifest in files.manifests():
            written = max(written, manifest.stat().st_mtime_ns)
            identity = arrow_rows.identity_in_manifest(manifest.read_bytes())
            if identity is not None:
                break
    return ModelTable(name=entry.stem, kind=kind, identity=identity, written=written, holds_rows=files.holds_rows())


def _remove(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove the index in {path}: {error.strerror}", "remove it by hand") from error
