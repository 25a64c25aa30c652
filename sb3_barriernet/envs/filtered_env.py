"""The filter inside the environment, for algorithms that know nothing of it."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium import spaces

from sb3_barriernet.projection.filter_info import filter_info
from sb3_barriernet.projection.row_filter import RowFilter
from sb3_barriernet.rows import BARRIER_KEY, check_spaces


class FilteredEnv(gym.Wrapper):
    """Executes the closest safe action to the one it is given, so that whatever learns here, learns safely.

    ``step`` projects onto the rows of the present state, in the environment's own process, before anything moves:
    random warm-up, exploration noise and evaluation included. The algorithm stays as it is, and sees the filter as a
    part of its environment. (:class:`~sb3_barriernet.SafetyFilter` is the same behind a trained agent;
    :class:`~sb3_barriernet.BarrierPPO` filters by itself and takes environments without this wrapper.)

    ``info`` gains ``safe_action``, ``filter_status``, ``intervention``, ``correction`` and ``barrier_min``, see
    :mod:`~sb3_barriernet.projection.filter_info`. A NaN in the action is answered by the backup action.

    :param env: environment that publishes rows, see :class:`~sb3_barriernet.BarrierObservation`
    :param hide_rows: take the rows out of the observation again, which then is the task's own. For algorithms without
        a policy for dictionaries, such as CrossQ, and for networks that shall not see them. By default they stay, for
        :class:`~sb3_barriernet.BarrierExtractor`.
    :param projection_weight: ``W``, see :class:`~sb3_barriernet.projection.row_filter.RowFilter`
    :param projection_backend: name of the projection backend
    :param backup_action: ``(M,)``, taken where rows or action are not finite
    :raises ConfigurationError: (a subclass) if the environment cannot be filtered
    """

    def __init__(
        self,
        env: gym.Env,
        *,
        hide_rows: bool = False,
        projection_weight: Any = None,
        projection_backend: str | None = None,
        backup_action: Any = None,
    ):
        super().__init__(env)
        check_spaces(env.observation_space, env.action_space)
        assert isinstance(env.observation_space, spaces.Dict)
        assert isinstance(env.action_space, spaces.Box)
        self.box = env.action_space
        self.hide_rows = hide_rows
        self.row_filter = RowFilter(
            env.action_space,
            weight=projection_weight,
            backend=projection_backend,
            backup_action=backup_action,
        )
        if hide_rows:
            self.observation_space = _only_one(_task_part(env.observation_space.spaces), spaces.Dict)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return self._seen(observation), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        nominal, rows = np.asarray(action, dtype=self.box.dtype), self.rows
        safe, status = self._project(nominal, rows)
        observation, reward, terminated, truncated, info = self.env.step(safe.copy())  # some write into theirs
        info = {**info, **filter_info(nominal, safe, status, rows, self.box)}
        return self._seen(observation), reward, terminated, truncated, info

    def _project(self, nominal: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, int]:
        with th.no_grad():
            projection = self.row_filter(th.as_tensor(rows)[None], th.as_tensor(nominal)[None])
        return projection.action[0].numpy(), int(projection.status[0])

    def _seen(self, observation: dict[str, Any]) -> Any:
        """What the algorithm sees; the rows of the state are kept for the next action, whatever is made of them."""
        self.rows = np.array(observation[BARRIER_KEY])
        return _only_one(_task_part(observation), dict) if self.hide_rows else observation


def _task_part(entries: dict[str, Any]) -> dict[str, Any]:
    return {key: entry for key, entry in entries.items() if key != BARRIER_KEY}


def _only_one(entries: dict[str, Any], container: type) -> Any:
    """The only entry, or all of them in a container."""
    return next(iter(entries.values())) if len(entries) == 1 else container(entries)
