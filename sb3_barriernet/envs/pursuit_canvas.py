"""A canvas in metres: discs with soft shadows, wedges, fading trails and arrows that bend.

Everything is drawn at :data:`OVERSAMPLING` times the size and averaged down, which is what smooths edges.
Colours are those of Okabe & Ito (2008), told apart by every kind of colour vision; where two things of
different meaning meet, their shapes differ too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]

PAPER: Colour = (250, 248, 243)
FLOOR: Colour = (255, 254, 251)
GRID: Colour = (238, 235, 227)
INK: Colour = (38, 45, 56)
QUIET: Colour = (128, 133, 142)
STONE: Colour = (122, 132, 148)
BLUE: Colour = (0, 114, 178)
VERMILION: Colour = (213, 94, 0)
GREEN: Colour = (0, 158, 115)
PURPLE: Colour = (170, 68, 130)

OVERSAMPLING = 2
SIDE = 720
"""Side of the arena in the picture [pixels]."""
MARGIN = 24
"""Frame around the arena [pixels]."""
STRIP = 64
"""Height of the line of text below the arena [pixels]."""


class Canvas:
    """Draws in metres on an image of ``(SIDE + 2 MARGIN) x (SIDE + 2 MARGIN + STRIP)`` pixels.

    :param arena_size: side of the arena [m]
    :param image: oversampled picture to go on with; by default an empty one
    """

    size = (SIDE + 2 * MARGIN, SIDE + 2 * MARGIN + STRIP)

    def __init__(self, arena_size: float, image: Image.Image | None = None) -> None:
        self.arena_size = arena_size
        self.metre = OVERSAMPLING * SIDE / arena_size
        """Oversampled pixels of a metre."""
        width, height = self.size
        self.image = image or Image.new("RGB", (OVERSAMPLING * width, OVERSAMPLING * height), PAPER)
        self._pen = ImageDraw.Draw(self.image, "RGBA")

    def copy(self) -> Canvas:
        """A canvas of its own that begins with what is on this one."""
        return Canvas(self.arena_size, self.image.copy())

    def pixels(self) -> np.ndarray:
        """The picture ``(H, W, 3)`` uint8, averaged down to its size."""
        return np.asarray(self.image.reduce(OVERSAMPLING))

    def at(self, x: float, y: float) -> Point:
        """Oversampled pixel of a point [m]; y points up."""
        middle = OVERSAMPLING * (MARGIN + SIDE / 2)
        return middle + x * self.metre, middle - y * self.metre

    def floor(self) -> None:
        """The empty arena: floor, grid of 1 m, walls, and a shadow that lifts it off the paper."""
        half = self.arena_size / 2
        box = (*self.at(-half, half), *self.at(half, -half))
        self._shadow("rectangle", box, blur=10, drop=4, strength=60)
        self._pen.rectangle(box, fill=FLOOR)
        for line in range(-math.floor(half), math.floor(half) + 1):
            self._pen.line([self.at(line, -half), self.at(line, half)], fill=GRID, width=OVERSAMPLING)
            self._pen.line([self.at(-half, line), self.at(half, line)], fill=GRID, width=OVERSAMPLING)
        self._pen.rectangle(_grown(box, 5), outline=INK, width=5)

    def stone(self, x: float, y: float, radius: float) -> None:
        """An obstacle with a soft shadow and a light edge."""
        box = self._box(x, y, radius)
        self._shadow("ellipse", box, blur=8, drop=6, strength=95)
        self._pen.ellipse(box, fill=STONE)
        for ring in range(8):  # a hint of a dome, lit from above
            shrink, lift = radius * (0.12 + 0.11 * ring), 0.012 * ring * radius
            inner = self._box(x - lift, y + 2 * lift, max(radius - shrink, 0.0))
            self._pen.ellipse(inner, fill=(255, 255, 255, 11))
        self._pen.ellipse(box, outline=_mixed(STONE, INK, 0.45), width=3)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled disc with a thin white edge that keeps it apart from anything below."""
        self._pen.ellipse(_grown(self._box(x, y, radius), 2), fill=(255, 255, 255))
        self._pen.ellipse(self._box(x, y, radius), fill=colour)

    def wedge(self, x: float, y: float, heading: float, radius: float, spread: float, colour: Sequence[int]) -> None:
        """A sector around the heading [rad] of ``spread`` [rad] to either side."""
        self._pen.pieslice(
            self._box(x, y, radius),
            math.degrees(-heading - spread),
            math.degrees(-heading + spread),
            fill=tuple(colour),
        )

    def ring(self, x: float, y: float, radius: float, colour: Sequence[int], width: float = 1.5) -> None:
        """A circle line."""
        self._pen.ellipse(self._box(x, y, radius), outline=tuple(colour), width=round(width * OVERSAMPLING))

    def dashed_ring(self, x: float, y: float, radius: float, colour: Colour, dashes: int = 24) -> None:
        """A dashed circle line."""
        box, step = self._box(x, y, radius), 360.0 / dashes
        for k in range(dashes):
            self._pen.arc(box, k * step, (k + 0.55) * step, fill=colour, width=round(1.25 * OVERSAMPLING))

    def trail(self, points: Sequence[Point], colour: Colour) -> None:
        """A line through points [m] that fades towards its beginning."""
        count = len(points)
        for k in range(1, count):
            fresh = k / count
            shade = _mixed(FLOOR, colour, 0.10 + 0.55 * fresh**1.5)
            width = round(OVERSAMPLING * (1.5 + 1.8 * fresh))
            start, end = self.at(*points[k - 1]), self.at(*points[k])
            self._pen.line([start, end], fill=shade, width=width)
            self._dot(end, width / 2 - 0.5, shade)

    def arrow(self, path: Sequence[Point], colour: Colour, *, dashed: bool) -> None:
        """An arrow along a path [m]."""
        pixels = [self.at(*point) for point in path]
        for k in range(1, len(pixels)):
            if not dashed or k % 4 in (1, 2):
                self._pen.line(pixels[k - 1 : k + 1], fill=colour, width=round(2.6 * OVERSAMPLING))
                self._dot(pixels[k], 1.3 * OVERSAMPLING - 0.5, colour)
        self._arrow_head(pixels[-2], pixels[-1], colour)

    def glow(self, colour: Colour, strength: float) -> None:
        """Light up the walls; ``strength`` in [0, 1]."""
        half = self.arena_size / 2
        box = (*self.at(-half, half), *self.at(half, -half))
        for ring in range(14):
            alpha = round(150 * strength * (1 - ring / 14) ** 2)
            self._pen.rectangle(_grown(box, 5 - 3 * ring), outline=(*colour, alpha), width=3)
        self._pen.rectangle(_grown(box, 5), outline=(*colour, round(255 * strength)), width=6)

    def text(self, x: float, line: str, colour: Colour = INK, size: float = 16, anchor: str = "lm") -> float:
        """Write in the strip below the arena.

        :param x: where to begin [pixels]
        :return: where the text ends [pixels]
        """
        font = _font(round(size * OVERSAMPLING))
        place = (x * OVERSAMPLING, OVERSAMPLING * self.strip_middle)
        self._pen.text(place, line, fill=colour, font=font, anchor=anchor)
        return x + self._pen.textlength(line, font=font) / OVERSAMPLING

    def badge(self, line: str, colour: Colour) -> None:
        """A word at the right end of the strip, where it hides nothing of the game."""
        font = _font(15 * OVERSAMPLING)
        right, height = OVERSAMPLING * (SIDE + MARGIN), OVERSAMPLING * 28
        width = self._pen.textlength(line, font=font) + OVERSAMPLING * 28
        middle = OVERSAMPLING * self.strip_middle
        box = (right - width, middle - height / 2, right, middle + height / 2)
        self._pen.rounded_rectangle(box, height / 2, fill=colour)
        self._pen.text((right - width / 2, middle), line, fill=FLOOR, font=font, anchor="mm")

    def gauge(self, x: float, width: float, share: float, colour: Colour) -> None:
        """A bar in the strip, filled to ``share`` in [0, 1]."""
        top, bottom = self.strip_middle - 4, self.strip_middle + 4
        box = [OVERSAMPLING * value for value in (x, top, x + width, bottom)]
        self._pen.rounded_rectangle(box, 4 * OVERSAMPLING, fill=GRID)
        if share > 0.0:
            box[2] = OVERSAMPLING * (x + max(width * min(share, 1.0), 9))  # room for both round ends
            self._pen.rounded_rectangle(box, 4 * OVERSAMPLING, fill=colour)

    def sample(self, x: float, colour: Colour, *, dashed: bool) -> float:
        """A short piece of arrow shaft for a legend; returns where it ends [pixels]."""
        y, step = OVERSAMPLING * self.strip_middle, OVERSAMPLING * 7
        for k in range(4):
            start = OVERSAMPLING * x + k * step
            end = start + (step * 0.6 if dashed else step)
            self._pen.line([(start, y), (end, y)], fill=colour, width=round(2.6 * OVERSAMPLING))
        return x + 28

    @property
    def strip_middle(self) -> float:
        """Height of the line of text [pixels]."""
        return SIDE + 2 * MARGIN + STRIP / 2 - 8

    def _box(self, x: float, y: float, radius: float) -> tuple[float, float, float, float]:
        return (*self.at(x - radius, y + radius), *self.at(x + radius, y - radius))

    def _dot(self, place: Point, radius: float, colour: Colour) -> None:
        x, y = place
        self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def _arrow_head(self, before: Point, tip: Point, colour: Colour) -> None:
        direction = math.atan2(tip[1] - before[1], tip[0] - before[0])
        length = 8.5 * OVERSAMPLING
        point = (tip[0] + 0.6 * length * math.cos(direction), tip[1] + 0.6 * length * math.sin(direction))
        corners = [
            (point[0] - length * math.cos(direction + side), point[1] - length * math.sin(direction + side))
            for side in (-0.5, 0.5)
        ]
        self._pen.polygon([point, *corners], fill=colour)

    def _shadow(self, shape: str, box: tuple[float, ...], *, blur: int, drop: int, strength: int) -> None:
        """Darken the paper softly below something that is about to be drawn."""
        reach = 3 * blur * OVERSAMPLING
        left, top = math.floor(box[0]) - reach, math.floor(box[1]) - reach
        size = (math.ceil(box[2]) - left + reach, math.ceil(box[3]) - top + reach)
        mask = Image.new("L", size, 0)
        shifted = [value - edge for value, edge in zip(box, (left, top, left, top), strict=True)]
        shifted[1] += drop * OVERSAMPLING
        shifted[3] += drop * OVERSAMPLING
        getattr(ImageDraw.Draw(mask), shape)(shifted, fill=strength)
        mask = mask.filter(ImageFilter.GaussianBlur(blur * OVERSAMPLING / 2))
        self.image.paste(Image.new("RGB", size, INK), (left, top), mask)


def _grown(box: Sequence[float], by: float) -> tuple[float, float, float, float]:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    """``share`` of the other colour, the rest of the first."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface, so that pictures look the same on every machine."""
    if size not in _FONTS:
        _FONTS[size] = ImageFont.load_default(size)
    return _FONTS[size]


_FONTS: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}
