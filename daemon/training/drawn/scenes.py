"""Drawn pictures of things and surfaces: coins, the moon, stars, bricks, gravel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFilter

from training.drawn.strokes import Colour, font, grey_of, rough, shade, vivid

if TYPE_CHECKING:
    import random


def coins(rng: random.Random) -> Image.Image:
    """Draw coins, scattered or in rows, on cloth or wood."""
    grey = rng.random() < 0.4  # noqa: PLR2004
    ground = shade(vivid(rng), 0.55)
    image = rough(rng, (480, rng.choice((360, 480))), grey_of(ground) if grey else ground, 12)
    draw = ImageDraw.Draw(image)
    size = rng.randint(28, 62)
    for y in range(size, image.height - size // 2, int(size * 2.3)):
        for x in range(size, image.width - size // 2, int(size * 2.3)):
            if rng.random() < 0.2:  # noqa: PLR2004
                continue
            metal = rng.choice(((190, 160, 70), (185, 185, 190), (170, 110, 70)))
            metal = grey_of(metal) if grey else metal
            coin(draw, rng, (x + rng.randint(-9, 9), y + rng.randint(-9, 9)), size, metal)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.4)))


def coin(
    draw: ImageDraw.ImageDraw,
    rng: random.Random,
    at: tuple[int, int],
    size: int,
    metal: Colour,
) -> None:
    """Draw one coin: rim, field, a head or a number, with light from the upper left."""
    x, y = at
    radius = int(size * rng.uniform(0.7, 1))
    dark, light = shade(metal, 0.6), shade(metal, 1.25)
    box = (x - radius, y - radius, x + radius, y + radius)
    draw.ellipse((box[0] + 4, box[1] + 5, box[2] + 4, box[3] + 5), fill=(20, 18, 16))
    draw.ellipse(box, fill=metal, outline=dark, width=3)
    draw.arc(box, 180, 290, fill=light, width=3)
    inner = radius * 4 // 5
    draw.ellipse((x - inner, y - inner, x + inner, y + inner), outline=dark)
    if rng.random() < 0.4:  # noqa: PLR2004
        value = str(rng.choice((1, 2, 5, 10, 20, 50)))
        draw.text((x, y), value, font=font(radius), fill=dark, anchor="mm")
        return
    half = radius // 2
    draw.ellipse((x - half // 2, y - half, x + half // 2 + 2, y + half // 4), fill=light)
    draw.chord((x - half, y, x + half, y + radius), 180, 360, fill=light, outline=dark)
    draw.arc((x - half // 2, y - half, x + half // 2 + 2, y + half // 4), 0, 180, fill=dark, width=2)


def moon(rng: random.Random) -> Image.Image:
    """Draw the moon: the whole disc in a black sky, or its craters from near."""
    near = rng.random() < 0.5  # noqa: PLR2004
    tone = rng.randint(95, 190)
    ground = rough(rng, (480, 480), (tone, tone, tone), 16).filter(ImageFilter.GaussianBlur(1.5))
    draw = ImageDraw.Draw(ground)
    for _ in range(rng.randint(25, 110)):
        x, y, radius = rng.randint(0, 480), rng.randint(0, 480), int(3 + rng.expovariate(1 / 9))
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=shade((tone, tone, tone), rng.uniform(0.7, 0.95)))
        draw.arc(box, 20, 170, fill=shade((tone, tone, tone), 1.3), width=max(1, radius // 5))
        draw.arc(box, 200, 350, fill=shade((tone, tone, tone), 0.45), width=max(1, radius // 5))
    for _ in range(rng.randint(1, 4)):
        x, y, radius = rng.randint(0, 480), rng.randint(0, 480), rng.randint(40, 120)
        stain = Image.new("L", ground.size, 0)
        box = (x - radius, y - radius, x + radius, y + radius * 3 // 4)
        ImageDraw.Draw(stain).ellipse(box, fill=90)
        ground.paste((tone // 2,) * 3, (0, 0), stain.filter(ImageFilter.GaussianBlur(18)))
    ground = ground.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2)))
    if near:
        return ground
    sky = Image.new("RGB", (560, 420), (rng.randint(0, 12), rng.randint(0, 12), rng.randint(4, 24)))
    radius = rng.randint(60, 195)
    mask = Image.new("L", (480, 480), 0)
    ImageDraw.Draw(mask).ellipse((0, 0, 479, 479), fill=255)
    if rng.random() < 0.4:  # noqa: PLR2004
        shift = rng.randint(60, 300)
        ImageDraw.Draw(mask).ellipse((shift, -20, shift + 500, 500), fill=8)
    size = (2 * radius, 2 * radius)
    at = (rng.randint(0, 560 - size[0]), rng.randint(0, 420 - size[1]))
    sky.paste(ground.resize(size), at, mask.resize(size))
    return sky


def stars(rng: random.Random) -> Image.Image:
    """Draw a night sky full of stars, sometimes with galaxies."""
    image = Image.new("RGB", (560, 420), (rng.randint(0, 10), rng.randint(0, 10), rng.randint(0, 26)))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(150, 700)):
        x, y, radius = rng.randint(0, 560), rng.randint(0, 420), rng.expovariate(1.6)
        light = rng.randint(110, 255)
        tint = (light, rng.randint(light * 3 // 4, light), rng.randint(light * 2 // 3, light))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tint)
    for _ in range(rng.randint(0, 14)):
        side = rng.randint(10, 46)
        blot = Image.new("L", (side * 2, side * 2), 0)
        box = (side // 2, side * 3 // 4, side * 3 // 2, side * 5 // 4)
        ImageDraw.Draw(blot).ellipse(box, fill=220)
        blot = blot.rotate(rng.uniform(0, 180)).filter(ImageFilter.GaussianBlur(side / 9))
        tint = rng.choice(((255, 220, 170), (190, 210, 255), (255, 190, 150)))
        image.paste(tint, (rng.randint(-10, 540), rng.randint(-10, 400)), blot)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.9)))


def brick_wall(rng: random.Random) -> Image.Image:
    """Draw rows of bricks and mortar."""
    grey = rng.random() < 0.35  # noqa: PLR2004
    brick: Colour = rng.choice(((165, 80, 55), (190, 120, 85), (140, 65, 50), (200, 180, 150)))
    mortar = grey_of(shade(brick, rng.uniform(0.5, 1.5)))
    image = Image.new("RGB", (480, 480), mortar)
    draw = ImageDraw.Draw(image)
    height = rng.randint(20, 70)
    width, gap = int(height * rng.uniform(1.8, 3.2)), max(2, height // 10)
    for row, y in enumerate(range(0, 480, height + gap)):
        for x in range(-width + (row % 2) * width // 2, 480, width + gap):
            tone = shade(grey_of(brick) if grey else brick, rng.uniform(0.75, 1.2))
            draw.rectangle((x, y, x + width, y + height), fill=tone)
    noise = Image.effect_noise(image.size, 45).convert("RGB")
    image = Image.blend(image, noise, rng.uniform(0.1, 0.25))
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.3)))


def gravel(rng: random.Random) -> Image.Image:
    """Draw many small overlapping stones."""
    warm = rng.choice((0, 0, 18))
    image = Image.new("RGB", (480, 480), (60, 58, 55))
    draw = ImageDraw.Draw(image)
    size = rng.randint(6, 24)
    for _ in range(int(330_000 / size**2)):
        x, y = rng.randint(-10, 490), rng.randint(-10, 490)
        tone = rng.randint(80, 215)
        corners = []
        for step in range(7):
            angle = (step + rng.uniform(-0.3, 0.3)) * 2 * math.pi / 7
            reach = size * rng.uniform(0.6, 1.1)
            corners.append((x + reach * math.cos(angle), y + 0.8 * reach * math.sin(angle)))
        fill = (min(255, tone + warm), tone, max(0, tone - warm))
        draw.polygon(corners, fill=fill, outline=shade(fill, 0.5))
    noise = Image.effect_noise(image.size, 50).convert("RGB")
    return Image.blend(image, noise, 0.15).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
