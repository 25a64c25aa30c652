"""Many pursuit-evasion environments stepped as one, without anybody noticing except the clock.

A ``DummyVecEnv`` steps its members one after another through all their wrappers. Here the members keep
their wrappers, seeds and statistics, but their simulations are views into one batch: one compiled call steps
all games, and one vectorised call computes all barrier rows. Results are bitwise those of ``DummyVecEnv``.

For the RL Zoo::

    vec_env_wrapper: sb3_barriernet.envs.share_simulation
"""

from __future__ import annotations

import time
import warnings
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_barriernet.envs.barrier_observation import BarrierObservation
from sb3_barriernet.envs.pursuit_barrier import PursuitEvasionBarrier, read_pursuer
from sb3_barriernet.envs.pursuit_evasion import PursuitEvasionEnv
from sb3_barriernet.envs.pursuit_simulation import PursuitSimulation

KNOWN_WRAPPERS = (Monitor, OrderEnforcing, PassiveEnvChecker, BarrierObservation, PursuitEvasionBarrier)
"""Wrappers whose step is understood here; exact types, because a subclass may do anything."""


def share_simulation(venv: VecEnv) -> VecEnv:
    """Let the members of a vectorised pursuit-evasion task share one simulation.

    :param venv: a ``DummyVecEnv`` of :class:`~sb3_barriernet.envs.pursuit_evasion.PursuitEvasionEnv` with
        equal settings, under ``Monitor``, ``OrderEnforcing``, ``PassiveEnvChecker`` and
        ``BarrierObservation`` in any order; it is taken over and shall not be used any more
    :return: the same task, faster; ``venv`` itself, after a warning, if it is anything else
    """
    reason = _reason_against(venv)
    if reason is not None:
        warnings.warn(
            f"The games are stepped one by one, because {reason}. Results are the same, only slower.",
            UserWarning,
            stacklevel=2,
        )
        return venv
    assert isinstance(venv, DummyVecEnv)
    return SharedSimulationVecEnv(venv)


