"""Interval arithmetic on SymPy expressions, over many boxes at once.

Every result is rounded outwards, so that the true range lies inside whatever the floating-point unit does
(Moore, Kearfott & Cloud 2009, ch. 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
import sympy as sp

from sb3_barriernet.errors import ConfigurationError

Interval = tuple[np.ndarray, np.ndarray]
"""Lower and upper ends, each ``(B,)``."""

LIBRARY_ROUND_OFF = 4e-16
"""Relative error allowed to the mathematical library's functions, twice one unit in the last place."""


def evaluate(expression: sp.Expr, boxes: Mapping[sp.Symbol, Interval]) -> Interval:
    """Range of an expression over boxes, never too narrow.

    :raises ConfigurationError: for a function that has no interval rule here
    """
    memory: dict[sp.Basic, Interval] = {}
    with np.errstate(all="ignore"):
        return _visit(sp.sympify(expression), boxes, memory)


def _visit(node: sp.Expr, boxes: Mapping[sp.Symbol, Interval], memory: dict[sp.Basic, Interval]) -> Interval:
    if node not in memory:
        memory[node] = _apply(node, boxes, memory)
    return memory[node]


def _apply(node: sp.Expr, boxes: Mapping[sp.Symbol, Interval], memory: dict[sp.Basic, Interval]) -> Interval:
    if node.is_Symbol:
        return boxes[node]
    if node.is_number:
        value = np.array([float(node)])
        return _outward(value, value)
    parts = [_visit(argument, boxes, memory) for argument in node.args]
    if node.is_Add or node.is_Mul:
        combine = _add if node.is_Add else _multiply
        total = parts[0]
        for part in parts[1:]:
            total = combine(total, part)
        return total
    if node.is_Pow:
        return _power(parts[0], node.exp)
    if node.func in _RULES:
        return _RULES[node.func](*parts)
    raise ConfigurationError(
        f"Found the function {node.func.__name__} in {node}, which has no interval rule; known are "
        f"{sorted(rule.__name__ for rule in _RULES)}, sums, products and powers. Give the margin as a number."
    )


def _outward(low: np.ndarray, high: np.ndarray) -> Interval:
    """One unit in the last place wider; NaN, from infinity minus infinity, means anything."""
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


def _add(a: Interval, b: Interval) -> Interval:
    return _outward(a[0] + b[0], a[1] + b[1])


def _multiply(a: Interval, b: Interval) -> Interval:
    corners = [_product(x, y) for x in a for y in b]
    return _outward(np.minimum.reduce(corners), np.maximum.reduce(corners))


def _product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Zero times infinity is zero here: the ends of a range bound finite values."""
    return np.where((x == 0.0) | (y == 0.0), 0.0, x * y)


def _power(base: Interval, exponent: sp.Expr) -> Interval:
    if exponent.is_Integer:
        power = int(exponent)
        return _integer_power(base, power) if power >= 0 else _reciprocal(_integer_power(base, -power))
    if exponent.is_number and (2 * exponent).is_Integer:
        return _power(_square_root(base), 2 * exponent)
    raise ConfigurationError(
        f"Found the exponent {exponent}; interval arithmetic here knows whole and half numbers. "
        "Give the margin as a number."
    )


def _integer_power(base: Interval, power: int) -> Interval:
    low, high = base[0] ** power, base[1] ** power
    if power % 2 == 0:
        spans_zero = (base[0] <= 0.0) & (base[1] >= 0.0)
        low, high = np.where(spans_zero, 0.0, np.minimum(low, high)), np.maximum(low, high)
    return _widen(low, high)


def _reciprocal(a: Interval) -> Interval:
    low, high = 1.0 / a[1], 1.0 / a[0]
    # A range that touches zero from one side keeps one finite end.
    low = np.where(a[1] == 0.0, -np.inf, low)
    high = np.where(a[0] == 0.0, np.inf, high)
    spans_zero = (a[0] < 0.0) & (a[1] > 0.0)
    return _outward(np.where(spans_zero, -np.inf, low), np.where(spans_zero, np.inf, high))


def _square_root(a: Interval) -> Interval:
    """Over the part of the range where a root exists."""
    low, high = _outward(np.sqrt(np.maximum(a[0], 0.0)), np.sqrt(np.maximum(a[1], 0.0)))
    return np.maximum(low, 0.0), high


def _sine(a: Interval) -> Interval:
    return _cosine(_outward(a[0] - 0.5 * math.pi, a[1] - 0.5 * math.pi))


def _cosine(a: Interval) -> Interval:
    ends = np.cos(a[0]), np.cos(a[1])
    # Finite multiples of pi inside; the slack covers the rounding of pi itself.
    slack = 1e-12 * (1.0 + np.abs(a[0]) + np.abs(a[1]))
    has_maximum = np.floor((a[1] + slack) / (2 * math.pi)) >= np.ceil((a[0] - slack) / (2 * math.pi))
    shifted = (a[0] - slack - math.pi) / (2 * math.pi), (a[1] + slack - math.pi) / (2 * math.pi)
    has_minimum = np.floor(shifted[1]) >= np.ceil(shifted[0])
    unbounded = ~np.isfinite(a[0]) | ~np.isfinite(a[1])
    low = np.where(has_minimum | unbounded, -1.0, np.fmin(*ends))
    high = np.where(has_maximum | unbounded, 1.0, np.fmax(*ends))
    return np.maximum(low - LIBRARY_ROUND_OFF, -1.0), np.minimum(high + LIBRARY_ROUND_OFF, 1.0)


def _exponential(a: Interval) -> Interval:
    low, high = _widen(np.exp(a[0]), np.exp(a[1]))
    return np.maximum(low, 0.0), high


def _logarithm(a: Interval) -> Interval:
    return _widen(np.log(np.maximum(a[0], 0.0)), np.log(np.maximum(a[1], 0.0)))


def _widen(low: np.ndarray, high: np.ndarray) -> Interval:
    return _outward(low - LIBRARY_ROUND_OFF * np.abs(low), high + LIBRARY_ROUND_OFF * np.abs(high))


def _absolute(a: Interval) -> Interval:
    low, high = np.minimum(np.abs(a[0]), np.abs(a[1])), np.maximum(np.abs(a[0]), np.abs(a[1]))
    return np.where((a[0] <= 0.0) & (a[1] >= 0.0), 0.0, low), high


def _sign(a: Interval) -> Interval:
    return np.sign(a[0]), np.sign(a[1])


def _impulse(a: Interval, *order: Interval) -> Interval:
    """Derivatives of a sign: nothing, or anything where it switches."""
    switches = (a[0] <= 0.0) & (a[1] >= 0.0)
    return np.where(switches, -np.inf, 0.0), np.where(switches, np.inf, 0.0)


def _minimum(*parts: Interval) -> Interval:
    return reduce(np.minimum, (low for low, _ in parts)), reduce(np.minimum, (high for _, high in parts))


def _maximum(*parts: Interval) -> Interval:
    return reduce(np.maximum, (low for low, _ in parts)), reduce(np.maximum, (high for _, high in parts))


_RULES: dict[type, Callable[..., Interval]] = {
    sp.sin: _sine,
    sp.cos: _cosine,
    sp.exp: _exponential,
    sp.log: _logarithm,
    sp.Abs: _absolute,
    sp.sign: _sign,
    sp.DiracDelta: _impulse,
    sp.Min: _minimum,
    sp.Max: _maximum,
}
