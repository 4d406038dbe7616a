"""Exported tokenizers give the ids of open_clip's own, for any text that somebody may type."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

import phsearch
from phsearch.adapters.openvino.tokenizer import GraphTokenizer
from support.lazy import LazyModule
from support.time_limits import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

byte_pairs = LazyModule("phsearch.adapters.clip.byte_pairs")
exact_scores = LazyModule("phsearch.adapters.clip.exact_scores")
loader = LazyModule("phsearch.adapters.clip.loader")
tokenizer_export = LazyModule("phsearch.adapters.clip.tokenizer_export")
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
MINI = Path(str(files(phsearch))) / "models" / "mini"
HEAVY = {"torch", "torchvision", "timm", "transformers", "open_clip", "huggingface_hub"}
SCRIPTS = [
    (0x20, 0x7E),
    (0xA0, 0x24F),
    (0x300, 0x3FF),
    (0x400, 0x52F),
    (0x531, 0x6FF),
    (0x900, 0xDFF),
    (0xE01, 0x11FF),
    (0x1E00, 0x20CF),
    (0x2100, 0x2BFF),
    (0x3000, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0xF900, 0xFFFF),
    (0x1F1E6, 0x1FAFF),
    (0x0, 0x10FFFF),
]
MARKUP = [
    "&amp;",
    "&amp;lt;",
    "&#x1F600;",
    "<b>",
    "</s>",
    "[SEP]",
    "<end_of_text>",
    "\u200d",
    "\ufe0f",
    "'s",
    "_",
    "\n",
]


@cache
def phrases() -> list[str]:
    """Return 10,000 random phrases of words of twelve scripts, emoji and markup; one in twenty exceeds every limit."""
    rng = random.Random(11)
    return [_phrase(rng, rng.randint(1, 8) if number % 20 else 50) for number in range(10_000)]


def _phrase(rng: random.Random, words: int) -> str:
    home = rng.choice(SCRIPTS)
    return rng.choice([" ", " ", " ", "", ", "]).join(_word(rng, home) for _ in range(words))


def _word(rng: random.Random, home: tuple[int, int]) -> str:
    if rng.random() < 0.1:
        return rng.choice(MARKUP)
    first, last = home if rng.random() < 0.7 else rng.choice(SCRIPTS)
    word = "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 6)))
    return word.encode("utf-8", "ignore").decode()


def captions() -> list[str]:
    """Return captions of photos, where this machine has some."""
    lines = [
        line for file in sorted(DATA.glob("*/captions.tsv")) for line in file.read_text().splitlines() if "\t" in line
    ]
    return [line.split("\t")[1] for line in lines[:3000]]


@cache
def exported(tokenizer: Any) -> GraphTokenizer:
    """Return what a process without torch has of a tokenizer."""
    export = tokenizer_export.export_tokenizer(tokenizer)
    assert isinstance(export, tokenizer_export.ExportedTokenizer), export
    return GraphTokenizer(export.json, json.loads(json.dumps(export.settings)))


def assert_equal(tokenizer: Any, texts: list[str]) -> None:
    same = (tokenizer(texts).numpy() == exported(tokenizer).encode(texts)).all(axis=1)
    assert [ascii(text) for text, is_same in zip(texts, same, strict=True) if not is_same] == []


@cache
def mini() -> Any:
    return loader.open_clip.get_tokenizer(f"local-dir:{MINI}")


@cache
def clip() -> Any:
    return loader.open_clip.get_tokenizer("ViT-B-32")


# One for each form of tokenizer.json that open_clip's models use: T5 (SigLIP), XLM-R, Gemma (SigLIP 2), RoBERTa, BERT.


def unigram(begin: str, normalizer: Any) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = [begin, "<pad>", "</s>", "<unk>"] if begin else ["<pad>", "</s>", "<unk>"]
    return trained(
        tokenizer, trainers.UnigramTrainer(vocab_size=600, special_tokens=special, unk_token="<unk>"), begin, "</s>"
    )


def byte_fallback() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    return trained(tokenizer, trainers.BpeTrainer(vocab_size=1500, special_tokens=special), "", "<eos>")


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    return trained(tokenizer, trainer, "<s>", "</s>")


def word_pieces() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return trained(tokenizer, trainers.WordPieceTrainer(vocab_size=900, special_tokens=special), "[CLS]", "[SEP]")


def trained(tokenizer: Tokenizer, trainer: Any, begin: str, end: str) -> Tokenizer:
    from phsearch.adapters.clip import tokenizer_phrases  # noqa: PLC0415 - see LazyModule

    trainer.show_progress = False
    tokenizer.train_from_iterator(tokenizer_phrases._SENTENCES * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}".strip(),
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (begin, end) if token],
    )
    return tokenizer


BLANKS = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
T5 = {"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
ROBERTA = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
}
GEMMA = {
    "tokenizer_class": "GemmaTokenizer",
    "add_bos_token": False,
    "add_eos_token": True,
    "padding_side": "right",
    "bos_token": "<bos>",
    "eos_token": "<eos>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
}
BERT = {
    "tokenizer_class": "BertTokenizer",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}
PLAIN = {"tokenizer_class": "PreTrainedTokenizerFast", **ROBERTA}


def from_hub(folder: Path, tokenizer: Tokenizer, config: dict[str, Any], **options: Any) -> Any:
    """Return open_clip's tokenizer of a folder with the files of a repository of the hub."""
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 512, **config}))
    return loader.open_clip.tokenizer.HFTokenizer(str(folder), **options)


