"""Small trainings behind a speed limit, and whether every executed action kept it."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from sb3_barriernet import BarrierPPO
from tests.toys import limited_point

LIMIT = 0.2
SETTINGS: dict[str, Any] = dict(n_steps=32, batch_size=32, n_epochs=2, seed=0, device="cpu")


def make_point():
    """At module level, so that workers can import it."""
    return limited_point(LIMIT)


def points(n_envs: int = 2, **kwargs: Any) -> VecEnv:
    return make_vec_env(make_point, n_envs, seed=0, **kwargs)


def trained(env: Any = None, *, steps: int = 128, policy: str = "MlpPolicy", callback: Any = None, **settings: Any):
    """A model after ``steps`` steps in which nothing unsafe was executed, although it was proposed."""
    model = BarrierPPO(policy, points() if env is None else env, **SETTINGS | settings)
    model.learn(steps, callback=callback)
    assert_kept(model.get_env())
    return model


def assert_kept(env: VecEnv) -> None:
    """The largest speed that any environment ever received is the limit."""
    received = np.concatenate([np.stack(actions) for actions in env.get_attr("received")])
    assert received[:, 0].max() <= LIMIT + 1e-6
    assert np.isclose(received[:, 0], LIMIT, atol=1e-6).any(), "nothing was ever corrected"
