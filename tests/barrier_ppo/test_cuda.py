"""Networks on a GPU: the same promises, whichever device a model was made, saved or cut off on."""

import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierPPO, ResumableTraining, SafetyFilter, distill, export
from tests.barrier_ppo.models import LIMIT, SETTINGS, KeepRollout, make_model, rollout
from tests.toys import limited_point

pytestmark = pytest.mark.skipif(not th.cuda.is_available(), reason="needs a CUDA device")

CPU_ROUNDING = 1e-5
"""How far two devices may be apart after a few layers in float32; an H200 rounds its products to 10 bits."""

ALL = dict(
    learn_gains=True, gain_range=(0.1, 1.0), correction_loss_coef=0.1, correction_coef=1.0, row_encoding="pooled"
)


def observations(count: int = 8) -> dict[str, np.ndarray]:
    return make_vec_env(lambda: limited_point(LIMIT), count, seed=5).reset()


def proposals(model: BarrierPPO) -> np.ndarray:
    model.predict(observations(), deterministic=True)
    return model.policy.nominal.cpu().numpy()


@pytest.mark.parametrize("settings", [{}, ALL])
def test_training_and_prediction(settings):
    model = make_model(device="cuda", **settings)
    kept = rollout(model)
    assert (kept.safe[..., 0] <= LIMIT + 1e-6).all()
    assert model.policy.log_std.is_cuda
    assert distill(model, total_timesteps=64).policy.log_std.is_cuda


def test_a_saved_model_goes_on_on_the_other_device_and_back(tmp_path):
    model = make_model()
    rollout(model)
    model.save(tmp_path / "model")
    there = BarrierPPO.load(tmp_path / "model", env=make_vec_env(lambda: limited_point(LIMIT), 2, seed=0))
    assert there.policy.action_std.is_cuda  # where nothing is said, SB3 chooses the GPU
    np.testing.assert_allclose(proposals(there), proposals(model), atol=CPU_ROUNDING)
    kept = KeepRollout()
    there.learn(64, callback=kept, reset_num_timesteps=False)
    assert (kept.safe[..., 0] <= LIMIT + 1e-6).all()
    there.save(tmp_path / "model")
    back = BarrierPPO.load(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(proposals(back), proposals(there), atol=CPU_ROUNDING)


def test_a_training_that_was_cut_off_is_resumed_there(tmp_path):
    def learned(steps, *callbacks):
        model = make_model(device="cuda")
        return model.learn(steps, callback=list(callbacks)).policy.state_dict()

    uninterrupted = learned(4 * 64)
    learned(2 * 64, ResumableTraining(tmp_path / "training"))
    resumed = learned(4 * 64, ResumableTraining(tmp_path / "training", verbose=0))
    for name, expected in uninterrupted.items():
        th.testing.assert_close(resumed[name], expected, atol=1e-6, rtol=1e-5)


def test_a_file_holds_what_the_gpu_learned(tmp_path):
    model = make_model(device="cuda", **ALL)
    rollout(model)
    export(model, tmp_path / "there.onnx")
    ort = pytest.importorskip("onnxruntime")
    (u_nom,) = ort.InferenceSession(tmp_path / "there.onnx").run(["u_nom"], observations())
    np.testing.assert_allclose(u_nom, proposals(model), atol=CPU_ROUNDING)


def test_an_agent_on_the_gpu_behind_a_filter():
    env = make_vec_env(lambda: limited_point(LIMIT), 2, seed=0)
    filtered = SafetyFilter(PPO("MultiInputPolicy", env, **SETTINGS | dict(device="cuda")).learn(64))
    actions, _ = filtered.predict(observations(), deterministic=False)
    assert (actions[:, 0] <= LIMIT + 1e-6).all()
