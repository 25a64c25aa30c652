"""Actions in variables that enter the dynamics linearly, mapped back exactly."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_barriernet.errors import ActionSpaceError
from sb3_barriernet.rows import check_action_space

MAX_CHECKED_CORNERS = 256
ROUND_OFF = 1e-6


class ActionMap(gym.Wrapper):
    """Replaces the action by one in which the dynamics are affine, such as the tangent of a steering angle.

    Agent, barrier and projection speak about the new action; the environment receives ``to_env(action)``. Put it
    *below* :class:`~sb3_barriernet.BarrierObservation`::

        env = ActionMap(env, lambda u: [np.arctan(u[0]), u[1]], spaces.Box(low, high))
        env = BarrierObservation(env, barrier, state)

    Other action wrappers are refused there, because the barrier could not know of them.

    :param env: the environment
    :param to_env: maps an action ``(M',)`` of the new space to one ``(M,)`` of the environment's
    :param action_space: bounded box of the new actions
    :raises ActionSpaceError: if the new actions are no bounded box, the environment's are no box, or an action of the
        new box has no image in the environment's
    """

    def __init__(self, env: gym.Env, to_env: Callable[[np.ndarray], Any], action_space: spaces.Box):
        super().__init__(env)
        self.to_env = to_env
        self.action_space = action_space
        self._check()

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        return self.env.step(self._mapped(np.asarray(action)))

    def _mapped(self, action: np.ndarray) -> np.ndarray:
        """Computed in float64 and rounded once."""
        space = self.env.action_space
        return np.asarray(self.to_env(action.astype(np.float64)), dtype=space.dtype)

    def _check(self) -> None:
        inner, outer = self.env.action_space, self.action_space
        check_action_space(outer)
        if not isinstance(inner, spaces.Box):
            raise ActionSpaceError(
                f"Found an environment with the action space {inner}; expected a `gymnasium.spaces.Box`. An action map "
                "stands before continuous actions."
            )
        assert isinstance(outer, spaces.Box)
        corners = itertools.product(*zip(outer.low.ravel(), outer.high.ravel(), strict=True))
        for corner in itertools.islice(corners, MAX_CHECKED_CORNERS):
            image = self._mapped(np.array(corner))
            slack = ROUND_OFF * (1.0 + np.abs(inner.high - inner.low))
            if image.shape != inner.shape or not ((image >= inner.low - slack) & (image <= inner.high + slack)).all():
                raise ActionSpaceError(
                    f"Found that the action map sends the corner {np.array(corner)} to {image}; expected an action of "
                    f"{inner}. An image outside the box would be clipped, and the safe action with it: choose the "
                    "new box as the one that maps into the old."
                )
