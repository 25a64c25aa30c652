"""Plays whole episodes on many environments at once and writes down what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from sb3_barriernet.barrier_ppo.rollout_statistics import squared_correction
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.evaluation.agents import Predictor, last_projection
from sb3_barriernet.projection import Status
from sb3_barriernet.projection.filter_info import CORRECTION, STATUS


@dataclass
class EpisodeRecords:
    """One entry an episode, each array ``(num_episodes,)``.

    :param returns: undiscounted return of the task: Monitor's if the environment has one, so that reward
        wrappers do not distort it
    :param lengths: steps
    :param successes: ``info["is_success"]`` of the last step
    :param violation_steps: steps with ``info["violation"]``, judged by the environment's geometry; NaN if the
        environment does not report it
    :param min_clearance: smallest ``info["clearance"]``, in the environment's unit; ``inf`` if it reports none
    :param intervention_steps: steps whose action a row changed
    :param infeasible_steps: steps at which no action satisfied all rows
    :param correction_sum: sum over steps of ``|(u_safe - clip(u_nom)) / half_range|``
    """

    returns: np.ndarray
    lengths: np.ndarray
    successes: np.ndarray
    violation_steps: np.ndarray
    min_clearance: np.ndarray
    intervention_steps: np.ndarray
    infeasible_steps: np.ndarray
    correction_sum: np.ndarray

    def __len__(self) -> int:
        return len(self.returns)


def run_episodes(
    predictor: Predictor,
    env: VecEnv,
    num_episodes: int,
    *,
    deterministic: bool = True,
    on_episode: Callable[[int], Any] | None = None,
) -> EpisodeRecords:
    """Play ``num_episodes`` episodes, in every environment a share fixed beforehand.

    Taking the first episodes to finish would favour the short ones.

    :param predictor: acts on batches of observations
    :param env: vectorised environment
    :param num_episodes: positive
    :param on_episode: called with the number of finished episodes, for a progress bar
    :raises ConfigurationError: unless ``num_episodes`` is positive
    """
    if num_episodes < 1:
        raise ConfigurationError(f"Found num_episodes={num_episodes}; expected at least 1.")
    shares = [(num_episodes + i) // env.num_envs for i in range(env.num_envs)]
    running = _Running(env.num_envs)
    finished: list[list[dict[str, float]]] = [[] for _ in range(env.num_envs)]
    observation, state, dones = env.reset(), None, np.ones(env.num_envs, dtype=bool)
    while any(len(episodes) < share for episodes, share in zip(finished, shares, strict=True)):
        action, state = predictor.predict(observation, state, dones, deterministic)
        observation, rewards, dones, infos = env.step(action)
        running.add(rewards, infos, *_outcome(predictor, env.action_space, infos))
        for i in np.flatnonzero(dones).tolist():
            episode = running.take(i, infos[i])
            if len(finished[i]) < shares[i]:
                finished[i].append(episode)
                if on_episode is not None:
                    on_episode(sum(map(len, finished)))
    episodes = [episode for of_env in finished for episode in of_env]
    return EpisodeRecords(**{f.name: np.array([e[f.name] for e in episodes]) for f in fields(EpisodeRecords)})


class _Running:
    """Sums of the episodes in progress."""

    def __init__(self, num_envs: int):
        self.sums = {
            name: np.zeros(num_envs)
            for name in (
                "returns",
                "lengths",
                "violation_steps",
                "intervention_steps",
                "infeasible_steps",
                "correction_sum",
            )
        }
        self.min_clearance = np.full(num_envs, np.inf)

    def add(self, rewards: np.ndarray, infos: list[dict[str, Any]], status: np.ndarray, correction: np.ndarray) -> None:
        self.sums["returns"] += rewards
        self.sums["lengths"] += 1
        self.sums["violation_steps"] += [info.get("violation", np.nan) for info in infos]
        self.sums["intervention_steps"] += status >= Status.ACTIVE
        self.sums["infeasible_steps"] += status == Status.INFEASIBLE
        self.sums["correction_sum"] += correction
        np.minimum(self.min_clearance, [info.get("clearance", np.inf) for info in infos], out=self.min_clearance)

    def take(self, i: int, info: dict[str, Any]) -> dict[str, float]:
        """Hand out the episode of environment ``i`` and start its next one."""
        record = {name: float(values[i]) for name, values in self.sums.items()}
        record["min_clearance"] = float(self.min_clearance[i])
        record["successes"] = bool(info.get("is_success", False))
        if "episode" in info:
            record["returns"] = float(info["episode"]["r"])
        for values in self.sums.values():
            values[i] = 0.0
        self.min_clearance[i] = np.inf
        return record


def _outcome(
    predictor: Predictor, action_space: spaces.Space, infos: list[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray]:
    """Status and normalised correction of each action just taken, by a filter in the agent or in the environment."""
    assert isinstance(action_space, spaces.Box)
    last = last_projection(predictor)
    if last is None:
        filtered = [(info.get(STATUS, Status.INACTIVE), info.get(CORRECTION, 0.0)) for info in infos]
        status, correction = zip(*filtered, strict=True)
        return np.array(status), np.array(correction)
    nominal, projection = last
    squared = squared_correction(nominal, projection.action.cpu().numpy(), action_space)
    return projection.status.cpu().numpy(), np.sqrt(squared)
