"""A car park of highway-env, made safe: the car touches neither wall nor car, not even while it learns.

pip install sb3-barriernet[examples]
python examples/parking.py [timesteps]
"""

import sys

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO

from sb3_barriernet import ActionMap, BarrierObservation, BarrierPPO, ViolationCounter, assert_invariant
from sb3_barriernet.barriers import BrakingCarBarrier
from sb3_barriernet.envs.swift_parking import SwiftParking

PARKED, WALLS, MARGIN = 8, 4, 0.05  # cars, walls, m; docs/third-party-environments.md says what the margin is for
ACCELERATION, STEERING, SLIP = 5.0, np.pi / 4, np.arctan(0.5)  # m/s^2, rad; the slip at full steering


def make_env() -> gym.Env:
    return SwiftParking(gym.make("parking-v0", config={"vehicles_count": PARKED}))


def make_safe(env: gym.Env) -> gym.Env:
    """Act by acceleration and slip angle, held for three frames, and publish the rows of all walls and parked cars."""
    box = gym.spaces.Box(np.float32([-ACCELERATION, -SLIP]), np.float32([ACCELERATION, SLIP]))
    env = ActionMap(env, lambda u: [u[0] / ACCELERATION, np.arctan(2 * np.tan(u[1])) / STEERING], box)
    car = BrakingCarBarrier(PARKED + WALLS, box, length=5, width=2, dt=1 / 15, frames=3, margin=MARGIN)
    return BarrierObservation(env, car, car_and_obstacles)


def car_and_obstacles(env: gym.Env) -> tuple[np.ndarray, np.ndarray]:
    boxes = [[*thing.position, thing.heading, thing.LENGTH, thing.WIDTH] for thing in obstacles(env)]
    return np.array([*env.vehicle.position, env.vehicle.heading, env.vehicle.speed]), np.array(boxes)


def obstacles(env: gym.Env) -> list:
    return [thing for thing in (*env.road.vehicles, *env.road.objects) if thing.solid and thing is not env.vehicle]


def clearance(env: gym.Env) -> float:
    """Metres to the nearest obstacle by highway-env's own polygons, -1 in a crash."""
    car, others = env.vehicle.polygon(), np.array([thing.polygon() for thing in obstacles(env)])
    return -1.0 if env.vehicle.crashed else np.maximum(gaps(car, others), gaps(others, car)).min()


def gaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:  # between the shadows of polygons on the sides of the first
    sides = np.diff(a, axis=-2) @ [[0.0, 1.0], [-1.0, 0.0]]
    p, q = (sides @ np.swapaxes(c, -2, -1) / np.linalg.norm(sides, axis=-1, keepdims=True) for c in (a, b))
    return np.maximum(q.min(axis=-1) - p.max(axis=-1), p.min(axis=-1) - q.max(axis=-1)).max(axis=-1)


if __name__ == "__main__":
    print(assert_invariant(make_safe(make_env()), clearance, steps=100))
    for algorithm, env in ((BarrierPPO, make_safe(make_env())), (PPO, make_env())):
        counted = ViolationCounter(env, clearance)
        algorithm("MultiInputPolicy", counted, seed=0).learn(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
        print(f"{algorithm.__name__}: {counted.violations} violations in {counted.steps} training steps")