@pytest.mark.parametrize("tokenizer", [clip, mini])
def test_ten_thousand_phrases_have_the_ids_of_open_clip(tokenizer: Callable[[], Any]) -> None:
    assert_equal(tokenizer(), phrases())


@pytest.mark.skipif(not captions(), reason="there are no captions here")
@pytest.mark.parametrize("tokenizer", [clip, mini])
def test_captions_have_the_ids_of_open_clip(tokenizer: Callable[[], Any]) -> None:
    assert_equal(tokenizer(), captions())


@pytest.mark.parametrize("clean", ["lower", "whitespace", "canonicalize"])
def test_every_cleaning_of_open_clip_is_known(clean: str) -> None:
    assert_equal(loader.open_clip.get_tokenizer(f"local-dir:{MINI}", clean=clean), phrases()[:1000])


@pytest.mark.parametrize(
    ("make", "config", "options"),
    [
        (lambda: unigram("", BLANKS), T5, {"clean": "canonicalize", "context_length": 64}),
        (lambda: unigram("", BLANKS), T5, {"context_length": 16}),
        (lambda: unigram("<s>", BLANKS), {"tokenizer_class": "XLMRobertaTokenizer", **ROBERTA}, {}),
        (lambda: unigram("<s>", BLANKS), {"tokenizer_class": "NllbTokenizer", **ROBERTA}, {}),
        (byte_fallback, GEMMA, {"clean": "canonicalize", "context_length": 64}),
        (byte_level, {"tokenizer_class": "RobertaTokenizer", **ROBERTA}, {}),
        (word_pieces, BERT, {"context_length": 32, "strip_sep_token": True}),
        (byte_level, {**PLAIN, "padding_side": "left", "truncation_side": "left"}, {}),
        (byte_level, {**PLAIN, "split_special_tokens": True}, {}),
    ],
    ids=["SigLIP", "mT5", "XLM-R", "NLLB", "SigLIP 2", "RoBERTa", "CLIPA", "from the left", "literals are text"],
)
def test_tokenizers_from_the_hub_keep_their_ids(
    make: Callable[[], Tokenizer], config: dict[str, Any], options: dict[str, Any], tmp_path: Path
) -> None:
    assert_equal(from_hub(tmp_path, make(), config, **options), phrases()[:2000])


def test_a_special_token_typed_into_a_query_of_clip_is_what_open_clip_makes_of_it() -> None:
    literals = ["<end_of_text>", "a <start_of_text> b", "'s<end_of_text>", "!<end_of_text>", "<\u017ftart_of_text>"]
    texts = [
        form for text in literals for form in (text, text.upper(), f"x{text}y", f"!{text}", text * 3, f"{text} " * 60)
    ]
    assert_equal(clip(), texts)
    assert exported(clip()).encode(texts).max() == clip().eot_token_id


def test_every_character_is_split_as_open_clip_splits_it() -> None:
    planes = [*range(0xD800), *range(0xE000, 0x20000), *range(0x2A6D0, 0x34000), *range(0xE0000, 0xE0200)]
    fast = Tokenizer.from_str(byte_pairs.convert_byte_pairs(clip()).to_str())
    byte_encoder = clip().byte_encoder
    for start in range(0, len(planes), 100):
        # Cleaning would change some of them, so the split is tested alone.
        text = "".join(f"a{chr(code)}1{chr(code)}" for code in planes[start : start + 100])
        words = ["".join(byte_encoder[byte] for byte in word.encode()) for word in clip().pat.findall(text)]
        assert [word for word, _ in fast.pre_tokenizer.pre_tokenize_str(text)] == words


def test_a_batch_of_short_texts_may_be_narrower() -> None:
    fast = exported(mini())
    texts = ["a dog", "", "a photo of a dog on a beach in the evening"]
    whole = fast.encode(texts)
    assert whole.shape == (3, 32)
    assert whole.dtype == np.int64
    assert np.array_equal(fast.encode(texts, widths=(8, 16, 32)), whole[:, :16])
    assert np.array_equal(fast.encode(texts[:2], widths=(16, 8)), whole[:2, :8])
    assert np.array_equal(fast.encode(texts[:2], widths=(4, 3)), whole[:2, :4])
    assert np.array_equal(fast.encode(texts, widths=(8,)), whole)
    assert fast.encode(["dog " * 100], widths=(8, 16, 32)).shape == (1, 32)
    assert fast.encode([], widths=(8,)).shape == (0, 32)