class SharedSimulationVecEnv(DummyVecEnv):
    """A ``DummyVecEnv`` whose members are views into one simulation; made by :func:`share_simulation`.

    Resets, attributes, rendering and closing are those of ``DummyVecEnv`` and go through the members'
    wrappers. So does the first step after a reset, so that every check of the wrappers is made.
    """

    def __init__(self, venv: DummyVecEnv) -> None:
        super().__init__([lambda env=env: env for env in venv.envs])  # type: ignore[misc]
        self._seeds, self._options = venv._seeds, venv._options
        self._games = [_game(env) for env in self.envs]
        self._monitors = _layers(self.envs, Monitor)
        self._barriers = _layers(self.envs, BarrierObservation)
        self._watched = [game for game in self._games if game.render_mode == "human"]
        self._simulation = _shared(self._games)
        self._checked = False

    def reset(self) -> VecEnvObs:
        """Begin an episode in every game."""
        self._checked = False
        return super().reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Play one step of every game and begin a new episode in those that have ended."""
        if not self._checked:
            self._checked = True
            return super().step_wait()
        simulation = self._simulation
        simulation.step(self.actions)
        for game in self._watched:
            game.render()
        observations = self._observations()
        dones = simulation.terminated | simulation.truncated
        infos = simulation.infos()
        for info, truncated in zip(infos, simulation.truncated.tolist(), strict=True):
            info["TimeLimit.truncated"] = truncated
        rewards = simulation.reward.astype(np.float32)
        self._record(simulation.reward.tolist())
        for i in np.flatnonzero(dones).tolist():
            self._finish(i, infos[i], observations)
        return observations, rewards, dones, infos

    def _observations(self) -> Any:
        """New arrays every time, as callers keep them."""
        base = self._simulation.observation.copy()
        if not self._barriers:
            return base
        return self._barriers[0].join(base, self._rows())

    def _rows(self) -> np.ndarray:
        """Barrier rows of all games in one call."""
        rows = self._barriers[0].barrier.rows(self._simulation.pursuer, self._simulation.obstacles)
        if not np.isfinite(rows).all():
            for wrapper in self._barriers:  # the member with the bad rows raises, and says what is wrong
                wrapper.rows_at(wrapper.read_state())
        return rows

    def _record(self, rewards: list[float]) -> None:
        """What every ``Monitor`` notes at every step."""
        for monitor, reward in zip(self._monitors, rewards, strict=False):
            monitor.rewards.append(reward)
            monitor.total_steps += 1

    def _finish(self, i: int, info: dict[str, Any], observations: Any) -> None:
        """Close the episode of game ``i`` and put the first observation of its next one in place."""
        if self._monitors:
            info["episode"] = _close_episode(self._monitors[i], info)
        if not isinstance(observations, dict):
            info["terminal_observation"] = observations[i].copy()
            observations[i], self.reset_infos[i] = self.envs[i].reset()
            return
        info["terminal_observation"] = {key: value[i].copy() for key, value in observations.items()}
        first, self.reset_infos[i] = self.envs[i].reset()
        for key, value in first.items():
            observations[key][i] = value


def _close_episode(monitor: Monitor, info: dict[str, Any]) -> dict[str, Any]:
    """The end of an episode as ``Monitor.step`` notes it; a test holds the two equal.

    ``reset_keywords`` play no part, since vectorised environments reset their members without keywords.
    """
    monitor.needs_reset = True
    episode_return, length = sum(monitor.rewards), len(monitor.rewards)
    elapsed = time.time() - monitor.t_start
    episode = {"r": round(episode_return, 6), "l": length, "t": round(elapsed, 6)}
    for key in monitor.info_keywords:
        episode[key] = info[key]
    monitor.episode_returns.append(episode_return)
    monitor.episode_lengths.append(length)
    monitor.episode_times.append(elapsed)
    if monitor.results_writer:
        monitor.results_writer.write_row(episode)
    return episode


def _shared(games: list[PursuitEvasionEnv]) -> PursuitSimulation:
    """One simulation that continues the given games, which become views into it."""
    simulation = PursuitSimulation(len(games), games[0].settings)
    for i, game in enumerate(games):
        simulation.copy_game(i, game.simulation)
        game.simulation = simulation.view(i)
    return simulation


def _game(env: gym.Env) -> PursuitEvasionEnv:
    game = env.unwrapped
    assert isinstance(game, PursuitEvasionEnv)
    return game


def _chain(env: gym.Env) -> list[gym.Wrapper]:
    """The wrappers of an environment, outermost first."""
    chain = []
    while isinstance(env, gym.Wrapper):
        chain.append(env)
        env = env.env
    return chain


def _layers(envs: list[gym.Env], kind: type[Any]) -> list[Any]:
    """The wrapper of the given kind of every environment; empty if there is none."""
    return [wrapper for env in envs for wrapper in _chain(env) if isinstance(wrapper, kind)]


def _reason_against(venv: VecEnv) -> str | None:
    """Why the members cannot share a simulation; ``None`` if they can."""
    if type(venv) is not DummyVecEnv:
        return f"found a {type(venv).__name__}, expected a plain DummyVecEnv (use `vec_env_class: dummy`)"
    for env in venv.envs:
        if type(env.unwrapped) is not PursuitEvasionEnv:
            return f"found the task {type(env.unwrapped).__name__}, expected PursuitEvasionEnv"
        for wrapper in _chain(env):
            if type(wrapper) not in KNOWN_WRAPPERS:
                known = ", ".join(kind.__name__ for kind in KNOWN_WRAPPERS)
                return f"found the wrapper {type(wrapper).__name__}, expected only {known}"
    return _difference([_chain(env) for env in venv.envs], [_game(env) for env in venv.envs])


def _difference(chains: list[list[gym.Wrapper]], games: list[PursuitEvasionEnv]) -> str | None:
    """What the members do not have in common, or have more than once."""
    if any(game.settings != games[0].settings for game in games):
        return "the members have different settings"
    kinds = [[type(wrapper) for wrapper in chain] for chain in chains]
    if any(other != kinds[0] for other in kinds):
        return "the members have different wrappers"
    if sum(issubclass(kind, Monitor) for kind in kinds[0]) > 1:
        return "the members have more than one Monitor"
    barriers = [wrapper for chain in chains for wrapper in chain if isinstance(wrapper, BarrierObservation)]
    return _barrier_difference(barriers)


def _barrier_difference(barriers: list[BarrierObservation]) -> str | None:
    if any(wrapper.state is not read_pursuer for wrapper in barriers):
        return "the rows are not computed from pursuer and obstacles (`read_pursuer`)"
    if any(not _same_barrier(wrapper.barrier, barriers[0].barrier) for wrapper in barriers):
        return "the members have different barriers"
    return None


def _same_barrier(one: Any, other: Any) -> bool:
    """Whether two barriers compute the same rows: same kind, same settings."""
    try:
        return type(one) is type(other) and _attributes(one) == _attributes(other)
    except ValueError:  # arrays, which do not compare to a single truth
        return False


def _attributes(barrier: Any) -> dict[str, Any]:
    """Attributes of a barrier without those that it has merely computed and kept."""
    kind = type(barrier)
    return {
        name: value
        for name, value in vars(barrier).items()
        if not isinstance(getattr(kind, name, None), cached_property)
    }
