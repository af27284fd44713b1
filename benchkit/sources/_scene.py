"""What stands still in the camera's picture: a gated dam, its gauge board, the hills behind it.

Coordinates are metres on the dam's face: `u` to the right of the gauge board's middle, `v` above the gauge's
zero. Everything that a seed varies is drawn in `lay_out`; painting is a function of the layout alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchkit.sources._gauge import GAUGE_TOP_M, gauge_board
from benchkit.sources._texture import Floats, Frame, clamped, coverage, coverage_matrix, paint, surface

Colour = tuple[float, float, float]

_PIER_M = 1.7
_BAY_M = 5.6
"""From one pier's middle to the next: gates 3.9 m wide."""
_DECK_M = (3.42, 3.72)
_RAIL_TOP_M = 4.15


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are and how they look: one camera at one dam."""

    width: int
    height: int
    px_per_m: float
    zero_row: float
    """Row of the gauge's zero, fractional, from the top."""
    gauge_column: float
    """Column of the gauge board's middle, fractional."""
    gauge_width_m: float
    concrete: Colour
    gate: Colour
    board: Colour
    sky: Colour
    water: Colour

    def row(self, v_m: float) -> float:
        """Fractional row of a height above the gauge's zero."""
        return self.zero_row - v_m * self.px_per_m

    def column(self, u_m: float) -> float:
        """Fractional column of a distance to the right of the gauge."""
        return self.gauge_column + u_m * self.px_per_m

    def rows(self, low_m: float, high_m: float) -> tuple[float, float]:
        """Rows from the upper to the lower end of a span of heights."""
        return self.row(high_m), self.row(low_m)

    def columns(self, left_m: float, right_m: float) -> tuple[float, float]:
        """Columns from the left to the right end of a span."""
        return self.column(left_m), self.column(right_m)


def lay_out(rng: np.random.Generator, width: int, height: int) -> Layout:
    """A camera's place and a dam's colours; a frame's height shows about 5.4 m."""

    def near(colour: Colour, spread: float) -> Colour:
        red, green, blue = np.clip(
            np.array(colour) * rng.uniform(0.9, 1.1) + rng.normal(0, spread, 3), 8, 245
        )
        return float(red), float(green), float(blue)

    gates: tuple[Colour, ...] = ((70, 92, 104), (64, 90, 74), (118, 112, 98), (96, 62, 50))
    waters: tuple[Colour, ...] = ((52, 66, 58), (44, 62, 74), (78, 74, 56))
    return Layout(
        width=width,
        height=height,
        px_per_m=height / 5.4 * rng.uniform(0.93, 1.07),
        zero_row=height * rng.uniform(0.83, 0.90),
        gauge_column=width * rng.uniform(0.60, 0.76),
        gauge_width_m=rng.uniform(0.42, 0.52),
        concrete=near((158, 154, 144), 4),
        gate=near(gates[rng.integers(len(gates))], 6),
        board=near(((226, 226, 220), (222, 196, 70))[int(rng.random() < 0.25)], 4),
        sky=near((186, 200, 214), 8),
        water=near(waters[rng.integers(len(waters))], 5),
    )


def still_scene(layout: Layout, rng: np.random.Generator) -> Frame:
    """The dam without water, even light and no noise: (H, W, 3) uint8 RGB."""
    canvas = np.empty((layout.height, layout.width, 3), np.uint8)
    texture = surface(rng, layout.height, layout.width, layout.px_per_m)
    _face(canvas, texture, layout, rng)
    _sky(canvas, texture, layout, rng)
    _deck(canvas, layout)
    _stains(canvas, layout, rng)
    _gauge(canvas, layout)
    return canvas


def _gates(layout: Layout) -> list[tuple[float, float]]:
    """Left and right end of every gate in sight, in metres."""
    first = int(np.floor(-layout.gauge_column / layout.px_per_m / _BAY_M)) - 1
    last = int(np.ceil((layout.width - layout.gauge_column) / layout.px_per_m / _BAY_M)) + 1
    half = _PIER_M / 2
    return [(bay * _BAY_M + half, (bay + 1) * _BAY_M - half) for bay in range(first, last)]


def _face(canvas: Frame, texture: Floats, layout: Layout, rng: np.random.Generator) -> None:
    """Concrete piers and, between them, steel gates: brightness of the row times that of the column."""
    height, width, _ = canvas.shape
    shades = np.repeat(texture, 3, axis=1)
    shades *= _columns(layout)
    sunlit = rng.uniform(0.0, 0.06)
    fall = np.linspace(1 + sunlit, 1 - sunlit, height, dtype=np.float32)
    pier, gate = _pier_rows(layout) * fall, _gate_rows(layout) * fall
    ends = [layout.column(u) for span in _gates(layout) for u in span]
    edges = [0, *(int(np.clip(round(end), 0, width)) for end in ends), width]
    flat = canvas.reshape(height, -1)
    for at, (start, stop) in enumerate(pairwise(edges)):
        part = shades[:, 3 * start : 3 * stop] * (gate if at % 2 else pier)[:, None]
        flat[:, 3 * start : 3 * stop] = np.clip(part, 0, 255, out=part)


