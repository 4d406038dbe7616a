"""Drawn pictures of writing: screens, papers, boards, codes, charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from training.drawn.strokes import INK, WHITE, Colour, font, laid_down, lines, pale, scribble, vivid, words

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


def computer_screenshot(rng: random.Random) -> Image.Image:
    """Draw a desktop with windows, menus and buttons."""
    dark = rng.random() < 0.35  # noqa: PLR2004
    paper, ink = ((32, 34, 40), (210, 214, 220)) if dark else (WHITE, INK)
    image = Image.new("RGB", (640, rng.choice((360, 400, 480))), vivid(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 3)):
        x, y = rng.randint(0, 200), rng.randint(0, 120)
        w, h = rng.randint(300, 440), rng.randint(180, 340)
        draw.rectangle((x, y, x + w, y + h), fill=paper, outline=(120, 120, 120))
        draw.rectangle((x, y, x + w, y + 20), fill=vivid(rng))
        for i, button in enumerate(((255, 95, 86), (255, 189, 46), (39, 201, 63))):
            draw.ellipse((x + 6 + 16 * i, y + 5, x + 16 + 16 * i, y + 15), fill=button)
        draw.rectangle((x, y + 21, x + 80, y + h), fill=(60, 64, 72) if dark else (236, 238, 242))
        lines(draw, rng, (x + 8, y + 34, x + 74, y + h), 10, ink)
        lines(draw, rng, (x + 94, y + 34, x + w - 8, y + h - 30), rng.randint(9, 14), ink)
        draw.rounded_rectangle((x + w - 80, y + h - 28, x + w - 10, y + h - 8), 4, fill=vivid(rng))
    draw.rectangle((0, image.height - 18, 640, image.height), fill=(40, 42, 50))
    return image


def phone_screenshot(rng: random.Random) -> Image.Image:
    """Draw a chat on a telephone."""
    dark = rng.random() < 0.35  # noqa: PLR2004
    image = Image.new("RGB", (300, 620), (20, 22, 26) if dark else (245, 245, 248))
    draw = ImageDraw.Draw(image)
    accent = vivid(rng)
    draw.text((12, 4), f"{rng.randint(0, 23)}:{rng.randint(10, 59)}", font=font(12), fill=accent)
    draw.rectangle((0, 22, 300, 64), fill=accent)
    draw.text((56, 34), words(rng, 2), font=font(16), fill=WHITE)
    draw.ellipse((12, 27, 46, 61), fill=WHITE)
    y = 80
    while y < 540:  # noqa: PLR2004
        height, mine = rng.randint(28, 84), rng.random() < 0.5  # noqa: PLR2004
        x = 90 if mine else 12
        fill, ink = (accent, WHITE) if mine else ((228, 228, 232), INK)
        draw.rounded_rectangle((x, y, x + 196, y + height), 12, fill=fill)
        lines(draw, rng, (x + 10, y + 7, x + 186, y + height), 12, ink)
        y += height + 12
    draw.rounded_rectangle((12, 574, 288, 606), 14, outline=accent, width=2)
    return image


def receipt(rng: random.Random) -> Image.Image:
    """Draw a till receipt on a surface."""
    width, height = rng.randint(170, 230), rng.randint(360, 520)
    slip = Image.new("RGB", (width, height), pale(rng))
    draw = ImageDraw.Draw(slip)
    draw.text((width // 4, 12), words(rng, 2).upper(), font=font(15), fill=INK)
    draw.text((20, 36), words(rng, 3), font=font(10), fill=INK)
    for y in range(64, height - 110, 16):
        draw.text((12, y), words(rng, 2), font=font(11), fill=INK)
        price = f"{rng.randint(0, 60)}.{rng.randint(10, 99)}"
        draw.text((width - 48, y), price, font=font(11), fill=INK)
    draw.line((12, height - 104, width - 12, height - 104), fill=INK)
    total = f"TOTAL {rng.randint(5, 300)}.{rng.randint(10, 99)}"
    draw.text((12, height - 98), total, font=font(18), fill=INK)
    x = 16
    while x < width - 20:
        bar = rng.randint(1, 4)
        draw.rectangle((x, height - 60, x + bar, height - 20), fill=INK)
        x += bar + rng.randint(1, 4)
    return laid_down(slip, rng)


def text_page(rng: random.Random) -> Image.Image:
    """Draw a printed page, as from a scanner."""
    image = Image.new("RGB", (420, 594), pale(rng))
    draw = ImageDraw.Draw(image)
    margin = rng.randint(24, 50)
    draw.text((margin, 34), words(rng, 3).title(), font=font(rng.randint(18, 28)), fill=INK)
    columns = rng.choice((1, 1, 2))
    size = rng.randint(9, 14)
    width = (420 - 2 * margin) // columns
    for column in range(columns):
        left = margin + column * width
        y = 84
        while y < 530:  # noqa: PLR2004
            height = min(rng.randint(60, 170), 550 - y)
            lines(draw, rng, (left, y, left + width - 12, y + height), size)
            y += height + 12
    if rng.random() < 0.5:  # noqa: PLR2004
        return image.rotate(rng.uniform(-3, 3), fillcolor=pale(rng), expand=False)
    return laid_down(image, rng)


def handwriting(rng: random.Random) -> Image.Image:
    """Draw a sheet of scribbled lines."""
    image = Image.new("RGB", (480, 600), pale(rng))
    draw = ImageDraw.Draw(image)
    ink = rng.choice(((20, 30, 120), INK, (40, 60, 160)))
    for y in range(50, 570, rng.randint(28, 40)):
        draw.line((20, y + 8, 460, y + 8), fill=(190, 205, 230))
        scribble(draw, rng, (36, y, rng.randint(260, 450), y), ink, 2)
    return laid_down(image, rng) if rng.random() < 0.5 else image  # noqa: PLR2004


def whiteboard(rng: random.Random) -> Image.Image:
    """Draw a whiteboard with boxes, arrows and notes in felt pen."""
    image = Image.new("RGB", (640, 440), (190, 188, 182))
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 620, 410), fill=(244, 246, 247), outline=(130, 134, 140), width=8)
    pens: Sequence[Colour] = ((200, 30, 40), (30, 60, 180), (20, 130, 70), INK)
    for _ in range(rng.randint(5, 10)):
        x, y = rng.randint(40, 480), rng.randint(40, 330)
        pen = rng.choice(pens)
        kind = rng.randrange(3)
        if kind == 0:
            draw.rectangle((x, y, x + 110, y + 56), outline=pen, width=3)
            draw.text((x + 10, y + 16), words(rng, 1), font=font(22), fill=pen)
        elif kind == 1:
            end = (x + rng.randint(-90, 110), y + rng.randint(-50, 70))
            draw.line((x, y, *end), fill=pen, width=3)
            draw.polygon((end, (end[0] - 10, end[1] - 6), (end[0] - 10, end[1] + 6)), fill=pen)
        else:
            scribble(draw, rng, (x, y, x + rng.randint(60, 130), y), pen, 3)
    return image


def code(rng: random.Random) -> Image.Image:
    """Draw a square of modules with three finder patterns, like a QR code."""
    cells, cell = rng.choice((25, 29, 33)), 9
    side = cells * cell
    image = Image.new("RGB", (side + 60, side + 60), WHITE)
    draw = ImageDraw.Draw(image)
    for row in range(cells):
        for column in range(cells):
            if rng.random() < 0.5:  # noqa: PLR2004
                x, y = 30 + column * cell, 30 + row * cell
                draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=INK)
    for x, y in ((0, 0), (cells - 7, 0), (0, cells - 7)):
        for inset, fill in ((-1, WHITE), (0, INK), (1, WHITE), (2, INK)):
            corner = (30 + (x + inset) * cell, 30 + (y + inset) * cell)
            width = (7 - 2 * inset) * cell - 1
            draw.rectangle((*corner, corner[0] + width, corner[1] + width), fill=fill)
    return laid_down(image, rng) if rng.random() < 0.5 else image  # noqa: PLR2004


def chart(rng: random.Random) -> Image.Image:
    """Draw a bar or line chart."""
    image = Image.new("RGB", (560, 400), WHITE)
    draw = ImageDraw.Draw(image)
    draw.text((150, 12), words(rng, 3).title(), font=font(20), fill=INK)
    draw.line((50, 40, 50, 350, 530, 350), fill=INK, width=2)
    colour, count = vivid(rng), rng.randint(4, 10)
    heights = [rng.randint(30, 290) for _ in range(count)]
    step = 460 // count
    points = [(64 + i * step, 350 - height) for i, height in enumerate(heights)]
    if rng.random() < 0.5:  # noqa: PLR2004
        draw.line(points, fill=colour, width=4)
    else:
        for x, y in points:
            draw.rectangle((x, y, x + step * 2 // 3, 349), fill=colour)
    for x, _ in points:
        draw.text((x, 358), words(rng, 1)[:6], font=font(10), fill=INK)
    return image
