"""A small model on a small environment, and what its last rollout stored."""

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierPPO
from tests.toys import limited_point

LIMIT = 0.2
SETTINGS = dict(n_steps=32, batch_size=32, n_epochs=2, seed=0, device="cpu")


def make_model(limit: float = LIMIT, n_envs: int = 2, **kwargs) -> BarrierPPO:
    return BarrierPPO("MlpPolicy", make_vec_env(lambda: limited_point(limit), n_envs, seed=0), **SETTINGS | kwargs)


class KeepRollout(BaseCallback):
    """Copies of what the last rollout stored, before the update reshapes it."""

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer
        self.nominal, self.safe = buffer.actions.copy(), buffer.safe_actions.copy()
        self.status, self.log_probs = buffer.status.copy(), buffer.log_probs.copy()
        self.observations = {key: value.copy() for key, value in buffer.observations.items()}


def rollout(model: BarrierPPO) -> KeepRollout:
    """One rollout and one update."""
    kept = KeepRollout()
    model.learn(model.n_steps * model.n_envs, callback=kept)
    return kept
