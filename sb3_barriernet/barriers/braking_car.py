r"""A car among walls and parked cars, which can always stop straight ahead.

**Dynamics.** The kinematic bicycle with the slip angle ``beta`` of its centre, as highway-env steps it: ``F`` frames,
explicit Euler steps of ``dt`` seconds, an action, the position before the speed,

.. math:: p^+ = p + v\,dt\,(\cos, \sin)(\psi + \beta), \quad \psi^+ = \psi + k\,v \sin\beta, \quad
          v^+ = v + a\,dt, \qquad k = \frac{dt}{l/2} .

**Claim.** Let ``h`` be the distance to an obstacle of the car's rectangle, made longer at the front by

.. math:: s(v) = \frac{v^2}{2b} + \tfrac12 v\,(T + dt), \qquad T = F\,dt,

``b`` the strongest braking (at the back for ``v < 0``). Braking without steering, ``a = -v/T`` within the limits, never
lowers ``h``, and the car's own rectangle lies in the longer one at every frame on the way.

*Proof.* Without slip the car moves along its own axis. Braking at ``b < v/T`` covers ``vT - bT^2/2 + bT dt/2`` in one
action, while ``s`` falls by this plus ``bT^2/2``. Otherwise the car stops within the action, after
``v(T + dt)/2 <= s(v)``. So the longer rectangle after the action lies in the one before it. ∎

While the car stands on a safe state some action therefore satisfies every row. A row looks at every frame of the
action: at the longer rectangle after the last, and at each one before at the car's own and where one more frame
straight on would take it, which highway-env counts as a crash already. (Braking takes it there, or less far.)

**Rows.** Rectangles are followed along the direction ``d`` from nearest point to nearest point before the action. The
least of their gaps along ``d``, never more than their distances, is a function ``H(a, beta)`` of the action, bounded
from below over the whole box by :class:`~sb3_barriernet.barriers.simulated_barrier.SimulatedBarrier`, which needs to
know how much ``H`` may bend upwards: :meth:`BrakingCarBarrier.bend`.

*Bound.* With :math:`m + i n = \bar d\, e^{i\psi}` a gap is, but for a constant,

.. math:: -\,d \cdot p - m^+ \rho_f - m^- \rho_r - |n|\, w/2 ,

``rho`` how far the rectangle reaches from ``p`` to the front and to the back. Let ``V = |v| + bT`` bound the speeds,
:math:`\hat\rho = (l + w)/2 + s(V)` the reaches, and :math:`\psi_j, \theta_j = \psi_j + \beta` be the heading and the
course at frame ``j``.

- Along ``beta``: reaches stay, :math:`|\psi_j'| \le k j V` and :math:`|\psi_j''| \le k j V \sin\hat\beta`, so that the
  position bends by at most :math:`\sum_{j<F} V dt\,((1 + kjV)^2 + kjV \sin\hat\beta)`, and the reaches' part by at most
  :math:`\hat\rho\,((kFV)^2 + kFV \sin\hat\beta)`. The kinks of ``m+``, ``m-`` and ``|n|`` bend downwards.
- Along ``a``: :math:`\psi_j' = k \sin\beta\, dt\, j(j-1)/2` is constant. The position bends by at most
  :math:`\sum_{j<F} dt\,(2 j\,dt\,|\psi_j'| + V \psi_j'^2)`. Reaches are convex functions of the speed, so they bend a
  gap downwards, but for :math:`\hat\rho\,\psi_F'^2 + 2\,|\psi_F'|\,T s'(V)` where ``m`` changes too.

The least of many functions lies no farther below its interpolation than the one that bends most. ∎
"""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from sb3_barriernet.barriers.rectangles import gaps_along, separating_directions
from sb3_barriernet.barriers.simulated_barrier import SimulatedBarrier

PIECES = 4
"""Into which each side of a quadrant of actions is cut. More follow ``H`` more closely, at quadratic cost."""


