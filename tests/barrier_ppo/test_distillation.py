"""A student that does by itself what the filter did to its teacher, and what is left when the filter goes."""

import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from sb3_barriernet import BarrierObservation, BarrierPPO, distill, without_filter
from sb3_barriernet.barrier_ppo.distillation import Lessons
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.evaluation import TrainingRecorder, WithoutFilter
from tests.barrier_ppo.models import LIMIT, SETTINGS, make_model, rollout
from tests.toys import DriftingPoint, SpeedLimit, limited_point, read_position, walled_point

STEPS = 2000


def leaning(model: BarrierPPO) -> BarrierPPO:
    """A teacher that leans on its filter: it wants to go ahead at 0.8, where the rows allow 0.2."""
    with th.no_grad():
        model.policy.action_net.bias.copy_(th.tensor([0.8, 0.3]))
    return model


@pytest.fixture(scope="module")
def teacher() -> BarrierPPO:
    return leaning(make_model(n_envs=4, action_std=0.5))


@pytest.fixture(scope="module")
def lesson(teacher):
    """A student, everything that reached the environment while it learned, and what was recorded."""
    env = make_vec_env(lambda: limited_point(LIMIT), 4, seed=0)
    recorder = TrainingRecorder()
    student = distill(teacher, env, STEPS, margin=0.05, callback=recorder, learning_rate=3e-3)
    received = np.concatenate([np.stack(member.unwrapped.received) for member in env.envs])
    return student, received, recorder.record


def proposals(model: BarrierPPO) -> np.ndarray:
    model.predict(make_vec_env(lambda: limited_point(LIMIT), 8, seed=3).reset(), deterministic=True)
    return model.policy.nominal.numpy()


def test_the_student_proposes_what_the_filter_made_of_its_teacher(teacher, lesson):
    assert (proposals(teacher)[:, 0] > LIMIT + 0.5).all()
    expected = np.tile([LIMIT - 0.05, 0.3], (8, 1))  # the row, tightened by 0.05; the second action was never unsafe
    np.testing.assert_allclose(proposals(lesson[0]), expected, atol=0.03)


def test_nothing_unsafe_is_executed_while_it_learns(lesson):
    _, received, record = lesson
    assert len(received) >= STEPS
    assert received[:, 0].max() <= LIMIT + 1e-7
    assert record.steps >= STEPS
    assert record.interventions > 0


def test_all_but_the_actor_is_the_teachers(teacher, lesson):
    student = lesson[0]
    assert type(student) is BarrierPPO
    assert th.equal(student.policy.action_std, teacher.policy.action_std)
    assert student.learning_rate == teacher.learning_rate
    assert student.training_record == asdict(lesson[2])
    assert not hasattr(student, "margin")
    assert student.num_timesteps == teacher.num_timesteps + 2048  # whole rollouts of 4 x 32
    for name, value in teacher.policy.state_dict().items():
        if name.startswith(("value_net", "mlp_extractor.value_net")):
            assert th.equal(student.policy.state_dict()[name], value), name
    np.testing.assert_allclose(proposals(teacher)[:, 0], 0.8, atol=0.1)


def test_the_student_goes_on_learning_and_is_saved_like_any_model(lesson, tmp_path):
    student = lesson[0]
    student.save(tmp_path / "student")
    loaded = BarrierPPO.load(
        tmp_path / "student", env=make_vec_env(lambda: limited_point(LIMIT), 4, seed=0), device="cpu"
    )
    np.testing.assert_array_equal(proposals(loaded), proposals(student))
    loaded.learn(128)


def test_a_plain_ppo_proposes_the_same(lesson, tmp_path):
    without_filter(lesson[0]).save(tmp_path / "plain")
    plain = PPO.load(tmp_path / "plain", device="cpu")
    observation = make_vec_env(lambda: limited_point(LIMIT), 8, seed=3).reset()
    expected, _ = WithoutFilter(lesson[0]).predict(observation, deterministic=True)
    np.testing.assert_array_equal(plain.predict(observation, deterministic=True)[0], expected)


LOADED_ALONE = """
import sys
import numpy as np
from stable_baselines3 import PPO
model = PPO.load(sys.argv[1], device="cpu")
assert not any(name.startswith("sb3_barriernet") for name in sys.modules)
np.save(sys.argv[2], model.predict(np.load(sys.argv[3]), deterministic=True)[0])
"""


def test_where_rows_are_hidden_it_is_loaded_without_this_package(tmp_path):
    model = leaning(make_model(observe_rows=False, policy_kwargs=dict(net_arch=[8])))
    rollout(model)
    observation = make_vec_env(lambda: limited_point(LIMIT), 8, seed=3).reset()
    expected, _ = WithoutFilter(model).predict(observation, deterministic=True)
    without_filter(model).save(tmp_path / "stock.zip")
    np.save(tmp_path / "observation.npy", observation["observation"])
    files = [str(tmp_path / name) for name in ("stock.zip", "action.npy", "observation.npy")]
    subprocess.run([sys.executable, "-c", LOADED_ALONE, *files], check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "action.npy"), expected, atol=1e-6)


