"""The batch is a `DummyVecEnv` in everything but speed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from sb3_barriernet.envs.batched import SharedSimulationVecEnv, share_simulation
from sb3_barriernet.envs.pursuit_barrier import PursuitEvasionBarrier
from sb3_barriernet.envs.registration import PURSUIT_TASKS, register_envs
from sb3_barriernet.errors import InvalidActionError, InvalidRowsError

register_envs()

KEYWORDS = ("is_success", "violation_steps")


def make(
    env_id: str = "PursuitEvasionClutter-v0",
    *,
    n_envs: int = 8,
    wrapper: Callable[[gym.Env], gym.Env] | None = None,
    folder: Path | None = None,
    **env_kwargs: Any,
) -> VecEnv:
    return make_vec_env(
        env_id,
        n_envs=n_envs,
        seed=11,
        wrapper_class=wrapper,
        monitor_dir=None if folder is None else str(folder),
        monitor_kwargs={"info_keywords": KEYWORDS},
        env_kwargs=env_kwargs,
    )


def assert_same(one: Any, other: Any) -> None:
    """Bitwise, types included; only the wall-clock time of an episode may differ."""
    if isinstance(one, dict):
        assert set(one) == set(other)
        for key in set(one) - {"t"}:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()
    else:
        assert type(one) is type(other)
        assert one == other


def chasing(observation: Any, rng: np.random.Generator) -> np.ndarray:
    """Actions that now and then catch, now and then collide."""
    base = observation["observation"] if isinstance(observation, dict) else observation
    turn = 12.0 * base[:, 13] + 0.5 * rng.normal(size=len(base))
    speed = np.where(np.abs(base[:, 13]) < 0.3, rng.uniform(0.9, 1.2, len(base)), 0.3)
    return np.stack([speed, turn], axis=1).astype(np.float32)


def play_both(shared: VecEnv, plain: VecEnv, steps: int) -> tuple[int, int]:
    """Play the same actions in both, compare everything, and count captures and timeouts."""
    rng, captures, timeouts = np.random.default_rng(0), 0, 0
    observation = shared.reset()
    assert_same(_plain(observation), _plain(plain.reset()))
    for _ in range(steps):
        actions = chasing(observation, rng)
        mine, theirs = shared.step(actions), plain.step(actions)
        assert_same(tuple(map(_plain, mine)), tuple(map(_plain, theirs)))
        assert_same(shared.reset_infos, plain.reset_infos)
        observation = mine[0]
        captures += sum(info["is_success"] for info in mine[3])
        timeouts += sum(info["TimeLimit.truncated"] for info in mine[3])
    return captures, timeouts


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value


def inside_monitor(env: gym.Env) -> gym.Env:
    """The barrier below the Monitor instead of above it."""
    assert isinstance(env, Monitor)
    return Monitor(PursuitEvasionBarrier(env.env), info_keywords=KEYWORDS)


@pytest.mark.parametrize("wrapper", [None, PursuitEvasionBarrier, inside_monitor])
@pytest.mark.parametrize("env_id", PURSUIT_TASKS)
def test_the_batch_is_bitwise_the_loop(env_id: str, wrapper: Callable[[gym.Env], gym.Env] | None) -> None:
    shared, plain = (make(env_id, wrapper=wrapper, max_steps=150, capture_distance=2.9) for _ in range(2))
    shared = share_simulation(shared)
    assert isinstance(shared, SharedSimulationVecEnv)
    captures, timeouts = play_both(shared, plain, 400)
    assert captures > 0
    assert timeouts > 0
    statistics = [
        [(m.episode_returns, m.episode_lengths, m.total_steps, m.rewards) for m in _monitors(venv)]
        for venv in (shared, plain)
    ]
    assert_same(*statistics)


def _monitors(venv: VecEnv) -> list[Monitor]:
    layers = []
    for env in venv.envs:
        while not isinstance(env, Monitor):
            env = env.env
        layers.append(env)
    return layers


def test_full_length_games_end_alike() -> None:
    """Thousands of steps with the task's own time limit and both ways to end."""
    shared, plain = share_simulation(make(n_envs=4)), make(n_envs=4)
    captures, _ = play_both(shared, plain, 2500)
    assert captures >= 8


def test_monitor_files_are_the_same(tmp_path: Path) -> None:
    folders = tmp_path / "shared", tmp_path / "plain"
    venvs = [make(folder=folder, max_steps=100, n_envs=3) for folder in folders]
    play_both(share_simulation(venvs[0]), venvs[1], 350)
    for venv in venvs:
        venv.close()
    tables = [[_episodes(folder / f"{i}.monitor.csv") for i in range(3)] for folder in folders]
    assert tables[0] == tables[1]
    assert all(len(table) >= 3 for table in tables[0])
    assert set(tables[0][0][0]) == {"r", "l", *KEYWORDS}


def _episodes(path: Path) -> list[dict[str, str]]:
    lines = path.read_text().splitlines()[1:]
    return [{key: value for key, value in row.items() if key != "t"} for row in csv.DictReader(lines)]


def test_a_monitor_that_forbids_early_resets_sees_none() -> None:
    def strict(env: gym.Env) -> gym.Env:
        assert isinstance(env, Monitor)
        return Monitor(env.env, allow_early_resets=False, info_keywords=KEYWORDS)

    shared, plain = (make(wrapper=strict, max_steps=40, n_envs=3) for _ in range(2))
    assert play_both(share_simulation(shared), plain, 100)[1] >= 6
    with pytest.raises(RuntimeError, match="early resets"):
        shared.reset()