class BrakingCarBarrier:
    """Rows that keep a car, state ``[x, y, heading, speed]``, clear of rectangles that do not move.

    :param num_obstacles: ``O``, the same in every episode
    :param action_space: box of the acceleration (m/s^2) and the slip angle (rad); for a steering angle ``delta`` behind
        ``beta = arctan(tan(delta) / 2)`` put an :class:`~sb3_barriernet.ActionMap` below
    :param length: of the car, m; its axles are ``length / 2`` from the centre
    :param width: m
    :param dt: one frame of the simulator, s
    :param frames: for how many frames an action is held
    :param gamma: share of the distance that one action may use up, ``0 < gamma <= 1``
    :param margin: kept free around every obstacle, m; it has only round-off to cover
    """

    def __init__(
        self,
        num_obstacles: int,
        action_space: spaces.Box,
        *,
        length: float,
        width: float,
        dt: float,
        frames: int = 1,
        gamma: float = 0.5,
        margin: float = 0.05,
    ):
        self.length, self.width, self.dt, self.frames, self.margin = length, width, dt, frames, margin
        self.braking = float(min(action_space.high[0], -action_space.low[0]))
        self.slip = float(max(action_space.high[1], -action_space.low[1]))
        self._simulated = SimulatedBarrier(
            self.passage,
            self._gaps_on_the_way,
            num_obstacles,
            action_space,
            gamma,
            backup=self._brake,
            pieces=PIECES,
            bend=self.bend,
            shrink=margin,
        )

    @property
    def action_dim(self) -> int:
        """``M = 2``."""
        return self._simulated.action_dim

    @property
    def num_rows(self) -> int:
        """``K = 4 O``."""
        return self._simulated.num_rows

    def rows(self, x: np.ndarray, obstacles: np.ndarray) -> np.ndarray:
        """Barrier rows ``(..., K, M + 2)``.

        :param x: ``(..., 4)``: the position of the centre (m), the heading (rad), the speed (m/s)
        :param obstacles: ``(..., O, 5)``: the centre's x and y (m), the heading (rad), the length and the width (m)
        """
        return self._simulated.rows(x, obstacles, self._directions(x, obstacles))

    def start_values(self, x: np.ndarray, obstacles: np.ndarray) -> np.ndarray:
        """Distances beyond the margin, ``(..., O)`` in m."""
        return self.distances(x, obstacles) - self.margin

    def excess(self, x: np.ndarray, actions: np.ndarray, obstacles: np.ndarray) -> np.ndarray:
        """By how much the rows promise too much, m: see :meth:`SimulatedBarrier.excess`."""
        return self._simulated.excess(x, actions, obstacles, self._directions(x, obstacles))

    def distances(self, x: np.ndarray, obstacles: np.ndarray) -> np.ndarray:
        """Distances ``(..., O)`` in m from the longer rectangle to every obstacle, negative where they overlap."""
        car = self._longer(x, self.stop(x[..., 3]))[..., None, :]
        return gaps_along(separating_directions(car, obstacles), car, obstacles)

    def stop(self, speed: np.ndarray) -> np.ndarray:
        """``s(v)``, m, negative backwards."""
        return speed * (np.abs(speed) / self.braking + self.dt * (self.frames + 1)) / 2

    def bend(self, x: np.ndarray, *_: np.ndarray) -> np.ndarray:
        """Upper bounds ``(..., 2)`` of the second derivatives of ``H``: m s^4/m^2, m/rad^2. Proved above."""
        time, frame = self.frames * self.dt, np.arange(self.frames + 1)
        speed = (np.abs(x[..., 3]) + self.braking * time)[..., None]
        reach = (self.length + self.width) / 2 + self.stop(speed[..., 0])
        turn = self.dt / (self.length / 2) * np.sin(self.slip)
        per_acceleration = turn * self.dt * frame * (frame - 1) / 2
        moving = 2 * self.dt * frame * per_acceleration + speed * per_acceleration**2
        last = per_acceleration[-1]
        growing = 2 * last * time * (speed[..., 0] / self.braking + (time + self.dt) / 2)
        acceleration = self.dt * moving[..., :-1].sum(axis=-1) + reach * last**2 + growing
        per_slip = self.dt / (self.length / 2) * frame * speed
        swing = per_slip * np.sin(self.slip)
        course = speed * self.dt * ((1 + per_slip) ** 2 + swing)
        slip = course[..., :-1].sum(axis=-1) + reach * (per_slip[..., -1] ** 2 + swing[..., -1])
        return np.stack([acceleration, slip], axis=-1)

    def step(self, x: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Next states ``(P, 4)`` from one state ``(4,)`` and actions ``(P, 2)``."""
        return self.passage(x, actions)[:, -4:]

    def passage(self, x: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """The states after each frame on the way there, side by side, ``(P, 4 frames)``."""
        (east, north, heading, speed), (acceleration, slip) = x, actions.T
        place, states = east + 1j * north, []
        for _ in range(self.frames):
            place = place + self.dt * speed * np.exp(1j * (heading + slip))
            heading = heading + self.dt * speed * np.sin(slip) / (self.length / 2)
            speed = speed + self.dt * acceleration
            states += [place.real, place.imag, heading, speed]
        return np.stack(states, axis=-1)

    def _brake(self, x: np.ndarray, *_: np.ndarray) -> tuple[float, float]:
        return float(np.clip(-x[3] / (self.dt * self.frames), -self.braking, self.braking)), 0.0

    def _directions(self, x: np.ndarray, obstacles: np.ndarray) -> np.ndarray:
        car = self._longer(x, self.stop(x[..., 3]))
        return separating_directions(car[..., None, :], obstacles)

    def _longer(self, x: np.ndarray, by: np.ndarray) -> np.ndarray:
        """The car's rectangle ``(..., 5)`` made longer by ``by (...,)``, m, at the back where negative."""
        east, north, heading, _ = np.moveaxis(x, -1, 0)
        size = self.length + np.abs(by), np.full_like(by, self.width)
        return np.stack([east + by / 2 * np.cos(heading), north + by / 2 * np.sin(heading), heading, *size], axis=-1)

    def _gaps_on_the_way(self, x: np.ndarray, obstacles: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """The least gaps ``(..., O)`` of a state, or of those side by side, along a direction for each obstacle."""
        states = x.reshape(*x.shape[:-1], -1, 4)
        longer = self.dt * states[..., 3]
        longer[..., -1] = self.stop(states[..., -1, 3])
        return gaps_along(directions, self._longer(states, longer)[..., None, :], obstacles).min(axis=-2)
