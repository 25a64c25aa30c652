"""Barrier functions of everyday shapes, as SymPy expressions that are ``>= 0`` where the point is safe.

A point is a tuple of expressions in the state, so a point ahead of a robot, or the tip of an arm, works like the
centre. Coordinates may be numbers, states or parameters. What keeps several things apart is a list: every entry
becomes a row. Distances are distances (m), not their squares: the curvature of a distance does not grow with it,
and neither does the price of sampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import sympy as sp

from sb3_barriernet.errors import ConfigurationError, RowShapeError

Number: TypeAlias = sp.Expr | float
Point: TypeAlias = Sequence[Number]


def point_ahead(position: Point, heading: Number, distance: Number) -> Point:
    """The virtual point of a wheeled robot in the plane, ``distance`` [m] ahead of its centre.

    Turning moves it, so that a barrier there has relative degree 1 in both inputs of a unicycle (Cortez &
    Dimarogonas 2019).
    """
    return (position[0] + distance * sp.cos(heading), position[1] + distance * sp.sin(heading))


def half_plane(point: Point, normal: Point, offset: Number) -> sp.Expr:
    """Distance to the half space ``{q: n . q <= offset}`` from inside, with ``n`` the unit normal, out of it."""
    length = _norm(normal)
    return offset - sp.Add(*(n / length * q for n, q in _paired(normal, point)))


def limits(quantity: sp.Expr, low: Number, high: Number) -> list[sp.Expr]:
    """Keep a quantity within limits: a speed, a joint angle, a gap."""
    return [quantity - low, high - quantity]


def inside_box(point: Point, low: Point, high: Point) -> list[sp.Expr]:
    """Stay inside an axis-aligned box: a pair of limits for each axis."""
    return [h for (q, a), b in zip(_paired(point, low), _same_size(high, point), strict=True) for h in limits(q, a, b)]


def corridor(point: Point, direction: Point, middle: Point, half_width: Number) -> list[sp.Expr]:
    """Stay within ``half_width`` of a line in the plane through ``middle``."""
    normal = (-direction[1], direction[0])
    offset = sp.Add(*(n * q for n, q in _paired(normal, middle))) / _norm(normal)
    back = tuple(-n for n in normal)
    return [half_plane(point, normal, offset + half_width), half_plane(point, back, half_width - offset)]


def inside_polygon(point: Point, corners: Sequence[tuple[float, float]]) -> list[sp.Expr]:
    """Stay inside a convex polygon, its corners counter-clockwise.

    :raises ConfigurationError: if the polygon is not convex or runs clockwise
    """
    return [half_plane(point, normal, offset) for normal, offset in _edges(corners)]


def outside_polygon(point: Point, corners: Sequence[tuple[float, float]], sharpness: float = 20.0) -> sp.Expr:
    """Stay outside a convex polygon, corners counter-clockwise, rounded by at most ``log(edges) / sharpness`` m."""
    return any_of([-half_plane(point, normal, offset) for normal, offset in _edges(corners)], sharpness)


def outside_disc(point: Point, centre: Point, radius: Number) -> sp.Expr:
    """Stay out of a disc or ball.

    If it moves, its centre is a parameter: a known velocity belongs into ``parameter_rates``, a bound on an unknown
    one into ``disturbance``.
    """
    return _distance(point, centre) - radius


def inside_disc(point: Point, centre: Point, radius: Number) -> sp.Expr:
    """Stay in a disc or ball: ``(R^2 - d^2) / 2R``, smooth in the middle and of slope 1 at the edge."""
    return (radius**2 - sp.Add(*((q - c) ** 2 for q, c in _paired(point, centre)))) / (2 * radius)


def outside_ellipse(point: Point, centre: Point, axes: Point, *, angle: Number = 0, power: int = 2) -> sp.Expr:
    """Stay out of an ellipse, or a superellipse of even ``power > 2``, which fills its box; in units of its half axes.

    In the plane ``angle`` turns it counter-clockwise, rad.

    :raises ConfigurationError: for an odd power, or an angle out of the plane
    """
    return _ellipse(point, centre, axes, angle, power) ** sp.Rational(1, power) - 1


def inside_ellipse(point: Point, centre: Point, axes: Point, *, angle: Number = 0, power: int = 2) -> sp.Expr:
    """Stay in an ellipse or superellipse: ``(1 - sum (q_i / axis_i)^p) / p``, smooth in the middle.

    Arguments and errors as :func:`outside_ellipse`.
    """
    return (1 - _ellipse(point, centre, axes, angle, power)) / power


def outside_box(point: Point, low: Point, high: Point, sharpness: float = 20.0) -> sp.Expr:
    """Stay out of an axis-aligned box, rounded by at most ``log(faces) / sharpness`` m."""
    return any_of([-h for h in inside_box(point, low, high)], sharpness)


def separation(points: Sequence[Point], distance: Number) -> list[sp.Expr]:
    """Keep every pair of points at least ``distance`` apart."""
    return [_distance(p, q) - distance for i, p in enumerate(points) for q in points[i + 1 :]]


def all_of(functions: Sequence[sp.Expr], sharpness: float = 20.0) -> sp.Expr:
    """Smooth minimum ``-log(sum exp(-k h)) / k``: safe only where all are, at most ``log(n) / k`` too careful.

    A list of functions says the same with one row each and without rounding; one function saves rows.
    """
    return -sp.log(sp.Add(*(sp.exp(-sharpness * h) for h in functions))) / sharpness


def any_of(functions: Sequence[sp.Expr], sharpness: float = 20.0) -> sp.Expr:
    """Smooth maximum ``log(sum exp(k h) / n) / k``: safe only where one is, at most ``log(n) / k`` too careful."""
    total = sp.Add(*(sp.exp(sharpness * h) for h in functions))
    return (sp.log(total) - math.log(len(functions))) / sharpness


def _distance(p: Point, q: Point) -> sp.Expr:
    return _norm([a - b for a, b in _paired(p, q)])


def _ellipse(point: Point, centre: Point, axes: Point, angle: Number, power: int) -> sp.Expr:
    """``sum (q_i / axis_i)^p``, 1 on the edge."""
    if power < 2 or power % 2 or (angle != 0 and len(axes) != 2):
        raise ConfigurationError(
            f"Found the power {power} and the angle {angle} of an ellipse in {len(axes)} dimensions; expected an even "
            "power of at least 2, and an angle only in the plane."
        )
    offset = [q - c for q, c in _paired(point, centre)]
    if angle != 0:
        cos, sin = sp.cos(angle), sp.sin(angle)
        offset = [cos * offset[0] + sin * offset[1], cos * offset[1] - sin * offset[0]]
    return sp.Add(*((q / axis) ** power for q, axis in _paired(offset, axes)))


def _paired(p: Point, q: Point) -> list[tuple[Number, Number]]:
    return list(zip(p, _same_size(q, p), strict=True))


def _same_size(vector: Point, point: Point) -> Point:
    if len(vector) != len(point):
        raise RowShapeError(
            f"Found {tuple(vector)} beside the point {tuple(point)}; expected {len(point)} coordinates, one for each "
            "of the point's."
        )
    return vector


def _norm(vector: Point) -> sp.Expr:
    return sp.sqrt(sp.Add(*(sp.sympify(entry) ** 2 for entry in vector)))


def _edges(corners: Sequence[tuple[float, float]]) -> list[tuple[tuple[float, float], float]]:
    """Outer normal and offset of each edge."""
    edges = []
    for (ax, ay), (bx, by) in pairwise([*corners, corners[0]]):
        length = math.hypot(bx - ax, by - ay)
        normal = ((by - ay) / length, (ax - bx) / length)
        edges.append((normal, normal[0] * ax + normal[1] * ay))
    slack = 1e-9 * max(abs(offset) + 1.0 for _, offset in edges)
    if any(n[0] * x + n[1] * y > offset + slack for n, offset in edges for x, y in corners):
        raise ConfigurationError(
            f"Found the corners {list(corners)}; expected a convex polygon, counter-clockwise. Reverse the order, or "
            "split the shape into convex parts."
        )
    return edges
