"""A trained run in numbers: what happened in training, and what its agent does with and without a filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_barriernet.evaluation import WithoutFilter, evaluate
from sb3_barriernet.evaluation.agents import Predictor, last_projection
from sb3_barriernet.evaluation.training_record import training_record
from sb3_barriernet.zoo.runs import ZooRun

EVALUATION_ENVS = 100
"""Environments that an evaluation plays at once, at most."""

EVALUATION_SEED = 1_000_000
"""Every method is evaluated on the same episodes, which no training seed plays."""

STEPS_TO = 0.95
"""Success, violations counted as failures, whose first moment is reported."""


def measure(
    run: ZooRun,
    model: BaseAlgorithm,
    agent: Predictor,
    episodes: int,
    *,
    deployed: Mapping[str, Any] | None = None,
    on_episode: Callable[[int], Any] | None = None,
) -> dict[str, Any]:
    """Metrics of training and of two evaluations on the same episodes, the agent as it is and without its filter.

    :param run: finished training
    :param model: what it trained, or what became of that
    :param agent: acts for the model
    :param episodes: of each evaluation
    :param deployed: hyperparameters of the environment that differ from training
    :param on_episode: called with the number of finished episodes, for a progress bar
    """
    record, curve = training_record(model), run.learning_curve()

    def play(who: Predictor, **kwargs: Any) -> dict[str, Any]:
        env = run.make_env(min(EVALUATION_ENVS, episodes), EVALUATION_SEED, deployed=deployed)
        return evaluate(who, env, episodes, **kwargs)

    metrics = play(agent, on_episode=on_episode)
    unfiltered = metrics if last_projection(agent) is None else play(WithoutFilter(model))
    return {
        "timesteps": record.steps,
        "train_violations": record.violations,
        "train_infeasible": record.infeasible,
        "train_intervention_rate": record.interventions / max(record.steps, 1),
        **metrics,
        "unfiltered_violation_free_success_rate": unfiltered["violation_free_success_rate"],
        "unfiltered_mean_return": unfiltered["mean_return"],
        "unfiltered_violations": unfiltered["violations"],
        "train_wall_s": record.wall_s,
        "steps_to_95": None if curve is None else curve.steps_to(STEPS_TO),
    }
