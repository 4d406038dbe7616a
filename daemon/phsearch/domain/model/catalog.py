"""The models that owners choose from: few, each with a reason, and with weights that are there as safetensors.

Sizes are those of the published files. Figures of quality are published ones, except for mini, whose are measured by
`make quality`. The costs are times of the image tower for one photo, in units of mini's: measured in bfloat16, with
random weights, by `worker.probe_device`. By a unit for matrices (AMX, CUDA) transformers gain more than
mini. Memory of text towers is measured, except for the last, whose follows from the number of its parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phsearch.domain.types import ModelName

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROW_BYTES = 180
"""Of a row in the index, without its vector."""
_MATRIX_BYTES = 4
_STORED_BYTES = 2
_PHOTO_MEMORY = 2_700
"""Of a photo in the memory of the daemon, without its vector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogModel:
    """One model to choose. `tower_mb` is what its query worker takes in memory; for the costs see above."""

    model: ModelName
    preset: str = ""
    languages: str
    download_mb: int
    dim: int
    tower_mb: int
    cost: float
    matrix_cost: float
    quality: str

    def disk_mb(self, photos: int) -> float:
        """Return what the index of so many photos takes on the disk, in MB."""
        return index_mb(photos, self.dim)

    def ram_mb(self, photos: int) -> float:
        """Return what the daemon with its query worker takes for so many photos, in MB."""
        return photos * (_MATRIX_BYTES * self.dim + _PHOTO_MEMORY) / 1e6 + self.tower_mb


def index_mb(photos: int, dim: int) -> float:
    """Return what an index takes on the disk, in MB, by a model with so many dimensions."""
    return photos * (_STORED_BYTES * dim + _ROW_BYTES) / 1e6


CATALOG = (
    CatalogModel(
        model=ModelName("mini"),
        preset="fast",
        languages="English",
        download_mb=0,
        dim=384,
        tower_mb=111,
        cost=1.0,
        matrix_cost=1.0,
        quality="Flickr8k R@10 68 %, measured by `make quality`",
    ),
    CatalogModel(
        model=ModelName("ViT-B-32-256", "datacomp_s34b_b86k"),
        preset="balanced",
        languages="English",
        download_mb=606,
        dim=512,
        tower_mb=179,
        cost=5.7,
        matrix_cost=2.8,
        quality="ImageNet 72.8 %, by open_clip's table of results",
    ),
    CatalogModel(
        model=ModelName("ViT-B-32-SigLIP2-256", "webli"),
        preset="multilingual",
        languages="109 languages",
        download_mb=1_510,
        dim=768,
        tower_mb=258,
        cost=5.8,
        matrix_cost=2.9,
        quality="ImageNet 74.0 %, by the paper of SigLIP 2",
    ),
    CatalogModel(
        model=ModelName("ViT-B-16-SigLIP2-256", "webli"),
        languages="109 languages",
        download_mb=1_503,
        dim=768,
        tower_mb=258,
        cost=18.6,
        matrix_cost=9.1,
        quality="ImageNet 79.1 %, by the paper of SigLIP 2",
    ),
    CatalogModel(
        model=ModelName("ViT-L-16-SigLIP2-256", "webli"),
        preset="best",
        languages="109 languages",
        download_mb=3_530,
        dim=1_024,
        tower_mb=620,
        cost=63.0,
        matrix_cost=31.0,
        quality="ImageNet 82.5 %, by the paper of SigLIP 2",
    ),
)

PRESETS: Mapping[str, ModelName] = {each.preset: each.model for each in CATALOG if each.preset}


def find_model(model: ModelName) -> CatalogModel | None:
    """Return what the catalog says of a model, None where it is not in it."""
    return next((each for each in CATALOG if each.model == model), None)


def resolve_name(name: str, pretrained: str) -> ModelName:
    """Return the model that an owner means: a preset, `name/weights`, or a name with its weights.

    A model of the catalog needs no weights. A path of `local-dir:` stays as it is.
    """
    if not pretrained and name in PRESETS:
        return PRESETS[name]
    model, slash, weights = name.partition("/")
    # OpenAI's own names have a slash, too: "ViT-B/32".
    if not pretrained and slash and not name.startswith("local-dir:") and not weights[:1].isdecimal():
        name, pretrained = model, weights
    if not pretrained:
        known = next((each.model for each in CATALOG if each.model.name == name), None)
        return known or ModelName(name)
    return ModelName(name, pretrained)
