"""Seeded textures and anti-aliased paint for the rendered scene: plain arrays in, plain arrays out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]


def coverage(low: float, high: float, count: int) -> Floats:
    """How much of each of `count` unit pixels lies in [low, high): shape (count,), 0 to 1."""
    left = np.arange(count, dtype=np.float32)
    share: Floats = np.clip(np.minimum(high, left + 1) - np.maximum(low, left), 0, 1).astype(np.float32)
    return share


def coverage_matrix(edges: npt.NDArray[np.float64], count: int) -> Floats:
    """Area resampling: shape (count, len(edges) - 1), the share of pixel i that cell j covers."""
    pixels = np.arange(count)[:, None]
    high = np.minimum(edges[None, 1:], pixels + 1)
    low = np.maximum(edges[None, :-1], pixels)
    share: Floats = np.clip(high - low, 0, 1).astype(np.float32)
    return share


def clamped(low: float, high: float, count: int) -> slice:
    """The pixels that [low, high) touches, within 0 to `count`."""
    first = min(max(int(np.floor(low)), 0), count)
    return slice(first, min(max(int(np.ceil(high)), first), count))


def paint(
    canvas: Frame,
    rows: tuple[float, float],
    columns: tuple[float, float],
    colour: tuple[float, float, float],
    opacity: float = 1.0,
) -> None:
    """Blend a rectangle with sub-pixel edges into `canvas`, (H, W, 3) uint8; what lies outside is cut."""
    height, width, _ = canvas.shape
    down, across = clamped(*rows, height), clamped(*columns, width)
    alpha = np.outer(coverage(*rows, height)[down] * opacity, coverage(*columns, width)[across])[:, :, None]
    patch = canvas[down, across]
    canvas[down, across] = patch + (np.asarray(colour, np.float32) - patch) * alpha


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], step: tuple[float, float]) -> Floats:
    """Bilinear value noise of unit deviation at its knots, `step` pixels apart down and across."""
    rows, row_share = _knots(shape[0], step[0])
    columns, column_share = _knots(shape[1], step[1])
    grid = rng.standard_normal((rows[-1] + 2, columns[-1] + 2), dtype=np.float32)
    wide = grid[:, columns] + (grid[:, columns + 1] - grid[:, columns]) * column_share
    upper = wide[rows]
    below = wide[rows + 1]
    below -= upper
    below *= row_share[:, None]
    upper += below
    return upper


def _knots(count: int, step: float) -> tuple[npt.NDArray[np.intp], Floats]:
    where = np.arange(count) / step
    first = where.astype(np.intp)
    return first, (where - first).astype(np.float32)


def surface(rng: np.random.Generator, height: int, width: int, px_per_m: float) -> Floats:
    """Weathered concrete or paint, blotches down to single grains: brightness about 1, (height, width).

    The coarse octaves are made at half the resolution: the eye and a codec see no difference, set-up does.
    """
    half = (height // 2 + 1, width // 2 + 1)
    metre = px_per_m / 2
    coarse = 1 + 0.050 * smooth_noise(rng, half, (1.1 * metre + 1, 0.5 * metre + 1))
    coarse += 0.030 * smooth_noise(rng, half, (0.12 * metre + 1, 0.08 * metre + 1))
    coarse += 0.022 * smooth_noise(rng, half, (0.03 * metre + 1, 0.02 * metre + 1))
    full = np.repeat(np.repeat(coarse, 2, axis=0)[:height], 2, axis=1)[:, :width]
    grain = np.frombuffer(rng.bytes(height * width), np.int8).reshape(height, width)
    full += grain * np.float32(0.045 / 74)  # an even spread over int8 has a deviation of 74
    return full