class WideImagePoint(DriftingPoint):
    """Images, and actions in units that are not half ranges."""

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Box(0, 255, (36, 36, 1), dtype=np.uint8)
        self.action_space = spaces.Box(np.float32([-1.0, 0.0]), np.float32([1.0, 5.0]))

    def _observation(self):
        return np.full((36, 36, 1), int(100 + 10 * self.position[0]), dtype=np.uint8)


@pytest.mark.parametrize("observe_rows", [True, False])
def test_images_and_units_come_along(observe_rows):
    env = BarrierObservation(WideImagePoint(), SpeedLimit(LIMIT), read_position)
    model = BarrierPPO("CnnPolicy", env, observe_rows=observe_rows, **SETTINGS)
    rollout(model)
    observation = model.env.reset()
    expected, _ = WithoutFilter(model).predict(observation, deterministic=True)
    plain = without_filter(model)
    found, _ = plain.predict(observation if observe_rows else observation["observation"], deterministic=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_gains_are_taught_too():
    env = make_vec_env(walled_point, 4, seed=0)
    teacher = BarrierPPO("MlpPolicy", env, learn_gains=True, **SETTINGS)
    th.nn.init.constant_(teacher.policy.gain_head.net.bias, -0.5)
    student = distill(teacher, total_timesteps=512)
    observation = env.reset()
    kappa = []
    for model in (teacher, student):
        model.predict(observation, deterministic=True)
        kappa.append(model.policy.kappa.numpy())
    np.testing.assert_allclose(kappa[1], kappa[0], rtol=0.05)
    assert without_filter(student).predict(observation)[0].shape == (4, 2)


def test_a_teacher_whose_environment_was_practised_in_goes_on_with_the_rows_of_where_it_is():
    env = make_vec_env(lambda: walled_point(episode_length=1000), 2, seed=0)
    teacher = BarrierPPO("MlpPolicy", env, **SETTINGS)
    rollout(teacher)
    distill(teacher, total_timesteps=64)
    seen = []
    teacher.policy.register_forward_pre_hook(
        lambda _, given: seen.append((given[0]["observation"].numpy(), [e.unwrapped.position for e in env.envs]))
    )
    teacher.learn(64, reset_num_timesteps=False)
    for observed, true in seen:
        np.testing.assert_allclose(observed, true, atol=1e-6)


def test_the_regression_is_logged(teacher):
    logged = []

    class Log(TrainingRecorder):
        def _on_training_end(self) -> None:
            logged.append(dict(self.logger.name_to_value))

    distill(teacher, total_timesteps=128, callback=Log(), log_interval=100)
    assert logged[0]["train/distillation_loss"] > 0.0
    assert logged[0]["rollout/violation_rate"] == 0.0


def test_lessons_are_drawn_from_the_newest():
    lessons = Lessons(capacity=6)
    for start in (0.0, 4.0, 8.0):
        batch = start + th.arange(4.0)
        lessons.add({"x": batch[:, None], "y": -batch}, 10.0 * batch)
    observations, targets = lessons.draw(500)
    assert set(observations["x"][:, 0].tolist()) == {6.0, 7.0, 8.0, 9.0, 10.0, 11.0}
    assert th.equal(targets, 10.0 * observations["x"][:, 0])
    assert th.equal(observations["y"], -observations["x"][:, 0])
    few = Lessons(capacity=6)
    few.add({"x": th.ones(2)}, th.ones(2))
    assert (few.draw(50)[1] == 1.0).all(), "room that is still empty is not drawn"


class NamedPoint(DriftingPoint):
    """A dictionary of one observation."""

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Dict(position=self.observation_space)

    def _observation(self):
        return {"position": super()._observation()}


@pytest.mark.parametrize("policy", ["MlpPolicy", "MultiInputPolicy"])
def test_a_dictionary_of_one_observation_goes_to_whom_it_went_before(policy):
    model = BarrierPPO(
        policy, BarrierObservation(NamedPoint(), SpeedLimit(LIMIT), read_position), observe_rows=False, **SETTINGS
    )
    observation = model.env.reset()
    expected, _ = WithoutFilter(model).predict(observation, deterministic=True)
    del observation["barrier"]
    given = observation if policy == "MultiInputPolicy" else observation["position"]
    np.testing.assert_allclose(without_filter(model).predict(given, deterministic=True)[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(margin=-0.1), "expected margin >= 0"),
        (dict(noise=0.0), "noise > 0"),
        (dict(capacity=0), "room for at least one"),
    ],
)
def test_arguments_that_cannot_work_are_refused(teacher, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        distill(teacher, total_timesteps=128, **arguments)


def test_models_that_cannot_teach_are_refused(teacher, tmp_path):
    with pytest.raises(ConfigurationError, match="SafetyFilter"):
        distill(PPO("MultiInputPolicy", limited_point()))
    teacher.save(tmp_path / "teacher")
    with pytest.raises(ConfigurationError, match="distill\\(model, env\\)"):
        distill(BarrierPPO.load(tmp_path / "teacher"))
