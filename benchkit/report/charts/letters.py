"""How wide words are, measured with the font that writes them, and words cut to the room there is."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

FAMILY: Final = "DejaVu Sans"
_MEASURED_PX: Final = 64
_HINTED: Final = 1.05
"""At small sizes hinting makes letters whole pixels wide, which adds up."""
_LAST_LETTER: Final = 0x24F
"""Latin letters, which the font has; others come from other fonts and are taken to be as wide as they are high."""


@cache
def font(style: str, weight: str, size_px: int) -> FreeTypeFont:
    """The font of all charts; Pillow's simplest layout, which is also the fastest."""
    from matplotlib.font_manager import FontProperties, findfont
    from PIL import ImageFont

    found = findfont(FontProperties(family=FAMILY, style=style, weight=weight))  # type: ignore[arg-type]  # words
    return ImageFont.truetype(found, size_px, layout_engine=ImageFont.Layout.BASIC)


def width_in(words: str, size: float, weight: str = "normal") -> float:
    """Inches that a line of `size` points takes."""
    return sum(_letter(letter, weight) for letter in words) * size / 72


@cache
def _letter(letter: str, weight: str) -> float:
    """As a share of the font's size."""
    known = _HINTED * font("normal", weight, _MEASURED_PX).getlength(letter) / _MEASURED_PX
    return known if ord(letter) <= _LAST_LETTER else max(known, 1.05)


def fitted(words: str, room_in: float, size: float, weight: str = "normal") -> str:
    """The words, their end left out where there is no room for it."""
    if width_in(words[:2000], size, weight) <= room_in and len(words) <= 2000:
        return words
    left, kept = room_in - width_in("…", size, weight), 0
    for letter in words:
        left -= _letter(letter, weight) * size / 72
        if left < 0:
            break
        kept += 1
    return words[:kept].rstrip() + "…"
