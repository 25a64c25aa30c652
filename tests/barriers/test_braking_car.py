"""A car that can always stop: the claim of the module, and the cars of highway-env."""

import highway_env  # noqa: F401  (registers its environments)
import numpy as np
import pytest
import torch
from gymnasium import spaces
from highway_env.vehicle.kinematics import Vehicle

from sb3_barriernet import Status, project
from sb3_barriernet.barriers import BrakingCarBarrier
from sb3_barriernet.barriers.rectangles import gaps_along, separating_directions
from sb3_barriernet.rows import split_rows

RNG = np.random.default_rng(0)
HIGH = np.array([5.0, np.arctan(0.5)], dtype=np.float32)

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=bool)


def barrier(num_obstacles: int = 1, frames: int = 3, margin: float = 0.0) -> BrakingCarBarrier:
    box = spaces.Box(-HIGH, HIGH)
    return BrakingCarBarrier(num_obstacles, box, length=5.0, width=2.0, dt=1 / 15, frames=frames, margin=margin)


def rectangles(num: int) -> np.ndarray:
    return RNG.uniform([-8, -8, -4, 0.5, 0.5], [8, 8, 4, 8, 3], size=(num, 5))


def corners(rectangle: np.ndarray) -> np.ndarray:
    x, y, heading, length, width = rectangle
    half = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * [length / 2, width / 2]
    return half @ [[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]] + [x, y]


def inside(points: np.ndarray, rectangle: np.ndarray) -> np.ndarray:
    x, y, heading, length, width = rectangle
    own = (points - [x, y]) @ [[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]]
    return (np.abs(own) <= np.array([length, width]) / 2 + 1e-9).all(axis=-1)


def shadows_apart(a: np.ndarray, b: np.ndarray, angle: float) -> float:
    p, q = (corners(rectangle) @ [np.cos(angle), np.sin(angle)] for rectangle in (a, b))
    return q.min() - p.max()


def test_gaps_are_between_shadows_and_the_largest_is_the_distance():
    counts = np.zeros(2, dtype=int)
    for a, b in zip(rectangles(300), rectangles(300), strict=True):
        direction = separating_directions(a, b)
        gap = gaps_along(direction, a, b)
        np.testing.assert_allclose(gap, shadows_apart(a, b, np.angle(direction)), atol=1e-12)
        if gap > 0.0:
            around = gaps_along(np.exp(1j * np.linspace(-np.pi, np.pi, 20_001)), a, b)
            assert around.max() - 1e-12 <= gap <= around.max() + 1e-3
        else:
            sides = np.array([a[2], b[2]])[:, None] + np.pi / 2 * np.arange(4)
            assert gap == pytest.approx(max(shadows_apart(a, b, angle) for angle in sides.ravel()), abs=1e-12)
        counts[int(gap > 0.0)] += 1
    assert (counts > 20).all()


def test_rectangles_that_touch_are_apart_by_nothing():
    a, b = np.array([0.0, 0.0, 0.3, 4.0, 2.0]), np.array([4.0 * np.cos(0.3), 4.0 * np.sin(0.3), 0.3, 4.0, 2.0])
    assert gaps_along(separating_directions(a, b), a, b) == pytest.approx(0.0, abs=1e-12)
    assert np.abs(separating_directions(a, a)) == pytest.approx(1.0)


def test_braking_never_comes_nearer_and_stays_within_the_way_to_the_stop():
    for frames in (1, 3):
        car = barrier(frames=frames)
        for x in RNG.uniform([-5, -5, -4, -12], [5, 5, 4, 12], size=(300, 4)):
            brake = np.clip(-x[3] / (car.dt * frames), -5.0, 5.0), 0.0
            obstacles = rectangles(10)
            after = car.step(x, np.array([brake]))[0]
            assert (car.distances(after, obstacles) >= car.distances(x, obstacles) - 1e-9).all()
            stop = car.stop(x[3])
            longer = np.array([*x[:2] + stop / 2 * np.array([np.cos(x[2]), np.sin(x[2])]), x[2], 5.0 + abs(stop), 2.0])
            single = barrier(frames=1)
            for _ in range(frames):
                x = single.step(x, np.array([brake]))[0]
                assert inside(corners(np.array([*x[:3], 5.0, 2.0])), longer).all()


def test_in_every_safe_state_braking_satisfies_all_rows():
    car = barrier(num_obstacles=4, margin=0.05)
    checked = 0
    for x in RNG.uniform([-5, -5, -4, -8], [5, 5, 4, 8], size=(400, 4)):
        obstacles = rectangles(4)
        if (car.start_values(x, obstacles) < 0.0).any():
            continue
        A, c = split_rows(car.rows(x, obstacles))
        assert (A @ [np.clip(-x[3] * 5.0, -5.0, 5.0), 0.0] + c >= -1e-9).all()
        checked += 1
    assert checked > 20


def frames_touch(car: BrakingCarBarrier, x: np.ndarray, action: np.ndarray, obstacle: np.ndarray) -> bool:
    """Whether the car is in contact after a frame of the action, or where one more frame straight on takes it."""
    single, touching = barrier(frames=1), False
    for _ in range(car.frames):
        x = single.step(x, action[None])[0]
        for ahead in (0.0, x[3] * car.dt):
            place = x[:2] + ahead * np.array([np.cos(x[2]), np.sin(x[2])])
            moved = np.array([*place, x[2], 5.0, 2.0])
            touching |= bool(gaps_along(separating_directions(moved, obstacle), moved, obstacle) < 0.0)
    return touching


