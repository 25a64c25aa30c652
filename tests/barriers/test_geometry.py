"""Shapes against membership tests that need no barrier."""

import numpy as np
import pytest
import sympy as sp

from sb3_barriernet.barriers import geometry
from sb3_barriernet.errors import ConfigurationError

X, Y = P = sp.symbols("x y", real=True)
POINTS = np.random.default_rng(0).uniform(-3.0, 3.0, size=(20_000, 2))
TRIANGLE = [(0.0, 0.0), (2.0, 0.0), (0.5, 1.5)]


def values(functions) -> np.ndarray:
    """Minimum over the functions at every point."""
    functions = functions if isinstance(functions, list) else [functions]
    return np.min([np.broadcast_to(sp.lambdify(P, h)(*POINTS.T), len(POINTS)) for h in functions], axis=0)


def in_triangle() -> np.ndarray:
    x, y = POINTS.T
    return (y >= 0.0) & (1.5 * x - 0.5 * y >= 0.0) & (1.5 * (2.0 - x) - 1.5 * y >= 0.0)


def in_turned_ellipse() -> np.ndarray:
    turned = POINTS @ np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    return (turned[:, 0] / 2.0) ** 2 + (turned[:, 1] / 0.7) ** 2 <= 1.0


SHAPES = {
    "half plane": (geometry.half_plane(P, (3.0, 4.0), 0.5), POINTS @ [0.6, 0.8] <= 0.5),
    "limits": (geometry.limits(X, -1.0, 2.0), (POINTS[:, 0] >= -1.0) & (POINTS[:, 0] <= 2.0)),
    "inside box": (geometry.inside_box(P, (-1, -2), (1, 0)), (np.abs(POINTS - np.array([0, -1])) <= 1.0).all(axis=1)),
    "corridor": (
        geometry.corridor(P, (1.0, 1.0), (0.0, 1.0), 0.5),
        np.abs(POINTS @ [-1.0, 1.0] - 1.0) <= 0.5 * np.sqrt(2.0),
    ),
    "inside polygon": (geometry.inside_polygon(P, TRIANGLE), in_triangle()),
    "outside disc": (geometry.outside_disc(P, (0.5, 0.0), 1.2), np.hypot(POINTS[:, 0] - 0.5, POINTS[:, 1]) >= 1.2),
    "inside disc": (geometry.inside_disc(P, (0.5, 0.0), 1.2), np.hypot(POINTS[:, 0] - 0.5, POINTS[:, 1]) <= 1.2),
    "outside ellipse": (geometry.outside_ellipse(P, (0, 0), (2.0, 0.7), angle=0.5), ~in_turned_ellipse()),
    "inside ellipse": (geometry.inside_ellipse(P, (0, 0), (2.0, 0.7), angle=0.5), in_turned_ellipse()),
    "inside superellipse": (
        geometry.inside_ellipse(P, (0.5, 0), (2.0, 1.0), power=4),
        ((POINTS[:, 0] - 0.5) / 2.0) ** 4 + POINTS[:, 1] ** 4 <= 1.0,
    ),
    "superellipse": (
        geometry.outside_ellipse(P, (0, 0), (2.0, 1.0), power=4),
        (POINTS[:, 0] / 2.0) ** 4 + POINTS[:, 1] ** 4 >= 1.0,
    ),
    "separation": (geometry.separation([P, (0, 0), (3, 0)], 1.0), (np.hypot(*POINTS.T) >= 1.0)),
}
SHAPES["separation"] = (
    SHAPES["separation"][0],
    SHAPES["separation"][1] & (np.hypot(POINTS[:, 0] - 3.0, POINTS[:, 1]) >= 1.0),
)


@pytest.mark.parametrize("name", SHAPES)
def test_a_point_is_safe_exactly_where_the_shape_says(name):
    functions, safe = SHAPES[name]
    assert 100 < safe.sum() < len(POINTS) - 100
    np.testing.assert_array_equal(values(functions) >= 0.0, safe)


def test_the_point_ahead_lies_ahead():
    np.testing.assert_allclose([float(c) for c in geometry.point_ahead((1.0, 2.0), np.pi / 2, 0.1)], [1.0, 2.1])


@pytest.mark.parametrize("shape", [geometry.inside_disc(P, (0, 0), 1.0), geometry.inside_ellipse(P, (0, 0), (1, 2))])
def test_shapes_to_stay_in_are_smooth_in_their_middle(shape):
    assert [sp.diff(shape, symbol).subs({X: 0, Y: 0}) for symbol in P] == [0, 0]


@pytest.mark.parametrize(
    ("rounded", "outside"),
    [
        (geometry.outside_polygon(P, TRIANGLE), ~in_triangle()),
        (geometry.outside_box(P, (-1, -2), (1, 0)), ~(np.abs(POINTS - np.array([0, -1])) <= 1.0).all(axis=1)),
    ],
)
def test_rounded_shapes_err_on_the_safe_side_and_little(rounded, outside):
    h = values(rounded)
    assert outside[h >= 0.0].all()
    assert (h[outside] >= -np.log(4.0) / 20.0).all()


def test_soft_minimum_and_maximum_lie_below_the_exact_ones():
    functions = [X, Y, X + Y - 0.5]
    exact = np.array([sp.lambdify(P, h)(*POINTS.T) for h in functions])
    for smooth, sharp in ((geometry.all_of, exact.min(axis=0)), (geometry.any_of, exact.max(axis=0))):
        error = sharp - values(smooth(functions))
        assert error.min() >= -1e-12
        assert error.max() <= np.log(3.0) / 20.0 + 1e-12


def test_polygons_must_be_convex_and_counter_clockwise():
    with pytest.raises(ConfigurationError, match="counter-clockwise"):
        geometry.inside_polygon(P, TRIANGLE[::-1])
    with pytest.raises(ConfigurationError, match="convex parts"):
        geometry.outside_polygon(P, [(0, 0), (2, 0), (0.5, 0.5), (0, 2)])


def test_ellipses_that_are_none_are_refused():
    with pytest.raises(ConfigurationError, match="even power"):
        geometry.outside_ellipse(P, (0, 0), (1, 1), power=3)
