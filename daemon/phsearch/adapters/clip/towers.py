"""The two halves of CLIP at work: pictures or words in, unit vectors out, at the precision that is fastest here.

Weights are cast, not the context: on CPUs autocast converts every weight at every call and is slower than float32.
Outputs are brought to float32 before they are normalised, since bfloat16 norms miss one by up to 0.3 %.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from phsearch.domain.types import DeviceChoice
from phsearch.errors import ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phsearch.adapters.clip.loader import LoadedTower
    from phsearch.domain.types import Pixels, Vectors

# Which device the model runs on, and why it is not a better one.


_PIP_UPGRADE = "pip install --upgrade torch torchvision"


def choose_device(wanted: str, dev: Path = Path("/dev")) -> tuple[torch.device, DeviceChoice]:
    """Give the device to use and why; "auto" is the first CUDA device where there is one."""
    if wanted != "auto":
        return torch.device(wanted), DeviceChoice(device="as model.device says")
    if torch.cuda.is_available():
        return torch.device("cuda"), DeviceChoice(device=f"the first CUDA device, {torch.cuda.get_device_name(0)}")
    why, remedy = _why_no_cuda()
    # Where there is no such device at all, there is nothing to remedy.
    here = any(dev.glob("nvidia[0-9]*"))
    if here:
        why = f"there is an NVIDIA device, but {why}"
    return torch.device("cpu"), DeviceChoice(device=why, remedy=remedy if here else "")


def _why_no_cuda() -> tuple[str, str]:
    if not torch.version.cuda:
        why = f"no CUDA device can be used: torch {torch.__version__} is built without CUDA"
        return why, f"{_PIP_UPGRADE}, in phsearch's environment"
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split()).split(". ")[0][:160]
        if "too old" in reason:
            return (
                f"its driver is too old: {reason}",
                "update the NVIDIA driver, or install a torch for the one you have",
            )
        return f"no CUDA device can be used: {reason}", "nvidia-smi says whether the driver works"
    return "no CUDA device is visible", "nvidia-smi says whether the driver works; see CUDA_VISIBLE_DEVICES, too"


_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_MIN_SPEEDUP = 1.15
_MIN_COSINE = 0.998
_BATCH_SIZES = {"cpu": 16, "cuda": 128}


class OpenClipImageTower:
    """Embeds pictures in batches that fit the device's memory."""

    def __init__(
        self, bundle: LoadedTower, device: str, precision: str, batch_size: int = 0, gpu_memory_mb: int = 0
    ) -> None:
        """Put the tower on its device, where it may take `gpu_memory_mb`; 0 sets no bound.

        Raises ModelUnavailableError when not even one picture can be embedded within that.
        """
        self.device, self.device_choice = choose_device(device)
        capped = self.device.type == "cuda" and gpu_memory_mb > 0
        if capped:
            _limit_gpu_memory(self.device, gpu_memory_mb)
        try:
            self._load(bundle, precision, batch_size)
            if capped:
                # Otherwise each photo would be told that it does not fit.
                self._forward([np.zeros((bundle.preprocess.height, bundle.preprocess.width, 3), np.uint8)])
        except torch.OutOfMemoryError as error:
            if not capped:
                raise
            raise ModelUnavailableError(
                f'the model "{bundle.identity.name}" does not fit into model.gpu_memory_mb = {gpu_memory_mb}',
                'raise it, or set it to 0 for no bound, or model.device to "cpu"',
            ) from error

    def _load(self, bundle: LoadedTower, precision: str, batch_size: int) -> None:
        self.batch_size = batch_size or _BATCH_SIZES[self.device.type]
        self._model = bundle.model.to(self.device)
        size = (bundle.preprocess.height, bundle.preprocess.width)
        # (x / 255 - mean) / std with one multiplication and one subtraction, on the device.
        std = torch.tensor(bundle.std, device=self.device)
        self._scale = (1 / (255 * std)).view(1, 3, 1, 1)
        self._shift = (torch.tensor(bundle.mean, device=self.device) / std).view(1, 3, 1, 1)
        self.precision = "fp32"
        probe = np.random.default_rng(0).integers(0, 256, (4, *size, 3), np.uint8)
        self._set_precision(precision, lambda: self._forward(list(probe)))

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        """Embed preprocessed pictures of one size: [n][height, width, 3] uint8 -> [n, dim] unit rows.

        When memory runs out the batch is halved, now and from now on; a single picture that does not fit raises.
        """
        done: list[Vectors] = []
        start = 0
        while start < len(pixels):
            batch = pixels[start : start + self.batch_size]
            try:
                done.append(self._forward(batch))
            except (torch.OutOfMemoryError, MemoryError):
                self._halve(len(batch))
            except RuntimeError as error:
                if "allocate memory" not in str(error):
                    raise
                self._halve(len(batch))
            else:
                start += len(batch)
        return np.concatenate(done)

    def _halve(self, tried: int) -> None:
        if tried == 1:
            raise MemoryError("not enough memory for a single picture")
        self.batch_size = tried // 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _forward(self, pixels: Sequence[Pixels]) -> Vectors:
        batch = torch.from_numpy(np.stack(pixels))
        if self.device.type == "cuda":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        # The permuted view is already "channels last", which convolutions like best.
        values = batch.permute(0, 3, 1, 2).float() * self._scale - self._shift
        return _normalize(self._model.encode_image(values.to(_DTYPES[self.precision])))

    def _set_precision(self, wanted: str, forward: Callable[[], Vectors]) -> None:
        _set_precision(self, self._model, wanted, forward)


