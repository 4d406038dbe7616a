"""The two towers of CLIP: they turn pictures or texts into unit vectors.

Outputs are converted to float32 before they are normalised: the norms of bfloat16 vectors miss 1 by up to 0.3 %.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from phsearch.adapters.clip.device import choose_device, limit_gpu_memory
from phsearch.adapters.clip.precision import DTYPES, cast_model
from phsearch.domain.fitting_batches import FittingBatches
from phsearch.domain.types import DeviceChoice
from phsearch.errors import ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.adapters.clip.loader import LoadedTower
    from phsearch.domain.types import Pixels, Vectors

_BATCH_SIZES = {"cpu": 16, "cuda": 128}


class OpenClipImageTower:
    """Embeds pictures in batches that fit into the device's memory."""

    runtime = f"torch {torch.__version__}"

    def __init__(
        self,
        bundle: LoadedTower,
        *,
        device: str,
        precision: str,
        why: DeviceChoice = DeviceChoice(),  # noqa: B008 - frozen
        batch_size: int = 0,
        gpu_memory_mb: int = 0,
    ) -> None:
        """Move the tower to its device, where it may use `gpu_memory_mb`; 0 sets no limit.

        `why` says why it is torch, and why this device where that is known. Raises ModelUnavailableError if not even
        one picture can be embedded within that memory.
        """
        self.info = bundle.info
        self._place, chosen = choose_device(device)
        self.device_choice = why if why.device else replace(chosen, runtime=why.runtime)
        self.device = str(self._place)
        limited = self._place.type == "cuda" and gpu_memory_mb > 0
        if limited:
            limit_gpu_memory(self._place, gpu_memory_mb)
        try:
            self._load(bundle, precision, batch_size)
            if limited:
                # Fail here and not once for each photo.
                self._forward(
                    [np.zeros((bundle.info.preprocess.height, bundle.info.preprocess.width, 3), np.uint8)],
                    self.precision,
                )
        except torch.OutOfMemoryError as error:
            if not limited:
                raise
            raise ModelUnavailableError(
                f'the model "{bundle.info.identity.name}" does not fit into model.gpu_memory_mb = {gpu_memory_mb}',
                'raise it, or set it to 0 for no bound, or model.device to "cpu"',
            ) from error

    def embed(self, pixels: Sequence[Pixels]) -> Vectors:
        """Embed preprocessed pictures of one size: [n][height, width, 3] uint8 -> [n, dim] unit rows.

        When memory runs out, the batch size is halved, also for later calls. Raises MemoryError if a single picture
        does not fit.
        """
        return self._batches.embed_all(pixels, self._forward_or_memory_error)

    @property
    def batch_size(self) -> int:
        """How many pictures are embedded at once."""
        return self._batches.size

    def _load(self, bundle: LoadedTower, precision: str, batch_size: int) -> None:
        self._batches = FittingBatches(batch_size or _BATCH_SIZES[self._place.type])
        self._model = bundle.model.to(self._place)
        # (x / 255 - mean) / std with one multiplication and one subtraction, on the device.
        std = torch.tensor(bundle.std, device=self._place)
        self._scale = (1 / (255 * std)).view(1, 3, 1, 1)
        self._shift = (torch.tensor(bundle.mean, device=self._place) / std).view(1, 3, 1, 1)
        size = (bundle.info.preprocess.height, bundle.info.preprocess.width)
        example = list(np.random.default_rng(0).integers(0, 256, (4, *size, 3), np.uint8))
        self.precision, why = cast_model(self._model, self._place, precision, lambda name: self._forward(example, name))
        self.device_choice = replace(self.device_choice, precision=why)

    def _forward_or_memory_error(self, pixels: Sequence[Pixels]) -> Vectors:
        try:
            return self._forward(pixels, self.precision)
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
                raise
            if self._place.type == "cuda":
                torch.cuda.empty_cache()
            raise MemoryError(str(error)) from error

    @torch.inference_mode()
    def _forward(self, pixels: Sequence[Pixels], precision: str) -> Vectors:
        batch = torch.from_numpy(np.stack(pixels))
        if self._place.type == "cuda":
            batch = batch.pin_memory().to(self._place, non_blocking=True)
        # The permuted view is already "channels last", the layout that is fastest for convolutions.
        values = batch.permute(0, 3, 1, 2).float() * self._scale - self._shift
        return _normalize(self._model.encode_image(values.to(DTYPES[precision])))


class OpenClipTextTower:
    """Embeds queries."""

    runtime = f"torch {torch.__version__}"

    def __init__(
        self,
        bundle: LoadedTower,
        *,
        device: str,
        precision: str,
        why: DeviceChoice = DeviceChoice(),  # noqa: B008 - frozen
    ) -> None:
        self.info = bundle.info
        self._place, _ = choose_device(device)
        self.device = str(self._place)
        self._model = bundle.model.to(self._place)
        self._tokenizer = bundle.tokenizer
        self.precision, reason = cast_model(
            self._model, self._place, precision, lambda _name: self.embed(["a photo of a dog on a beach"])
        )
        self.device_choice = replace(why, precision=reason)

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: n strings -> [n, dim] unit rows."""
        tokens = self._tokenizer(list(texts)).to(self._place)
        return _normalize(self._model.encode_text(tokens))


def _normalize(output: torch.Tensor) -> Vectors:
    vectors = torch.nn.functional.normalize(output.float(), dim=-1)
    return vectors.cpu().numpy()
