"""Less noise towards the end of training."""

from __future__ import annotations

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from sb3_barriernet.barrier_ppo.nominal_policy import NominalActorCriticPolicy
from sb3_barriernet.errors import ConfigurationError


class ActionStdSchedule(BaseCallback):
    """Lets the std of the nominal action fall linearly over training; within a rollout and its update it is fixed.

    In the Zoo's YAML::

        callback:
          - sb3_barriernet.barrier_ppo.ActionStdSchedule:
              final: 0.4

    :param final: std at the end of training, as a share of the std at its start
    :raises ConfigurationError: unless ``0 < final <= 1``, or, when training starts, if the policy's std is not fixed
    """

    def __init__(self, final: float):
        super().__init__()
        if not 0.0 < final <= 1.0:
            raise ConfigurationError(f"Found final={final}; expected 0 < final <= 1, what is left of the std.")
        self.final = final

    def _on_training_start(self) -> None:
        policy = self.model.policy
        if not isinstance(policy, NominalActorCriticPolicy):
            raise ConfigurationError(
                f"Found a {type(policy).__name__}; only policies with a fixed std can have it scheduled, "
                "BarrierPPO's and NominalActorCriticPolicy."
            )
        # Kept as `model.initial_action_std`, so that a model that goes on learning knows where its std began.
        if self.model.num_timesteps == 0 or not hasattr(self.model, "initial_action_std"):
            self.model.initial_action_std = policy.action_std.cpu().numpy()  # type: ignore[attr-defined]  # a note of ours

    def _on_rollout_start(self) -> None:
        # SB3's own number is still that of the training before, in the first rollout of one that goes on.
        left = 1.0 - float(self.model.num_timesteps) / float(self.model._total_timesteps)
        policy = self.model.policy
        assert isinstance(policy, NominalActorCriticPolicy)
        initial_std: np.ndarray = self.model.initial_action_std  # type: ignore[attr-defined]  # likewise
        policy.set_action_std(initial_std * (self.final + (1.0 - self.final) * left))

    def _on_step(self) -> bool:
        return True
