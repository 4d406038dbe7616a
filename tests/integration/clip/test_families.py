"""Whatever open_clip calls a model: photos and texts get its own vectors, by both runtimes.

Each family is a small model of its kind with random weights. Vectors of random weights all lie close together, so they
are compared after their mean is taken away.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skimage
from PIL import Image

from phsearch.adapters import openvino
from phsearch.adapters.images import PillowDecoder
from phsearch.domain.types import RuntimePlan
from support.lazy import LazyModule

if TYPE_CHECKING:
    from phsearch.adapters.clip import LoadedTower

torch, safetensors = LazyModule("torch"), LazyModule("safetensors.torch")
clip, library = LazyModule("phsearch.adapters.clip"), LazyModule("phsearch.adapters.clip.open_clip_library")
export = LazyModule("phsearch.adapters.clip.export")

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png")
SIZES = ((230, 180), (180, 230), (224, 224))
TEXTS = ("a dog", "two men play chess under a tree", "snow", "a red car in the city at night", "receipt", "café")
MIN_COSINE = 0.9999


@dataclass(frozen=True, kw_only=True)
class Family:
    """What differs from the plain CLIP."""

    vision: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    preprocess: dict[str, Any] = field(default_factory=dict)
    same_texts: bool = False
    """Whether its text tower is that of the plain CLIP."""


def timm(name: str, *, pool: str = "", projection: str | None = "linear", size: int = 64) -> dict[str, Any]:
    """Return the settings of a tower of timm."""
    return {
        "timm_model_name": name,
        "timm_model_pretrained": False,
        "timm_pool": pool,
        "timm_proj": projection,
        "image_size": size,
    }


TOWER = {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
CUSTOM = {"custom_text": True}
SIGLIP_TEXT = {"no_causal_mask": True, "pool_type": "last", "proj_bias": True}
SQUASHED = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
FAMILIES = {
    "CLIP": Family(vision=TOWER),
    "CLIP with QuickGELU": Family(vision=TOWER, model={"quick_gelu": True}),
    "CLIP ResNet": Family(
        vision={"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
        preprocess={"interpolation": "bilinear"},
        same_texts=True,
    ),
    "ConvNeXt": Family(
        vision=timm("convnext_atto"), preprocess={"resize_mode": "longest", "fill_color": 0}, same_texts=True
    ),
    "SigLIP": Family(
        vision=timm("vit_tiny_patch16_224", pool="map", projection="none", size=224),
        text=SIGLIP_TEXT,
        model=CUSTOM | {"init_logit_bias": -10},
        preprocess=SQUASHED,
    ),
    "MobileCLIP": Family(
        vision=timm("fastvit_t8", pool="avg", projection=None), text={"no_causal_mask": True}, model=CUSTOM
    ),
    "EVA-02": Family(
        vision=timm("eva02_tiny_patch14_224", pool="token", projection=None, size=224), model=CUSTOM, same_texts=True
    ),
    "CoCa": Family(
        vision=TOWER | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        text={"embed_cls": True, "output_tokens": True},
        model=CUSTOM | {"multimodal_cfg": {"context_length": 76, "width": 64, "heads": 2, "layers": 1}},
    ),
    "EfficientNet": Family(
        vision=timm("efficientnet_lite0", pool="avg", projection="linear"), model=CUSTOM, same_texts=True
    ),
    "CLIPA": Family(vision=TOWER | {"pool_type": "avg", "no_ln_pre": True}, text={"pool_type": "last"}, model=CUSTOM),
}


def make(folder: Path, family: Family) -> None:
    """Write a small model with random weights, whose batch norms have seen pictures."""
    model_cfg: dict[str, Any] = {
        "embed_dim": 64,
        "vision_cfg": family.vision,
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2} | family.text,
    } | family.model
    preprocess: dict[str, Any] = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]} | family.preprocess
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess}
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    model = library.open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    size = family.vision["image_size"]
    with torch.no_grad():
        model.train().encode_image(torch.randn(4, 3, size, size))
    safetensors.save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return photos that are decoded whole: how drafts differ is another test's."""
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for number, name in enumerate(PHOTOS):
        with Image.open(Path(skimage.__file__).parent / "data" / name) as im:
            paths.append(folder / name)
            im.convert("RGB").resize(SIZES[number % len(SIZES)]).save(paths[-1])
    return paths


@pytest.mark.parametrize("name", FAMILIES)
def test_vectors_are_those_of_open_clip(name: str, photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    make(folder, FAMILIES[name])
    wanted_photos, wanted_texts = open_clips_own(folder, photos)
    loaded: LoadedTower = clip.load_tower(f"local-dir:{folder}", "", "both")
    assert loaded.weights is not None
    decoder, plan = PillowDecoder(1_000_000), RuntimePlan.plain("")
    pixels = [decoder.decode(str(photo), loaded.info.preprocess).pixels for photo in photos]
    graph = openvino.compile_graph(export.export_image(loaded, loaded.weights), loaded.weights, plan)
    assert lowest_cosine(graph({0: np.stack(pixels)})[0], wanted_photos) >= MIN_COSINE
    by_torch = clip.OpenClipImageTower(loaded, device="cpu", precision="fp32").embed(pixels)
    assert lowest_cosine(by_torch, wanted_photos) >= MIN_COSINE
    if not FAMILIES[name].same_texts:
        graph = openvino.compile_graph(export.export_text(loaded, loaded.weights, short=False), loaded.weights, plan)
        assert lowest_cosine(graph({0: loaded.tokenizer(list(TEXTS)).numpy()})[0], wanted_texts) >= MIN_COSINE
        by_torch = clip.OpenClipTextTower(loaded, device="cpu", precision="fp32").embed(TEXTS)
        assert lowest_cosine(by_torch, wanted_texts) >= MIN_COSINE


def open_clips_own(folder: Path, photos: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of photos and texts by nothing but open_clip."""
    source = f"local-dir:{folder}"
    model, _, preprocess = library.open_clip.create_model_and_transforms(source)
    pictures = []
    for photo in photos:
        with Image.open(photo) as im:
            pictures.append(preprocess(im))
    ids = library.open_clip.get_tokenizer(source)(list(TEXTS))
    with torch.inference_mode():
        model = model.eval()
        return model.encode_image(torch.stack(pictures)).numpy(), model.encode_text(ids).numpy()


def lowest_cosine(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the lowest cosine of vectors, [n, dim], after the mean is taken away."""
    wanted = unit(wanted)
    mean = wanted.mean(axis=0)
    return float((unit(found - mean) * unit(wanted - mean)).sum(axis=1).min())


def unit(vectors: np.ndarray) -> np.ndarray:
    of_length_one: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return of_length_one