def _columns(layout: Layout) -> Floats:
    """Colour of each column of the face, interleaved, (3 W,): stiffeners and the shadows in the slots too."""
    width = layout.width
    shade = np.ones(width, np.float32)
    colours = np.repeat(np.array([layout.concrete], np.float32), width, axis=0)
    for left, right in _gates(layout):
        inside = coverage(*layout.columns(left, right), width)
        colours += (np.array(layout.gate, np.float32) - colours) * inside[:, None]
        for u in np.arange(left + 0.45, right - 0.2, 0.5):
            shade -= 0.25 * coverage(*layout.columns(u, u + 0.05), width)
            shade += 0.12 * coverage(*layout.columns(u - 0.03, u), width)
        shade -= 0.50 * coverage(*layout.columns(left, left + 0.22), width)
        shade -= 0.35 * coverage(*layout.columns(right - 0.14, right), width)
    return (colours * shade[:, None]).reshape(-1)


def _pier_rows(layout: Layout) -> Floats:
    """Brightness of a pier's rows: joints where one lift of concrete ends."""
    shade = np.ones(layout.height, np.float32)
    for v in np.arange(-1.0, 4.0, 0.9):
        shade -= 0.22 * coverage(*layout.rows(v, v + 0.025), layout.height)
    return shade


def _gate_rows(layout: Layout) -> Floats:
    """Brightness of a gate's rows: girders, lit from above."""
    shade = np.full(layout.height, 0.94, np.float32)
    for v in np.arange(-0.9, 3.4, 0.75):
        shade += 0.20 * coverage(*layout.rows(v + 0.10, v + 0.16), layout.height)
        shade -= 0.30 * coverage(*layout.rows(v - 0.06, v + 0.10), layout.height)
    return shade


def _sky(canvas: Frame, texture: Floats, layout: Layout, rng: np.random.Generator) -> None:
    """Haze over wooded hills, down to the deck."""
    below = clamped(0, layout.row(_DECK_M[1]), layout.height).stop
    if not below:
        return
    width = layout.width
    fade = np.linspace(0.94, 1.04, below, dtype=np.float32)[:, None, None]
    sky = np.asarray(layout.sky, np.float32) * fade
    wave = np.linspace(0, 2 * np.pi * rng.uniform(0.8, 1.6), width) + rng.uniform(0, 6)
    crest = below * (0.45 + 0.22 * np.sin(wave) + 0.07 * np.sin(3.7 * wave))
    wood = np.clip(np.arange(below)[:, None] - crest + 1 + 60 * (texture[:below] - 1), 0, 1)
    leaves = np.asarray((74, 88, 58), np.float32) * (1 + 3.2 * (texture[:below, :, None] - 1))
    canvas[:below] = np.clip(sky + (leaves - sky) * wood[:, :, None], 0, 255)


def _deck(canvas: Frame, layout: Layout) -> None:
    """The service bridge, its shadow on the gates, and a railing."""
    everywhere = (0.0, float(layout.width))
    red, green, blue = layout.concrete
    paint(canvas, layout.rows(*_DECK_M), everywhere, (red * 1.08, green * 1.08, blue * 1.08), 0.92)
    paint(canvas, layout.rows(_DECK_M[0] - 0.16, _DECK_M[0]), everywhere, (24, 26, 28), 0.55)
    for v in (3.93, _RAIL_TOP_M):
        paint(canvas, layout.rows(v - 0.035, v), everywhere, (92, 96, 98), 0.9)
    left = -layout.gauge_column / layout.px_per_m
    standing = layout.rows(_DECK_M[1], _RAIL_TOP_M)
    for post in np.arange(np.floor(left), left + layout.width / layout.px_per_m + 1, 1.1):
        paint(canvas, standing, layout.columns(post, post + 0.05), (84, 88, 90), 0.9)


def _stains(canvas: Frame, layout: Layout, rng: np.random.Generator) -> None:
    """Streaks that rain and rust left below the deck."""
    left = -layout.gauge_column / layout.px_per_m
    for _ in range(26):
        u, wide = left + rng.random() * layout.width / layout.px_per_m, rng.uniform(0.03, 0.16)
        long, dark = rng.uniform(0.5, 2.6), rng.uniform(0.06, 0.2)
        colour = (58.0, 50.0, 42.0) if rng.random() < 0.7 else (120.0, 74.0, 44.0)
        for share in (1.0, 0.7, 0.45):
            reach = layout.rows(_DECK_M[0] - long * share, _DECK_M[0])
            paint(canvas, reach, layout.columns(u, u + wide * (0.6 + 0.4 * share)), colour, dark)


def _gauge(canvas: Frame, layout: Layout) -> None:
    """The gauge board on its pier, with the shadow that it casts."""
    half = layout.gauge_width_m / 2
    board, top_m, bottom_m = gauge_board(layout.board), GAUGE_TOP_M, -1.2
    shadow = layout.rows(bottom_m, top_m - 0.03)
    paint(canvas, shadow, layout.columns(half, half + 0.04), (30, 30, 30), 0.5)
    down = coverage_matrix(
        np.linspace(layout.row(top_m), layout.row(bottom_m), len(board) + 1), layout.height
    )
    across = coverage_matrix(np.linspace(*layout.columns(-half, half), board.shape[1] + 1), layout.width)
    rows, columns = (
        clamped(*layout.rows(bottom_m, top_m), layout.height),
        clamped(*layout.columns(-half, half), layout.width),
    )
    down, across = down[rows], across[columns]
    painted = np.stack([down @ board[:, :, channel] @ across.T for channel in range(3)], axis=2)
    share = np.outer(down.sum(axis=1), across.sum(axis=1))[:, :, None]
    behind = canvas[rows, columns]
    weathered = 0.93 * painted + 0.07 * behind * share
    canvas[rows, columns] = np.clip(behind * (1 - share) + weathered, 0, 255)