def test_games_under_way_are_continued() -> None:
    shared, plain = make(), make()
    rng = np.random.default_rng(1)
    observation = shared.reset()
    plain.reset()
    for _ in range(30):
        actions = chasing(observation, rng)
        observation, *_ = shared.step(actions)
        plain.step(actions)
    shared = share_simulation(shared)
    for _ in range(100):
        actions = chasing(observation, rng)
        mine, theirs = shared.step(actions), plain.step(actions)
        assert_same(mine, theirs)
        observation = mine[0]


def test_seeds_options_and_attributes_reach_the_members() -> None:
    shared, plain = share_simulation(make()), make()
    for venv in (shared, plain):
        venv.seed(5)
        venv.set_options({"elapsed": 590})
    assert_same(shared.reset(), plain.reset())
    assert [s.elapsed[0] for s in shared.get_attr("simulation")] == [590] * 8
    assert shared.env_is_wrapped(Monitor) == [True] * 8


def test_ppo_learns_the_same_weights() -> None:
    weights = []
    for venv in (make(n_envs=4, max_steps=60), share_simulation(make(n_envs=4, max_steps=60))):
        model = PPO("MlpPolicy", venv, n_steps=64, batch_size=64, n_epochs=2, seed=0, device="cpu")
        model.learn(512)
        weights.append(torch.cat([p.detach().flatten() for p in model.policy.parameters()]))
    assert torch.equal(*weights)


def test_what_a_step_returns_is_never_changed_later() -> None:
    venv = share_simulation(make(wrapper=PursuitEvasionBarrier, max_steps=20))
    observation = venv.reset()
    kept, copies = [], []
    rng = np.random.default_rng(0)
    for _ in range(45):
        result = venv.step(chasing(observation, rng))
        observation = result[0]
        kept.append(result)
        copies.append(
            (
                {key: value.copy() for key, value in result[0].items()},
                result[1].copy(),
                result[2].copy(),
                [dict(info) for info in result[3]],
            )
        )
    for result, copy in zip(kept, copies, strict=True):
        assert_same(tuple(map(_plain, result)), copy)


def test_stepping_before_reset_is_refused_as_ever() -> None:
    venv = share_simulation(make())
    with pytest.raises(RuntimeError, match="needs reset"):
        venv.step(np.zeros((8, 2), dtype=np.float32))


def test_bad_actions_and_bad_rows_are_refused() -> None:
    venv = share_simulation(make(wrapper=PursuitEvasionBarrier))
    venv.reset()
    venv.step(np.zeros((8, 2), dtype=np.float32))
    actions = np.zeros((8, 2), dtype=np.float32)
    actions[3] = np.nan
    with pytest.raises(InvalidActionError, match="game 3"):
        venv.step(actions)
    venv.envs[5].unwrapped.simulation.pursuer[0] = np.nan
    with pytest.raises(InvalidRowsError, match="NaN"):
        venv.step(np.zeros((8, 2), dtype=np.float32))


def test_members_in_a_window_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    import pygame

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    venv = share_simulation(make(n_envs=1, render_mode="human", dt=0.01))
    venv.reset()
    pictures = []
    for _ in range(3):
        venv.step(np.array([[1.0, 0.0]], dtype=np.float32))
        pictures.append(pygame.surfarray.array3d(pygame.display.get_surface()))
    venv.close()
    assert not np.array_equal(pictures[1], pictures[2])


def test_pictures_of_members_show_the_batch() -> None:
    venv = share_simulation(make(n_envs=2))
    venv.reset()
    before = venv.render()
    for _ in range(5):
        venv.step(np.ones((2, 2), dtype=np.float32))
    assert not np.array_equal(before, venv.render())


class Unknown(gym.Wrapper):
    """A wrapper that may do anything."""


def _different_settings() -> VecEnv:
    ids = ("PursuitEvasion-v0", "PursuitEvasionFlee-v0")
    return DummyVecEnv([lambda env_id=env_id: gym.make(env_id) for env_id in ids])


def _different_barriers() -> VecEnv:
    gains = (1.0, 2.0)
    return DummyVecEnv([lambda a=a: PursuitEvasionBarrier(gym.make("PursuitEvasion-v0"), alpha=a) for a in gains])


def _bare() -> VecEnv:
    return DummyVecEnv([lambda: gym.make("PursuitEvasion-v0")])


def _two_monitors() -> VecEnv:
    return make(wrapper=Monitor)


@pytest.mark.parametrize(
    ("make_other", "reason"),
    [
        (lambda: make(wrapper=Unknown), "wrapper Unknown, expected only Monitor"),
        (lambda: make("Pendulum-v1"), "PendulumEnv|TimeLimit"),
        (lambda: VecMonitor(_bare()), "VecMonitor, expected a plain DummyVecEnv"),
        (_different_settings, "different settings"),
        (_different_barriers, "different barriers"),
        (_two_monitors, "more than one Monitor"),
    ],
)
def test_anything_else_passes_through_with_a_warning(make_other: Callable[[], VecEnv], reason: str) -> None:
    venv = make_other()
    with pytest.warns(UserWarning, match=f"one by one, because .*({reason})"):
        assert share_simulation(venv) is venv


def test_barriers_that_have_worked_already_are_still_the_same() -> None:
    """One member was reset, the others not: what a barrier keeps for itself must not count."""
    venv = make(wrapper=PursuitEvasionBarrier)
    venv.envs[0].reset()
    assert isinstance(share_simulation(venv), SharedSimulationVecEnv)
