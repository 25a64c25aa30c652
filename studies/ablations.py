"""The defects of an earlier project, rebuilt one by one, so that anyone can see what each of them costs.

Nothing here is part of the package, and nothing here is right. ``studies/ablations.yml`` and
``studies/ablated_solver.yml`` train with these classes, ``scripts/ablations.py`` computes with them. Importing this
module registers the broken solvers as projection backends ``"padded_1e6"``, ``"padded_1"`` and ``"unpadded"``; they
take ``pip install --no-deps qpth``.
"""

from __future__ import annotations

import functools
from typing import cast

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import nn

from sb3_barriernet.barrier_ppo.policies import BarrierActorCriticPolicy
from sb3_barriernet.barriers.gains import check_gain
from sb3_barriernet.barriers.stacked_barrier import StackedBarrier
from sb3_barriernet.barriers.virtual_point import VirtualPointBarrier
from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.envs.pursuit_barrier import PursuitEvasionBarrier, read_pursuer
from sb3_barriernet.envs.pursuit_evasion import PursuitEvasionEnv
from sb3_barriernet.projection import Projection, Status
from sb3_barriernet.projection.faces import full_weight
from sb3_barriernet.projection.problem import Problem
from sb3_barriernet.projection.registry import register_backend
from sb3_barriernet.systems.unicycle import Unicycle

CHANGED = 1e-2
"""How far an action must be moved to count as changed, raw action units: the earlier project's own threshold."""

SEPARATION = 0.35
"""Distance that the earlier project kept between the virtual points of the robots, m."""


def padded_solver(problem: Problem, right_hand_side: float | None) -> Projection:
    """A projection by qpth's interior point, configured as it was there, with an unused row ``0 u <= right_hand_side``.

    A batch on which the solver raises is answered by the clipped nominal actions, *unfiltered*. Statuses say which
    actions were moved, right or wrong.

    :param right_hand_side: of the unused row; without such a row if None
    """
    from qpth.qp import QPFunction

    u = problem.u.double()
    low, high = problem.low.expand_as(u), problem.high.expand_as(u)
    batch, dim = u.shape
    eye = th.eye(dim, dtype=th.float64).expand(batch, dim, dim)
    zero = [] if right_hand_side is None else [th.zeros(batch, 1, dim, dtype=th.float64)]
    wide = [] if right_hand_side is None else [th.full((batch, 1), right_hand_side, dtype=th.float64)]
    G = th.cat([-problem.A, *zero, -eye, eye], dim=1)
    h = th.cat([problem.c, *wide, -low, high], dim=1)
    weight = 2.0 * full_weight(problem).expand(batch, dim, dim)
    none = th.zeros(0, dtype=th.float64)
    try:
        solver = QPFunction(verbose=-1, maxIter=30, notImprovedLim=5)
        action = solver(weight, -(weight @ u[..., None])[..., 0], G, h, none, none)
    except RuntimeError:
        action = u
    action = th.minimum(th.maximum(action, low), high)
    clipped = th.minimum(th.maximum(u, low), high)
    moved = (action - clipped).norm(dim=1) > CHANGED
    status = th.where(moved, int(Status.ACTIVE), int(Status.INACTIVE)).to(th.int8)
    slack = (-((problem.A @ action[..., None])[..., 0] + problem.c)).amax(dim=1).clamp(min=0.0)
    faces = th.full((batch, dim + 2), -1, dtype=th.int16)
    return Projection(action.to(problem.u.dtype), slack, status, faces, problem.A.shape[1])


for name, right_hand_side in (("padded_1e6", 1e6), ("padded_1", 1.0), ("unpadded", None)):
    register_backend(name, functools.partial(padded_solver, right_hand_side=right_hand_side))


class ClampedPolicy(BarrierActorCriticPolicy):
    """Clamps the sampled action to its box *before* its likelihood is taken and stored.

    The clamped action is then weighed as if the Gaussian had proposed it: every sample beyond the box pulls the mean
    to where it was put.
    """

    def forward(self, obs: PyTorchObs, deterministic: bool = False) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        decisions, values, _ = super().forward(obs, deterministic)
        half = self.action_half_range
        clamped = th.minimum(th.maximum(decisions, self.action_middle - half), self.action_middle + half)
        return clamped, values, self.get_distribution(obs).log_prob(clamped)


class LearnableStdPolicy(BarrierActorCriticPolicy):
    """Learns its exploration noise like any weight."""

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        initial = self.log_std.clone()
        del self.log_std
        self.log_std = nn.Parameter(initial)
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)


