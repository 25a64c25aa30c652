"""Distances between turned rectangles, such as cars and walls seen from above, in numbers."""

from __future__ import annotations

import numpy as np

TOUCHING = 1e-6
"""Closer than this, m, the direction from one nearest point to the other is lost in round-off."""


def separating_directions(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """From ``a`` to ``b``, the directions along which two rectangles are farthest apart, ``(...,)`` as unit numbers.

    Where they are apart these are the directions from nearest point to nearest point, and :func:`gaps_along` them is
    the distance; where they overlap, the sides along which they do so least. A gap along a direction that stays is
    smooth where the distance is not, and never more than the distance (separating axis theorem).

    :param a: ``(..., 5)``: the centre's x and y (m), the heading (rad), the length along it and the width (m)
    :param b: as ``a``; leading dimensions are broadcast
    """
    sides, gaps = _sides(a, b)
    widest = gaps.argmax(axis=-1)[..., None]
    nearest = _nearest(a, b)
    with np.errstate(invalid="ignore"):
        pointed = nearest / np.abs(nearest)
    apart = np.take_along_axis(gaps, widest, axis=-1)[..., 0] > TOUCHING
    return np.where(apart, pointed, np.take_along_axis(sides, widest, axis=-1)[..., 0])


def gaps_along(direction: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Gaps ``(...,)`` in m between the shadows of two rectangles along directions from ``a`` to ``b``."""
    offset = _centre(b) - _centre(a)
    return (np.conj(direction) * offset).real - _reach(direction, a) - _reach(direction, b)


def _sides(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The directions of both rectangles' sides, each from ``a`` to ``b``, and the gaps along them, ``(..., 4)``."""
    a, b = np.broadcast_arrays(a, b)
    axes = np.exp(1j * np.stack([a[..., 2], b[..., 2]], axis=-1))
    axes = np.concatenate([axes, 1j * axes], axis=-1)
    offset = (_centre(b) - _centre(a))[..., None]
    axes = np.where((np.conj(axes) * offset).real < 0.0, -axes, axes)
    return axes, gaps_along(axes, a[..., None, :], b[..., None, :])


def _nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The shortest way from a point of ``a`` to one of ``b`` that begins or ends in a corner, complex, m."""
    ways = np.concatenate([_ways(a, b), -_ways(b, a)], axis=-1)
    return np.take_along_axis(ways, np.abs(ways).argmin(axis=-1)[..., None], axis=-1)[..., 0]


def _ways(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """From every corner of ``a`` to the nearest point of ``b``, ``(..., 4)``."""
    turn = np.exp(1j * b[..., 2])[..., None]
    seen = (_corners(a) - _centre(b)[..., None]) * np.conj(turn)
    half_length, half_width = b[..., 3, None] / 2, b[..., 4, None] / 2
    inside = np.clip(seen.real, -half_length, half_length) + 1j * np.clip(seen.imag, -half_width, half_width)
    return (inside - seen) * turn


def _corners(a: np.ndarray) -> np.ndarray:
    """``(..., 4)``, complex."""
    half = a[..., 3, None] * [1, 1, -1, -1] + 1j * a[..., 4, None] * [1, -1, -1, 1]
    return _centre(a)[..., None] + half / 2 * np.exp(1j * a[..., 2])[..., None]


def _reach(direction: np.ndarray, a: np.ndarray) -> np.ndarray:
    """How far a rectangle reaches from its centre along a direction, m."""
    seen = np.conj(direction) * np.exp(1j * a[..., 2])
    return (np.abs(seen.real) * a[..., 3] + np.abs(seen.imag) * a[..., 4]) / 2


def _centre(a: np.ndarray) -> np.ndarray:
    return a[..., 0] + 1j * a[..., 1]