def test_no_frame_on_the_way_touches():
    car, corrected = barrier(margin=0.05), 0
    # Backwards past a wall at 9.6 m/s: the front swings out, and back before the action ends.
    cases = [(np.array([32.4331, -8.787, 5.1718, -9.5952]), np.array([35.0, 0.0, np.pi / 2, 42.0, 1.0]))]
    for x in RNG.uniform([-6, -6, -4, -12], [6, 6, 4, 12], size=(3000, 4)):
        cases.append((x, rectangles(1)[0]))
    for i, (x, obstacle) in enumerate(cases):
        if not 0.0 <= car.start_values(x, obstacle[None])[0] < 0.5:
            continue
        nominal = -HIGH if i == 0 else RNG.choice([-1.0, 1.0], size=2) * HIGH
        A, c = split_rows(torch.as_tensor(car.rows(x, obstacle[None])[None]))
        result = project(torch.as_tensor(nominal[None]), A, c, -HIGH, HIGH)
        assert not frames_touch(car, x, result.action[0].double().numpy(), obstacle)
        corrected += int(result.status[0] == Status.ACTIVE)
    assert corrected > 30


@pytest.mark.parametrize("frames", [1, 3])
def test_rows_never_promise_too_much(frames):
    car, binding = barrier(frames=frames), 0
    for x in RNG.uniform([-8, -8, -4, -20], [8, 8, 4, 20], size=(400, 4)):
        obstacles = rectangles(3)
        safe = obstacles[car.start_values(x, obstacles) >= 0.0]
        actions = np.concatenate([RNG.uniform(-HIGH, HIGH, size=(30, 2)), np.where(CORNERS, HIGH, -HIGH)])
        for obstacle in safe:
            excess = car.excess(x, actions, obstacle[None])
            assert excess.max() <= 1e-9
            A, c = split_rows(car.rows(x, obstacle[None]))
            binding += int((actions @ A.T + c < 0.0).any())
    assert binding > 50


@pytest.mark.parametrize("frames", [1, 3])
def test_gaps_bend_upwards_by_less_than_the_bound_and_not_by_much_less(frames):
    car, tightest = barrier(frames=frames), 0.0
    steps = np.array([[0.5, 0.0], [0.0, 0.01]])
    for x in RNG.uniform([-8, -8, -4, -20], [8, 8, 4, 20], size=(1000, 4)):
        directions = np.exp(1j * RNG.uniform(-4, 4, size=8))
        obstacles = rectangles(8)
        for axis, step in enumerate(steps):
            middle = RNG.uniform(-HIGH + step, HIGH - step)
            probes = np.stack([middle - step, middle, middle + step])
            below, value, above = car._gaps_on_the_way(car.passage(x, probes), obstacles, directions)
            bend = (above + below - 2 * value) / step[axis] ** 2
            assert bend.max() <= car.bend(x)[axis] + 1e-9
        tightest = max(tightest, bend.max() / car.bend(x)[1])
    assert tightest > 0.3


@pytest.mark.parametrize(
    ("x", "action", "obstacle"),
    [
        ([6.7416, 10.4409, -0.3476, -13.9976], [-1.3021, -0.0879], [-18.0, 14.0]),
        ([-3.4685, -3.0846, 6.5023, -15.7812], [3.7574, -0.1171], [-26.0, -14.0]),
        ([-10.2083, -2.0027, 5.5212, 13.768], [-0.5097, 0.0947], [10.0, -14.0]),
    ],
)
def test_the_swing_of_a_fast_car_is_seen(x, action, obstacle):
    """A bang-bang attack met these where rows looked at the ends of the action box only.

    The end of the longer rectangle, 20 m ahead, swings into a parked car and out again in between.
    """
    parked = np.array([[*obstacle, np.pi / 2, 5.0, 2.0]])
    assert barrier().excess(np.array(x), np.array([action]), parked).max() <= 1e-9


def test_a_car_stopped_to_round_off_is_not_asked_to_retreat():
    """Between two walls there is no way back from what an action rounded to float32 costs."""
    car, speed = barrier(num_obstacles=2, margin=0.05), -4.7684e-8
    walls = np.array([[x, 0.0, np.pi / 2, 40.0, 1.0] for x in (3.05, -3.05)])
    x = np.array([0.0, 0.0, 0.0, speed])
    assert -1e-7 < car.start_values(x, walls).min() < -1e-9
    A, c = split_rows(torch.as_tensor(car.rows(x, walls)[None]))
    result = project(torch.as_tensor(HIGH[None]), A, c, -HIGH, HIGH)
    assert result.status[0] == Status.ACTIVE


@pytest.mark.parametrize("frames", [1, 3])
def test_the_step_is_that_of_highway_env(frames):
    car = barrier(frames=frames)
    for x in RNG.uniform([-5, -5, -4, -12], [5, 5, 4, 12], size=(50, 4)):
        acceleration, slip = RNG.uniform(-HIGH, HIGH)
        vehicle = Vehicle(None, x[:2], x[2], x[3])
        for _ in range(frames):
            vehicle.act({"acceleration": acceleration, "steering": np.arctan(2 * np.tan(slip))})
            vehicle.step(1 / 15)
        after = car.step(x, np.array([[acceleration, slip]]))[0]
        np.testing.assert_allclose(after, [*vehicle.position, vehicle.heading, vehicle.speed], atol=1e-12)
