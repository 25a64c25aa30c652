"""Gaps between turned rectangles, such as cars and walls seen from above, in numbers."""

from __future__ import annotations

import numpy as np


def rectangle_gaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Gaps between two rectangles along the four directions of their sides, ``(..., 4)`` in m.

    The rectangles are apart if any gap is positive (separating axis theorem), so a barrier may follow any one of them
    from one step to the next, say the largest. A gap of one direction is smooth where the largest of them is not.

    :param a: ``(..., 5)``: the centre's x and y (m), the heading (rad), the length along it and the width (m)
    :param b: as ``a``; leading dimensions are broadcast
    """
    (ax, ay, a_heading, *a_size), (bx, by, b_heading, *b_size) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    offset, turn = (bx - ax) + 1j * (by - ay), np.exp(1j * (b_heading - a_heading))
    along_a = _along(offset * np.exp(-1j * a_heading), turn, a_size, b_size)
    along_b = _along(offset * np.exp(-1j * b_heading), turn, b_size, a_size)
    return np.stack([*along_a, *along_b], axis=-1)


def _along(
    offset: np.ndarray, turn: np.ndarray, own: list[np.ndarray], other: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Gaps along the length and the width of one rectangle; ``offset`` to the other in its frame, complex, m."""
    cos, sin = np.abs(turn.real), np.abs(turn.imag)
    (length, width), (other_length, other_width) = own, other
    lengthwise = np.abs(offset.real) - (length + cos * other_length + sin * other_width) / 2
    sideways = np.abs(offset.imag) - (width + sin * other_length + cos * other_width) / 2
    return lengthwise, sideways