def test_padding_on_the_left_is_kept(tmp_path: Path) -> None:
    fast = exported(from_hub(tmp_path, byte_level(), {**PLAIN, "padding_side": "left"}))
    assert np.array_equal(fast.encode(["a dog"], widths=(8, 16)), fast.encode(["a dog"]))


@pytest.mark.parametrize(
    ("tokenizer", "why"),
    [
        (object, "unknown"),
        (lambda: loader.open_clip.tokenizer.SimpleTokenizer(reduction_mask="random"), "reduction mask"),
        (lambda: loader.open_clip.tokenizer.SimpleTokenizer(clean="whitespace"), "makes other tokens of '<"),
    ],
)
def test_what_cannot_be_exported_is_said(tokenizer: Callable[[], Any], why: str) -> None:
    reason = tokenizer_export.export_tokenizer(tokenizer())
    assert isinstance(reason, str)
    assert why in reason


def test_a_tokenizer_of_the_hub_that_cannot_be_exported_is_said(tmp_path: Path) -> None:
    without_padding = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"}
    assert "padding token" in str(tokenizer_export.export_tokenizer(from_hub(tmp_path, byte_level(), without_padding)))
    with_mode = loader.open_clip.get_tokenizer(f"local-dir:{MINI}")
    with_mode.tokenizer_mode = "clips"
    assert tokenizer_export.export_tokenizer(with_mode) == 'the tokenizer has the mode "clips"'
    slow = loader.open_clip.get_tokenizer(f"local-dir:{MINI}")
    slow.tokenizer = __import__("transformers").ByT5Tokenizer()
    assert tokenizer_export.export_tokenizer(slow) == "the tokenizer ByT5Tokenizer has no fast form"


def test_a_tokenizer_that_splits_otherwise_is_not_replaced() -> None:
    odd = loader.open_clip.tokenizer.SimpleTokenizer()
    odd.pat = loader.open_clip.tokenizer.re.compile(odd.pat.pattern.replace(r"[\p{N}]", r"[\p{N}]+"))
    assert "makes other tokens" in str(tokenizer_export.export_tokenizer(odd))


def test_scores_come_back_to_the_last_bit() -> None:
    rng = np.random.default_rng(4)
    scores = [float(score) for score in rng.uniform(-20, -2, 5000).astype(np.float32)]
    assert [float(exact_scores.exact_decimal(score)) for score in scores] == scores
    pieces = [(f"é{number}", score) for number, score in enumerate(scores)]
    read = Tokenizer.from_str(exact_scores.write_exactly(Tokenizer(models.Unigram(pieces, unk_id=0))))
    back = json.loads(read.to_str())["model"]["vocab"]
    assert [piece for piece, _ in back] == [piece for piece, _ in pieces]
    assert sum(a != b for a, (_, b) in zip(scores, back, strict=True)) < 10


def test_a_damaged_tokenizer_is_a_value_error(tmp_path: Path) -> None:
    export = tokenizer_export.export_tokenizer(mini())
    assert isinstance(export, tokenizer_export.ExportedTokenizer)
    file = tmp_path / "tokenizer.json"
    file.write_text(export.json[: len(export.json) // 2])
    with pytest.raises(ValueError, match=r"not a tokenizer\.json"):
        GraphTokenizer(file, export.settings)
    with pytest.raises(ValueError, match=r"not a tokenizer\.json"):
        GraphTokenizer("", export.settings)


@pytest.mark.parametrize("tokenizer", [clip, mini])
def test_a_process_that_tokenizes_imports_no_machine_learning(tokenizer: Callable[[], Any], tmp_path: Path) -> None:
    export = tokenizer_export.export_tokenizer(tokenizer())
    assert isinstance(export, tokenizer_export.ExportedTokenizer)
    (tmp_path / "tokenizer.json").write_text(export.json)
    texts = ["a dog", "cafe\u0301 &amp; 犬 🐶"]
    code = f"""if True:
        import json, os, sys
        from pathlib import Path
        from phsearch.adapters.openvino.tokenizer import GraphTokenizer
        tokenizer = GraphTokenizer(Path("tokenizer.json"), {export.settings!r})
        ids = tokenizer.encode({texts!a}).tolist()
        print(json.dumps([ids, sorted(sys.modules), len(os.listdir("/proc/self/task"))]))
    """
    env = {"PYTHONPATH": str(Path(phsearch.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=scaled(60),
    )
    ids, modules, threads = json.loads(run.stdout)
    assert ids == tokenizer()(texts).tolist()
    assert not HEAVY.intersection(modules)
    assert threads == 1
