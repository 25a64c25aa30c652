"""Trainings whose environment, reward or worker breaks: they stop with a name, and the weights are as they were."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_barriernet import BarrierObservation, BarrierPPO, SafetyFilter, distill
from sb3_barriernet.errors import DivergedError, InvalidRowsError, RowShapeError
from tests.barrier_ppo.models import SETTINGS, make_model
from tests.toys import DriftingPoint, WallAhead, limited_point, read_position, walled_point


class Breaking(DriftingPoint):
    """Breaks at one step, the ``at``-th of all; where an episode ends with it, the next one begins sound."""

    def __init__(self, at: int):
        super().__init__()
        self.at, self.total = at, 0

    def step(self, action):
        self.total += 1
        return super().step(action)

    @property
    def broken(self) -> bool:
        return self.total == self.at and self.steps > 0


class BreakingObservation(Breaking):
    def _observation(self):
        return super()._observation() * np.float32(np.nan if self.broken else 1.0)


class InfiniteObservation(Breaking):
    def _observation(self):
        return super()._observation() + np.array([np.inf if self.broken else 0.0, 0.0], dtype=np.float32)


class BreakingReward(Breaking):
    value = np.nan

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, self.value if self.broken else reward, *rest


class InfiniteReward(BreakingReward):
    value = np.inf


class BreakingRows(WallAhead):
    """Returns one row too few near a place where the point comes by."""

    def rows(self, position):
        return super().rows(position)[: 2 if position[0] > 0.3 else 3]


def behind_walls(env, barrier=WallAhead):
    return BarrierObservation(env, barrier(), read_position)


def weights(model) -> list[th.Tensor]:
    return [parameter.clone() for parameter in model.policy.parameters()]


ROLLOUT = SETTINGS["n_steps"]


@pytest.mark.parametrize(
    ("env", "at", "error", "message"),
    [
        (BreakingObservation, ROLLOUT + 5, InvalidRowsError, r"environment 0: .* under \['observation'\]"),
        # Nobody acts on these two, so nothing refuses to project them; what is learned from them does.
        (BreakingObservation, ROLLOUT, DivergedError, "environment 0: a value is NaN or infinite, or the last obs"),
        (BreakingObservation, 20, DivergedError, "environment 0: a reward, or the observation at the end of an ep"),
        # A network makes a finite action of infinity, and an infinite gradient.
        (InfiniteObservation, 5, DivergedError, r"environment 0: its observation .* under \['observation'\]"),
        (BreakingReward, 5, DivergedError, "environment 0: a reward"),
        (InfiniteReward, 5, DivergedError, "environment 0: a reward"),
    ],
)
def test_training_stops_before_anything_is_learned_from_it(env, at, error, message):
    model = BarrierPPO("MlpPolicy", behind_walls(env(at)), **SETTINGS)
    seen = []
    model.policy.optimizer.register_step_post_hook(lambda *args: seen.append(weights(model)))
    before = weights(model)
    with pytest.raises(error, match=message):
        model.learn(4 * ROLLOUT)
    last_good = seen[-1] if seen else before
    assert all(th.equal(found, expected) for found, expected in zip(weights(model), last_good, strict=True))
    assert all(th.isfinite(weight).all() for weight in weights(model))


def test_practice_stops_before_anything_is_learned_from_it():
    with pytest.raises(DivergedError, match=r"environment 0: its observation .* under \['observation'\]"):
        distill(BarrierPPO("MlpPolicy", walled_point(), **SETTINGS), behind_walls(InfiniteObservation(5)), ROLLOUT)


def test_rows_that_change_their_shape_stop_the_training():
    env = behind_walls(DriftingPoint(), BreakingRows)
    with pytest.raises(RowShapeError, match=r"shape \(2, 4\); expected \(3, 4\). Pad unused rows"):
        BarrierPPO("MlpPolicy", env, **SETTINGS).learn(10 * ROLLOUT)


class StopOnTheWay(BaseCallback):
    """Ends a training a step before the wall, by its answer or as Ctrl-C does."""

    def __init__(self, interrupt: bool):
        super().__init__()
        self.interrupt = interrupt

    def _on_step(self) -> bool:
        arriving = self.training_env.envs[0].unwrapped.position.max() > 0.9
        if arriving and self.interrupt:
            raise KeyboardInterrupt
        return not arriving


class Places(BaseCallback):
    """How far the point came."""

    farthest = -np.inf

    def _on_step(self) -> bool:
        self.farthest = max(self.farthest, self.training_env.envs[0].unwrapped.position.max())
        return True


@pytest.mark.parametrize("interrupt", [False, True])
def test_a_training_that_was_stopped_goes_on_with_the_rows_of_where_it_is(interrupt):
    """The rows of a step before would let it through the wall."""
    env = make_vec_env(lambda: walled_point(alpha=10.0, episode_length=1000), 1, seed=0)
    model = BarrierPPO("MlpPolicy", env, action_std=0.01, **SETTINGS)
    th.nn.init.constant_(model.policy.action_net.bias, 1.0)  # it drives at the walls
    with suppress(KeyboardInterrupt):
        model.learn(ROLLOUT, callback=StopOnTheWay(interrupt))
    places = Places()
    model.learn(ROLLOUT, callback=places, reset_num_timesteps=False)
    assert places.farthest == pytest.approx(1.0, abs=1e-6)


class KillWorker(BaseCallback):
    def _on_step(self) -> bool:
        if self.n_calls == 5:
            os.kill(self.training_env.processes[1].pid, signal.SIGKILL)
        return True


def workers(make_env):
    return make_vec_env(make_env, 2, vec_env_cls=SubprocVecEnv)  # "fork" would wait for a dead worker for ever


@pytest.mark.slow
@pytest.mark.parametrize("broken", [False, True])
def test_a_worker_that_ends_stops_the_training_with_advice(broken):
    env = workers(lambda: behind_walls(DriftingPoint(), BreakingRows) if broken else walled_point())
    model = BarrierPPO("MlpPolicy", env, **SETTINGS)
    with pytest.raises((EOFError, ConnectionError)) as caught:
        model.learn(10 * ROLLOUT, None if broken else KillWorker())
    assert "A worker process of the environment has ended" in caught.value.__notes__[0]
    assert "ResumableTraining" in caught.value.__notes__[0]
    model.set_env(make_vec_env(walled_point, 2))
    model.learn(64)  # the model is as good as before
    for process in env.processes:
        process.kill()


def test_threads_predict_what_one_predicts():
    models = [make_model(seed=seed) for seed in range(3)]
    observations = models[0].env.reset()
    agents = [*models, SafetyFilter(models[0])]
    expected = [agent.predict(observations, deterministic=True)[0] for agent in agents]

    def work(index: int) -> bool:
        agent = agents[index % len(agents)]
        found = [agent.predict(observations, deterministic=True)[0] for _ in range(50)]
        return all(np.array_equal(action, expected[index % len(agents)]) for action in found)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))


def test_one_model_may_serve_several_threads():
    model = make_model()
    states = [limited_point(limit) for limit in (0.1, -0.3, 0.5, 2.0)]
    observations = [env.reset(seed=i)[0] for i, env in enumerate(states)]
    expected = [model.predict(observation, deterministic=True)[0] for observation in observations]

    def work(index: int) -> bool:
        i = index % len(observations)
        return all(
            np.array_equal(model.predict(observations[i], deterministic=True)[0], expected[i]) for _ in range(100)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))
