"""Views of a photo: the plain one that indexing uses, and random ones for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image
from torchvision.transforms import v2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    View = Callable[[Image.Image], Image.Image]

MEAN = 127 / 255
STD = 128 / 255


@dataclass(frozen=True)
class Augmentation:
    """The limits of the random changes in a view.

    The hue is not changed: people search for "a red car".
    """

    size: int = 224
    smallest_crop: float = 0.5
    jitter: float = 0.25


def plain_view(size: int) -> View:
    """Return the view that indexing uses: the whole photo, squashed to a square."""
    view: View = v2.Resize((size, size), interpolation=v2.InterpolationMode.BICUBIC)
    return view


def centre_view(size: int) -> View:
    """Return the largest centred square of the photo."""
    view: View = v2.Compose([v2.Resize(size, interpolation=v2.InterpolationMode.BICUBIC), v2.CenterCrop(size)])
    return view


def random_view(settings: Augmentation) -> View:
    """Return a random crop of random proportions, mirrored half of the time."""
    view: View = v2.Compose(
        [
            v2.RandomResizedCrop(
                settings.size,
                scale=(settings.smallest_crop, 1.0),
                interpolation=v2.InterpolationMode.BICUBIC,
            ),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(settings.jitter, settings.jitter, settings.jitter),
        ]
    )
    return view


def load(path: Path) -> Image.Image:
    """Open a photo as RGB."""
    with Image.open(path) as image:
        return image.convert("RGB")


def to_tensor(image: Image.Image) -> Tensor:
    """Scale pixels as EfficientNet-Lite expects them: ``(x - 127) / 128``."""
    scaled: Tensor = (v2.functional.pil_to_tensor(image).float() - 127) / 128
    return scaled
