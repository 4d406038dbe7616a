"""Pictures that the photo collections do not have: screenshots, receipts, pages, coins, the moon.

People have them in their folders, but no collection has captions for them.  They are drawn here
with Pillow, each with the sentences that people might search for.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.drawn import papers, scenes

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image


@dataclass(frozen=True)
class DrawnPicture:
    """A rendered picture and its content."""

    kind: str
    image: Image.Image
    captions: tuple[str, ...]


KINDS: dict[str, tuple[Callable[[random.Random], Image.Image], tuple[str, ...]]] = {
    "screenshot": (
        papers.computer_screenshot,
        (
            "a screenshot of a computer desktop with open windows",
            "screenshot",
            "a screen capture of a program with menus and buttons",
            "computer screen with text",
            "a screenshot of a web page",
        ),
    ),
    "phone screenshot": (
        papers.phone_screenshot,
        (
            "a screenshot of a chat on a phone",
            "screenshot of messages",
            "phone screenshot",
            "a screenshot of a text message conversation",
            "a mobile app",
        ),
    ),
    "receipt": (
        papers.receipt,
        (
            "a receipt from a shop with prices and a total",
            "receipt",
            "a photo of a bill or invoice",
            "a paper till receipt on a table",
            "a shopping receipt with a barcode",
        ),
    ),
    "document": (
        papers.text_page,
        (
            "a scanned document",
            "a page of printed text",
            "a page from a book",
            "a letter on white paper",
            "document",
            "text on paper",
        ),
    ),
    "handwriting": (
        papers.handwriting,
        (
            "handwritten notes on paper",
            "handwriting",
            "a page of a notebook with writing",
            "a handwritten letter",
            "notes",
        ),
    ),
    "whiteboard": (
        papers.whiteboard,
        (
            "a whiteboard with a diagram and notes",
            "whiteboard",
            "a drawing with boxes and arrows on a whiteboard",
            "notes from a meeting on a whiteboard",
            "a diagram",
        ),
    ),
    "QR code": (
        papers.code,
        ("a QR code", "qr code", "a square black and white barcode", "a code to scan", "barcode"),
    ),
    "chart": (
        papers.chart,
        ("a chart", "a graph with bars", "a diagram of figures", "statistics", "a plot of data"),
    ),
    "coins": (
        scenes.coins,
        ("coins", "a collection of old coins", "money", "metal coins on a table", "a coin", "cash"),
    ),
    "moon": (
        scenes.moon,
        (
            "the moon",
            "craters on the moon",
            "the full moon in the night sky",
            "the surface of the moon",
            "moon",
        ),
    ),
    "stars": (
        scenes.stars,
        (
            "stars in the night sky",
            "galaxies in space",
            "outer space",
            "stars",
            "a starry sky at night",
            "the universe",
        ),
    ),
    "brick wall": (
        scenes.brick_wall,
        ("a brick wall", "bricks", "a wall of bricks", "brick wall", "the side of a brick house"),
    ),
    "gravel": (
        scenes.gravel,
        ("gravel", "small stones", "pebbles on the ground", "a gravel path", "stones"),
    ),
}


def draw_all(each: int, seed: int) -> tuple[DrawnPicture, ...]:
    """Return ``each`` drawn pictures of every kind, the same ones for the same seed."""
    rng = random.Random(seed)  # noqa: S311
    return tuple(
        DrawnPicture(kind, draw(rng), captions) for kind, (draw, captions) in KINDS.items() for _ in range(each)
    )
