"""Elements that all drawn pictures share: paper, ink, noise, a surface."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from PIL import Image, ImageDraw, ImageFilter, ImageFont

if TYPE_CHECKING:
    import random

Colour: TypeAlias = tuple[int, int, int]

FILLER = (
    "account address amount april balance bank before bread card cash city close coffee company contact "
    "customer date delivery discount document email every file first garden green hello help house "
    "invoice item january last letter light list market meeting milk monday morning name note number "
    "office open order paper payment people phone place price question receipt report school send service "
    "shop station street summer table thank time today total town train travel until water week welcome "
    "window work yesterday "
)
WORDS = tuple(FILLER.split())
WHITE: Colour = (255, 255, 255)
INK: Colour = (25, 25, 30)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, which needs no file."""
    return ImageFont.load_default(size)


def words(rng: random.Random, count: int) -> str:
    """Return some random words."""
    return " ".join(rng.choices(WORDS, k=count))


def pale(rng: random.Random) -> Colour:
    """Return a paper-like colour."""
    base = rng.randint(225, 255)
    return (base, max(0, base - rng.randint(0, 8)), max(0, base - rng.randint(0, 22)))


def vivid(rng: random.Random) -> Colour:
    """Return any colour."""
    return (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255))


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour, darker or lighter."""
    red, green, blue = (min(255, int(part * factor)) for part in colour)
    return (red, green, blue)


def grey_of(colour: Colour) -> Colour:
    """Return the grey of the same lightness."""
    grey = sum(colour) // 3
    return (grey, grey, grey)


def rough(rng: random.Random, size: tuple[int, int], colour: Colour, roughness: int) -> Image.Image:
    """Return an uneven surface."""
    noise = Image.effect_noise(size, rng.randint(roughness, 4 * roughness)).convert("RGB")
    return Image.blend(noise, Image.new("RGB", size, colour), 0.7)


def lines(
    draw: ImageDraw.ImageDraw,
    rng: random.Random,
    box: tuple[int, int, int, int],
    size: int,
    colour: Colour = INK,
) -> None:
    """Fill a box with lines of text."""
    left, top, right, bottom = box
    per_line = max(1, (right - left) // (size * 4))
    for y in range(top, bottom - size, int(size * 1.6)):
        draw.text((left, y), words(rng, per_line), font=font(size), fill=colour)


def scribble(
    draw: ImageDraw.ImageDraw,
    rng: random.Random,
    line: tuple[int, int, int, int],
    colour: Colour,
    width: int,
) -> None:
    """Draw lines like joined handwriting along a line."""
    left, top, right, _ = line
    points = []
    x = float(left)
    while x < right:
        points.append((x, top + rng.gauss(0, 5)))
        x += rng.uniform(2, 7)
        if rng.random() < 0.12:  # noqa: PLR2004
            draw.line(points, fill=colour, width=width)
            points = []
            x += 8
    if len(points) > 1:
        draw.line(points, fill=colour, width=width)


def laid_down(paper: Image.Image, rng: random.Random) -> Image.Image:
    """Return a picture of a paper on a table: a surface, a rotation, a soft shadow."""
    width, height = paper.width + rng.randint(40, 160), paper.height + rng.randint(40, 160)
    ground = Image.effect_noise((width, height), rng.randint(8, 40)).convert("RGB")
    ground = Image.blend(ground, Image.new("RGB", ground.size, vivid(rng)), 0.75)
    angle = rng.uniform(-14, 14)
    turned = paper.rotate(angle, expand=True, resample=Image.Resampling.BICUBIC)
    mask = Image.new("L", paper.size, 255).rotate(angle, expand=True)
    at = ((width - turned.width) // 2, (height - turned.height) // 2)
    shadow = mask.point(lambda value: value // 3)
    ground.paste((0, 0, 0), (at[0] + 6, at[1] + 8), shadow)
    ground.paste(turned, at, mask)
    return ground.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.8)))