class RobotRow:
    """The earlier project's row between the robots: their virtual points stay :data:`SEPARATION` apart.

    ``h = |q - q_e|^2 - SEPARATION^2``, of degree one in the pursuer's action.

    :param unicycle: the pursuer
    :param alpha: class-K gain, 1/s
    :param evader_speed: speed at which the evader may come nearer, m/s. Zero there, so that its row guaranteed
        nothing; its top speed in a row that does
    """

    action_dim = 2
    num_rows = 1

    def __init__(self, unicycle: Unicycle, alpha: float, evader_speed: float):
        self.unicycle = unicycle
        self.alpha = check_gain(alpha, unicycle.dt)
        self.evader_speed = evader_speed

    def rows(self, pose: np.ndarray, evader: np.ndarray) -> np.ndarray:
        """Row ``(..., 1, 4)`` for poses ``(..., 3)`` of both robots."""
        gap, distance = self._gap(pose, evader)
        cos, sin = np.cos(pose[..., 2]), np.sin(pose[..., 2])
        ahead = 2.0 * (gap[..., 0] * cos + gap[..., 1] * sin)
        across = 2.0 * self.unicycle.look_ahead * (gap[..., 1] * cos - gap[..., 0] * sin)
        approach = -2.0 * distance * self.evader_speed
        return np.stack([ahead, across, approach, self.alpha * (distance**2 - SEPARATION**2)], axis=-1)[..., None, :]

    def start_values(self, pose: np.ndarray, evader: np.ndarray) -> np.ndarray:
        """Clearance of the virtual points ``(..., 1)``, m."""
        return self._gap(pose, evader)[1][..., None] - SEPARATION

    def _gap(self, pose: np.ndarray, evader: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gap = self.unicycle.virtual_point(pose) - self.unicycle.virtual_point(evader)
        return gap, np.linalg.norm(gap, axis=-1)


class WithRobotRow(BarrierObservation):
    """The rows of :class:`~sb3_barriernet.PursuitEvasionBarrier`, and one between the robots.

    :param env: a pursuit-evasion environment
    :param alpha: class-K gain of all rows, 1/s
    :param worst_case: whether the row reckons with the evader's top speed
    """

    def __init__(self, env: gym.Env, alpha: float = 1.0, worst_case: bool = True):
        own = cast("VirtualPointBarrier", PursuitEvasionBarrier(env, alpha=alpha).barrier)
        speed = cast("PursuitEvasionEnv", env.unwrapped).settings.evader_speed if worst_case else 0.0
        between = RobotRow(own.unicycle, alpha, speed)
        super().__init__(env, StackedBarrier([own, between], [(0, 1), (0, 2)]), read_both)


def read_both(env: gym.Env) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pose of the pursuer, obstacles, pose of the evader."""
    return (*read_pursuer(env), cast("PursuitEvasionEnv", env).simulation.evader[0])


class StraightUnicycle(Unicycle):
    """Pretends that a step of the virtual point follows its tangent, as the continuous-time condition does."""

    @property
    def turn_curvature(self) -> float:
        return 0.0


class WithoutMargin(PursuitEvasionBarrier):
    """:class:`~sb3_barriernet.PursuitEvasionBarrier` without its sampled-data margin.

    :param env: a pursuit-evasion environment
    :param alpha: class-K gain, 1/s
    :param point_only: let the virtual point come as near to an obstacle as the robot's centre may, as the earlier
        project did; where the robot turns away from it, its centre then comes nearer
    """

    def __init__(self, env: gym.Env, alpha: float = 2.0, point_only: bool = True):
        super().__init__(env, alpha=alpha)
        barrier = cast("VirtualPointBarrier", self.barrier)
        unicycle = barrier.unicycle
        barrier.unicycle = StraightUnicycle(
            max_speed=unicycle.max_speed,
            max_turn_rate=unicycle.max_turn_rate,
            dt=unicycle.dt,
            look_ahead=unicycle.look_ahead,
        )
        if point_only:
            self.state = functools.partial(read_narrow, body=barrier.body_radius, look_ahead=unicycle.look_ahead)


def read_narrow(env: gym.Env, body: float, look_ahead: float) -> tuple[np.ndarray, np.ndarray]:
    """Pose and obstacles, narrowed by what the barrier adds for the way from its virtual point to the body, m."""
    pose, discs = read_pursuer(env)
    reach = discs[:, 2] + body
    narrow = np.sqrt(np.maximum(reach**2 - look_ahead**2, 0.0)) - body
    return pose, np.column_stack([discs[:, :2], np.where(discs[:, 2] < 0.0, discs[:, 2], narrow)])
