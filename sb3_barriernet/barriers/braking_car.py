r"""A car among walls and parked cars, which can always stop straight ahead.

**Dynamics.** The kinematic bicycle with the slip angle ``beta`` of its centre, as highway-env steps it: ``frames``
explicit Euler frames of ``dt`` seconds an action, the position before the speed,

.. math:: p^+ = p + v\,dt\,(\cos, \sin)(\psi + \beta), \quad \psi^+ = \psi + \frac{v\,dt}{l/2} \sin\beta, \quad
          v^+ = v + a\,dt .

**Claim.** Let ``h`` be the gap to an obstacle of the car's rectangle, made longer at the front by

.. math:: s(v) = \frac{v^2}{2b} + \tfrac12 v\,(T + dt), \qquad T = \mathrm{frames}\; dt,

``b`` the strongest braking (at the back for ``v < 0``). Braking without steering, ``a = -v/T`` within the limits, never
lowers ``h``, and the car's own rectangle lies in the longer one at every frame on the way.

*Proof.* Without slip the car moves along its own axis. Braking at ``b < v/T`` covers ``vT - bT^2/2 + bT dt/2`` in one
action, while ``s`` falls by this plus ``bT^2/2``. Otherwise the car stops within the action, after
``v(T + dt)/2 <= s(v)``. So the longer rectangle after the action lies in the one before it. ∎

While the car stands on a safe state some action therefore satisfies every row. A row looks at every frame of the
action: at the longer rectangle after the last, and at each one before at the car's own and where one more frame
straight on would take it, which highway-env counts as a crash already. (Braking takes it there, or less far.)
Rectangles are followed along the direction that separates them best before the action. The least of their gaps is
bounded from below over the whole action box by
:class:`~sb3_barriernet.barriers.simulated_barrier.SimulatedBarrier`; ``margin`` covers what that leaves.
"""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from sb3_barriernet.barriers.rectangles import rectangle_gaps
from sb3_barriernet.barriers.simulated_barrier import SimulatedBarrier


class BrakingCarBarrier:
    """Rows that keep a car, state ``[x, y, heading, speed]``, clear of rectangles that do not move.

    :param num_obstacles: ``O``, the same in every episode
    :param action_space: box of the acceleration (m/s^2) and the slip angle (rad); for a steering angle ``delta`` behind
        ``beta = arctan(tan(delta) / 2)`` put an :class:`~sb3_barriernet.ActionMap` below
    :param length: of the car, m; its axles are ``length / 2`` from the centre
    :param width: m
    :param dt: one frame of the simulator, s
    :param frames: for how many frames an action is held
    :param gamma: share of the gap that one action may use up, ``0 < gamma <= 1``
    :param margin: kept free around every obstacle, m
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
        self._simulated = SimulatedBarrier(
            self.passage,
            self._followed_gaps,
            num_obstacles,
            action_space,
            gamma,
            backup=self._brake,
            curved=True,
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
        :param obstacles: ``(..., O, 5)``, as :func:`~sb3_barriernet.barriers.rectangles.rectangle_gaps` takes them
        """
        return self._simulated.rows(x, obstacles, self.gaps(x, obstacles).argmax(axis=-1))

    def start_values(self, x: np.ndarray, obstacles: np.ndarray) -> np.ndarray:
        """Gaps beyond the margin, ``(..., O)`` in m."""
        return self.gaps(x, obstacles).max(axis=-1) - self.margin

    def excess(self, x: np.ndarray, actions: np.ndarray, obstacles: np.ndarray) -> np.ndarray:
        """By how much the rows promise too much, m: see :meth:`SimulatedBarrier.excess`."""
        return self._simulated.excess(x, actions, obstacles, self.gaps(x, obstacles).argmax(axis=-1))

    def gaps(self, x: np.ndarray, obstacles: np.ndarray) -> np.ndarray:
        """Gaps ``(..., O, 4)`` in m between the longer rectangle and every obstacle, along four directions."""
        return self._gaps(x, obstacles, self.stop(x[..., 3]))

    def _gaps(self, x: np.ndarray, obstacles: np.ndarray, longer: np.ndarray) -> np.ndarray:
        """The same with the rectangle made longer by ``longer (...,)``, m, at the back where negative."""
        east, north, heading, _ = np.moveaxis(x, -1, 0)
        middle = east + 1j * north + longer / 2 * np.exp(1j * heading)
        size = self.length + np.abs(longer), np.full_like(longer, self.width)
        car = np.stack([middle.real, middle.imag, heading, *size], axis=-1)
        return rectangle_gaps(car[..., None, :], obstacles)

    def stop(self, speed: np.ndarray) -> np.ndarray:
        """``s(v)``, m, negative backwards."""
        return speed * (np.abs(speed) / self.braking + self.dt * (self.frames + 1)) / 2

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

    def _followed_gaps(self, x: np.ndarray, obstacles: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """The least gaps ``(..., O)`` of a state, or of those side by side, along the direction of each obstacle."""
        states = x.reshape(*x.shape[:-1], -1, 4)
        longer = self.dt * states[..., 3]
        longer[..., -1] = self.stop(states[..., -1, 3])
        least = self._gaps(states, obstacles, longer).min(axis=-3)
        chosen = np.broadcast_to(directions[..., None], (*least.shape[:-1], 1))
        return np.take_along_axis(least, chosen, axis=-1)[..., 0]
