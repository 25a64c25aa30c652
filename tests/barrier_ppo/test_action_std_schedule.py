"""The std falls between rollouts and stands still within each."""

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierPPO, NominalActorCriticPolicy
from sb3_barriernet.barrier_ppo import ActionStdSchedule
from sb3_barriernet.errors import ConfigurationError
from tests.barrier_ppo.models import SETTINGS, make_model
from tests.toys import limited_point


class Stds(BaseCallback):
    """The std at every step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def _on_step(self) -> bool:
        self.seen.append(float(self.model.policy.action_std[0]))
        return True


def test_the_std_falls_linearly_from_rollout_to_rollout():
    model, stds = make_model(), Stds()
    start = float(model.policy.action_std[0])
    model.learn(4 * 64, callback=[ActionStdSchedule(final=0.2), stds])
    of_rollouts = np.reshape(stds.seen, (4, 32))
    assert (of_rollouts == of_rollouts[:, :1]).all()
    np.testing.assert_allclose(of_rollouts[:, 0] / start, [1.0, 0.8, 0.6, 0.4], rtol=1e-6)


@pytest.mark.parametrize("algorithm", [BarrierPPO, PPO])
def test_a_training_that_goes_on_starts_where_its_own_schedule_is(algorithm):
    policy = "MlpPolicy" if algorithm is BarrierPPO else NominalActorCriticPolicy
    model, stds = algorithm(policy, make_vec_env(limited_point, 2, seed=0), **SETTINGS), Stds()
    start = float(model.policy.action_std[0])
    model.learn(2 * 64, callback=ActionStdSchedule(final=0.2))
    model.learn(2 * 64, callback=[ActionStdSchedule(final=0.2), stds], reset_num_timesteps=False)
    np.testing.assert_allclose(np.reshape(stds.seen, (2, 32))[:, 0] / start, [0.6, 0.4], rtol=1e-6)


def test_a_std_that_falls_is_still_no_parameter_and_is_saved_as_it_is(tmp_path):
    model = make_model()
    model.learn(4 * 64, callback=ActionStdSchedule(final=0.2))
    assert "log_std" not in dict(model.policy.named_parameters())
    model.save(tmp_path / "model")
    assert type(model).load(tmp_path / "model", device="cpu").policy.action_std.equal(model.policy.action_std)


@pytest.mark.parametrize("final", [0.0, -1.0, 1.5, np.nan])
def test_shares_that_cannot_be_are_refused(final):
    with pytest.raises(ConfigurationError, match="0 < final <= 1"):
        ActionStdSchedule(final)


def test_policies_that_learn_their_std_are_refused():
    with pytest.raises(ConfigurationError, match=r"ActorCriticPolicy.*only policies with a fixed std"):
        PPO("MlpPolicy", "Pendulum-v1", n_steps=32, batch_size=32).learn(32, callback=ActionStdSchedule(0.5))