def _limit_gpu_memory(device: torch.device, megabytes: int) -> None:
    """Bound what this process may take of a GPU's memory, beside the CUDA context itself, which has no bound."""
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(megabytes * (1 << 20) / total, 1.0), device.index)


class OpenClipTextTower:
    """Embeds queries."""

    def __init__(self, bundle: LoadedTower, device: str, precision: str) -> None:
        self.device, self.device_choice = choose_device(device)
        self._model = bundle.model.to(self.device)
        self._tokenizer = bundle.tokenizer
        self.precision = "fp32"
        _set_precision(self, self._model, precision, lambda: self.embed(["a photo of a dog on a beach"]))

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: n strings -> [n, dim] unit rows."""
        tokens = self._tokenizer(list(texts)).to(self.device)
        return _normalize(self._model.encode_text(tokens))


def _set_precision(tower: Any, model: torch.nn.Module, wanted: str, forward: Callable[[], Vectors]) -> None:
    """Cast the model: as told, or on "auto" to what is faster here and gives the same answers."""
    if wanted != "auto":
        tower.precision, why = wanted, "as model.precision says"
        model.to(_DTYPES[wanted])
    elif tower.device.type == "cuda":
        tower.precision, why = "fp16", "half precision is a GPU's quickest"
        model.to(torch.float16)
    else:
        tower.precision, why = _choose_by_measurement(tower, model, forward)
    tower.device_choice = replace(tower.device_choice, precision=why)


def _choose_by_measurement(tower: Any, model: torch.nn.Module, forward: Callable[[], Vectors]) -> tuple[str, str]:
    """Cast a CPU's model to bfloat16 if that is worthwhile; gives the precision and why it is that."""
    slow, reference = _time_forward(forward)
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    tower.precision = "bf16"
    try:
        model.to(torch.bfloat16)
        fast, vectors = _time_forward(forward)
    except RuntimeError:
        why = "this processor has no bfloat16 for each operator of the model"
    else:
        likeness = float((vectors * reference).sum(axis=1).min())
        gain = f"{slow / fast:.1f} times as fast as fp32"
        if slow / fast >= _MIN_SPEEDUP and likeness >= _MIN_COSINE:
            return "bf16", f"measured {gain} on this processor"
        why = f"bf16 is only {gain} on this processor, as measured"
        if likeness < _MIN_COSINE:
            why = f"bf16 gives other answers, as measured (cosine {likeness:.4f})"
    model.to(torch.float32)
    model.load_state_dict(state)
    return "fp32", why


def _time_forward(forward: Callable[[], Vectors]) -> tuple[float, Vectors]:
    vectors = forward()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        forward()
        times.append(time.perf_counter() - start)
    return min(times), vectors


def _normalize(output: torch.Tensor) -> Vectors:
    vectors = torch.nn.functional.normalize(output.float(), dim=-1)
    return vectors.cpu().numpy()
