"""The same projection, after any trained agent."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import is_vectorized_observation

from sb3_barriernet.projection import Projection
from sb3_barriernet.projection.row_filter import RowFilter, warn_if_unsafe
from sb3_barriernet.rows import BARRIER_KEY, check_spaces


class SafetyFilter:
    """Projects the actions of any SB3 or sb3-contrib agent onto the barrier rows of its observation.

    Offers SB3's ``predict``, so ``evaluate_policy(SafetyFilter(model), env)`` works. The agent must
    have been trained on observations that carry rows (whether or not it looks at them).

    :param model: agent with a bounded ``Box`` action space
    :param projection_weight: ``W``, see :class:`~sb3_barriernet.projection.row_filter.RowFilter`
    :param projection_backend: name of the projection backend
    :param backup_action: ``(M,)``, taken where rows or nominal action are not finite
    :raises ConfigurationError: (a subclass) if the agent's spaces cannot be filtered
    """

    def __init__(
        self,
        model: BaseAlgorithm,
        *,
        projection_weight: Any = None,
        projection_backend: str | None = None,
        backup_action: Any = None,
    ):
        check_spaces(model.observation_space, model.action_space)
        assert isinstance(model.action_space, spaces.Box)
        self.model = model
        self.observation_space = model.observation_space
        self.action_space = model.action_space
        self.row_filter = RowFilter(
            model.action_space,
            weight=projection_weight,
            backend=projection_backend,
            backup_action=backup_action,
        )
        self.nominal: th.Tensor | None = None
        self.projection: Projection | None = None

    def predict(
        self,
        observation: dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """Safe action and the agent's next hidden state, as SB3's ``predict``.

        Statuses of the batch are in ``.projection``; an action that breaks a row raises an
        :class:`~sb3_barriernet.errors.UnsafeActionWarning`.
        """
        nominal, state = self.model.predict(observation, state, episode_start, deterministic)
        rows = np.asarray(observation[BARRIER_KEY])
        is_batch = is_vectorized_observation(rows, self.observation_space[BARRIER_KEY])  # type: ignore[index]
        proposed = th.as_tensor(nominal if is_batch else nominal[None])
        projection = self.project(rows if is_batch else rows[None], proposed)
        self.nominal, self.projection = proposed, projection
        warn_if_unsafe(projection)
        safe = projection.action.numpy().copy()  # some environments write into theirs
        return (safe if is_batch else safe[0]), state

    def project(self, rows: np.ndarray, nominal: th.Tensor) -> Projection:
        """Projection of nominal actions ``(B, M)`` onto rows ``(B, K, M + 2)``."""
        with th.no_grad():
            return self.row_filter(th.as_tensor(rows), nominal)
