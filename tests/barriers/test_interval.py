"""Interval arithmetic contains the truth; the branch and bound finds known minima."""

import math

import numpy as np
import pytest
import sympy as sp

from sb3_barriernet.barriers.certified_bound import lower_bound
from sb3_barriernet.barriers.interval import evaluate
from sb3_barriernet.errors import ConfigurationError

X, Y = sp.symbols("x y", real=True)
EXPRESSIONS = [
    X + 0.1 * Y - 3,
    X * Y,
    X**2 - Y**3,
    1 / (X**2 + 0.01),
    (X**2 + Y**2 + 0.1) ** sp.Rational(-3, 2),
    sp.sin(3 * X) * sp.cos(Y - 1),
    sp.exp(X) - sp.log(Y**2 + 1),
    sp.Abs(X - Y) + sp.sign(X) * Y,
    sp.Min(X, Y) - sp.Max(X, 0.3, Y**2),
    sp.sqrt(X**2 + Y**2) / (2 + sp.sin(X * Y)),
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_every_value_in_a_box_lies_in_the_range(expression):
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(-4.0, 4.0, size=(300, 2, 2)), axis=-1)
    low, high = evaluate(expression, {X: tuple(corners[:, 0].T), Y: tuple(corners[:, 1].T)})
    points = rng.uniform(corners[..., 0], corners[..., 1], size=(200, 300, 2))
    points[:50] = rng.choice([0.0, 1.0], size=(50, 300, 2)) * (corners[..., 1] - corners[..., 0]) + corners[..., 0]
    values = sp.lambdify((X, Y), expression)(points[..., 0], points[..., 1])
    assert (values >= low).all()
    assert (values <= high).all()
    assert np.isfinite(low).mean() > 0.9


def test_unbounded_ranges_stay_sound():
    everything = (np.array([-np.inf]), np.array([np.inf]))
    low, high = evaluate(sp.cos(X) * 0.5, {X: everything})
    assert (low[0], high[0]) == (pytest.approx(-0.5), pytest.approx(0.5))
    low, high = evaluate(X * 0 + Y - X, {X: everything, Y: (np.array([0.0]), np.array([1.0]))})
    assert (low[0], high[0]) == (-np.inf, np.inf)
    low, high = evaluate(1 / X, {X: (np.array([-1.0]), np.array([1.0]))})
    assert (low[0], high[0]) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("expression", "constraints", "least"),
    [
        (X**2 + Y**2 - X * Y, (), 0.0),
        ((X - 0.3) ** 2 * (Y + 5), (), 0.0),
        (X + Y, (1 - X**2 - Y**2,), -math.sqrt(2.0)),
        (1 / X, (X - 0.25,), 0.5),
        (sp.sin(5 * X) + Y, (), -3.0),
        (-1 / sp.sqrt(X**2 + Y**2), (X**2 + Y**2 - 1,), -1.0),
    ],
)
def test_the_bound_is_below_the_minimum_and_close(expression, constraints, least):
    bound = lower_bound(expression, {X: (-2.0, 2.0), Y: (-2.0, 2.0)}, constraints)
    assert least - 0.02 - 0.02 * abs(least) <= bound <= least + 1e-12


def test_endless_ranges_and_empty_sets_are_told_apart():
    assert lower_bound(X, {X: (-np.inf, np.inf)}) == -np.inf
    assert lower_bound(X, {X: (-1.0, 1.0)}, (X - 2,)) == np.inf


def test_functions_without_a_rule_are_named():
    with pytest.raises(ConfigurationError, match="function atan in"):
        evaluate(sp.atan(X), {X: (np.zeros(1), np.ones(1))})
