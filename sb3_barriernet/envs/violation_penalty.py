"""A reward that minds violations: what an algorithm without a filter has instead of one."""

from __future__ import annotations

import math

from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_barriernet.errors import ConfigurationError


class ViolationPenalty(VecEnvWrapper):
    """Subtracts a penalty from the reward of every step with ``info["violation"]``.

    It lies outside ``Monitor``, which goes on reporting the task's own return. For the RL Zoo::

        vec_env_wrapper:
          - sb3_barriernet.envs.ViolationPenalty:
              penalty: 1.0

    :param venv: environments that judge themselves, see :class:`~sb3_barriernet.ViolationCounter`
    :param penalty: of a violating step, in units of the reward
    :raises ConfigurationError: unless the penalty is a finite number >= 0, or, at the first step, if nothing is judged
    """

    def __init__(self, venv: VecEnv, penalty: float = 1.0):
        if not (math.isfinite(penalty) and penalty >= 0.0):
            raise ConfigurationError(f"Found penalty={penalty}; expected a finite number >= 0, in units of the reward.")
        super().__init__(venv)
        self.penalty = penalty

    def reset(self) -> VecEnvObs:
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, dones, infos = self.venv.step_wait()
        if "violation" not in infos[0]:
            raise ConfigurationError(
                'Found no info["violation"] to charge for. Wrap the environment in `ViolationCounter(env, clearance)`, '
                "which judges each step by the task's geometry."
            )
        charge = [self.penalty * info["violation"] for info in infos]
        return observations, rewards - charge, dones, infos
