"""A car that can always stop: the claim of the module, and the cars of highway-env."""

import highway_env  # noqa: F401  (registers its environments)
import numpy as np
import pytest
import torch
from gymnasium import spaces
from highway_env.vehicle.kinematics import Vehicle

from sb3_barriernet import Status, project
from sb3_barriernet.barriers import BrakingCarBarrier
from sb3_barriernet.barriers.rectangles import rectangle_gaps
from sb3_barriernet.rows import split_rows

RNG = np.random.default_rng(0)
HIGH = np.array([5.0, np.arctan(0.5)], dtype=np.float32)


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


def test_gaps_are_the_distances_of_the_shadows():
    for a, b in zip(rectangles(300), rectangles(300), strict=True):
        expected = []
        for angle in (a[2], a[2] + np.pi / 2, b[2], b[2] + np.pi / 2):
            p, q = (corners(rectangle) @ [np.cos(angle), np.sin(angle)] for rectangle in (a, b))
            expected.append(max(p.min() - q.max(), q.min() - p.max()))
        np.testing.assert_allclose(rectangle_gaps(a, b), expected, atol=1e-12)


def test_braking_never_comes_nearer_and_stays_within_the_way_to_the_stop():
    for frames in (1, 3):
        car = barrier(frames=frames)
        for x in RNG.uniform([-5, -5, -4, -12], [5, 5, 4, 12], size=(300, 4)):
            brake = np.clip(-x[3] / (car.dt * frames), -5.0, 5.0), 0.0
            obstacles = rectangles(10)
            after = car.step(x, np.array([brake]))[0]
            assert (car.gaps(after, obstacles) >= car.gaps(x, obstacles) - 1e-12).all()
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
            touching |= rectangle_gaps(np.array([*place, x[2], 5.0, 2.0]), obstacle).max() < 0.0
    return bool(touching)


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


def test_near_an_obstacle_the_rows_promise_less_than_the_margin_too_much():
    """Where a row binds, within its share of the gap; far from there it may promise anything."""
    car, worst = barrier(margin=0.05), 0.0
    for x in RNG.uniform([-5, -5, -4, -6], [5, 5, 4, 6], size=(1500, 4)):
        obstacle = rectangles(1)
        if not 0.0 <= car.start_values(x, obstacle)[0] < 0.5:
            continue
        actions = RNG.uniform(-HIGH, HIGH, size=(50, 2))
        A, c = split_rows(car.rows(x, obstacle))
        allowed = actions[(actions @ A.T + c >= 0.0).all(axis=-1)]
        if len(allowed):
            after = car.gaps(car.step(x, allowed), obstacle).max(axis=-1)
            worst = min(worst, float(after.min()) - 0.05)
    assert worst > -0.05


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
