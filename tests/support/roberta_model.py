"""A tiny model whose text tower is an XLM-RoBERTa of the hub, as a `local-dir`, like those of LAION.

    python tests/support/roberta_model.py DIR

open_clip_config.json names the tower "tiny/roberta", and config.json is what the hub would have of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

NAME = "tiny/roberta"
WORDS = ["<s>", "<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz", "<mask>"]
CONFIG = {
    "model_type": "xlm-roberta",
    "architectures": ["XLMRobertaModel"],
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 32,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "type_vocab_size": 1,
}


def save(folder: Path) -> None:
    """Write the model to `folder`."""
    import torch  # noqa: PLC0415 - only the process that makes the model needs it
    from safetensors.torch import save_file  # noqa: PLC0415
    from tokenizers import Tokenizer, models, pre_tokenizers, processors  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    from phsearch.adapters.clip.open_clip_library import open_clip  # noqa: PLC0415
    from support.tiny_model import CONFIG as TINY  # noqa: PLC0415

    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    special = {
        "bos": "<s>",
        "pad": "<pad>",
        "eos": "</s>",
        "unk": "<unk>",
        "mask": "<mask>",
        "cls": "<s>",
        "sep": "</s>",
    }
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, **{f"{key}_token": word for key, word in special.items()}
    ).save_pretrained(folder)
    config: dict[str, Any] = json.loads(json.dumps(TINY))
    text = {
        "hf_model_name": str(folder),
        "hf_model_pretrained": False,
        "hf_tokenizer_name": NAME,
        "hf_proj_type": "mlp",
        "hf_pooler_type": "mean_pooler",
        "context_length": 16,
    }
    torch.manual_seed(1)
    model = open_clip.CustomTextCLIP(16, config["model_cfg"]["vision_cfg"], text)
    config["model_cfg"] |= {"text_cfg": text | {"hf_model_name": NAME}, "custom_text": True}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    save(Path(sys.argv[1]))
