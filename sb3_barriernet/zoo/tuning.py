"""Tuning by the RL Zoo's own command, and what it found as a YAML block would say it.

The Zoo's tuner tries hyperparameters in short trainings. Its best trial becomes one more method of the study, so that
the block and what might replace it are trained and measured alike, on seeds that no trial has seen.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.zoo.results_folder import claim
from sb3_barriernet.zoo.runs import ZooRun
from sb3_barriernet.zoo.study import Job, Study, StudyMethod, slug

TUNING_SEED = 1_000
"""Seed of the first trial; studies train with seeds below it."""

HYPERPARAMS_MODULE = "rl_zoo3.hyperparams_opt"
"""Where the samplers of the Zoo itself are defined."""


@dataclass(frozen=True)
class TuningBudget:
    """How much is tried.

    :param trials: on each environment, pruned ones included
    :param startup_trials: drawn at random, and never pruned, before the sampler and the pruner have an opinion
    :param timesteps: environment steps of a trial, which ends with the rollout that reaches them
    :param evaluations: of a trial; at each but the last it may be pruned
    :param eval_episodes: of each evaluation
    """

    trials: int
    startup_trials: int
    timesteps: int
    evaluations: int
    eval_episodes: int


@dataclass(frozen=True)
class Tuning:
    """The Zoo's tuner on one block.

    :param method: the study's name for what is tuned
    :param run: a training with that block
    :param budget: how much is tried
    :param folder: keeps the trials, and nothing else
    """

    method: str
    run: ZooRun
    budget: TuningBudget
    folder: Path

    @property
    def storage(self) -> str:
        return f"sqlite:///{self.folder.resolve() / 'trials.db'}"

    def finished_trials(self) -> list[FrozenTrial]:
        """Trials that came to an end, pruned ones included; one that was killed did not."""
        return self._open().get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))

    def best_trial(self) -> FrozenTrial:
        """The trial whose last evaluation returned most."""
        return self._open().best_trial

    def best_name(self) -> str:
        """What a study calls the best trial."""
        return f"{self.method}, trial {self.best_trial().number}"

    def best_block(self) -> dict[str, Any]:
        """What the best trial would write into the block."""
        said = self.run.effective_hyperparameters.get("policy_kwargs", "dict()")
        return as_block(self.best_trial().params, HYPERPARAMS_CONVERTER[self.run.algo], said)

    def command(self, finished: int) -> list[str]:
        """The command line for the trials that are missing.

        A sampler that is seeded alike draws alike, so a tuning that goes on takes another seed.

        :param finished: trials that came to an end
        """
        budget, logs = self.budget, self.folder / "logs"
        run = replace(self.run, seed=TUNING_SEED + finished, folder=logs, timesteps=budget.timesteps)
        tuner = ["-optimize", "--sampler", "tpe", "--pruner", "median", "--no-optim-plots"]
        tuner += ["--n-trials", str(budget.trials - finished), "--n-startup-trials", str(budget.startup_trials)]
        tuner += ["--n-evaluations", str(budget.evaluations), "--eval-episodes", str(budget.eval_episodes)]
        tuner += ["--n-eval-envs", str(budget.eval_episodes)]
        return [*run.command(progress=False), *tuner, "--study-name", run.env_id, "--storage", self.storage]

    def go_on(self) -> None:
        """Run the trials that are missing; the Zoo's output is kept in ``tuner.log``.

        :raises ConfigurationError: if the folder holds trials of another kind
        :raises subprocess.CalledProcessError: if the tuner fails
        """
        settings = {**asdict(self.budget), "hyperparameters": self.run.effective_hyperparameters}
        del settings["trials"]  # more of them are more of the same tuning
        claim(self.folder / "tuning.json", settings, f"another tuning in {self.folder}")
        finished = len(self.finished_trials())
        if finished < self.budget.trials:
            with (self.folder / "tuner.log").open("a", encoding="utf-8") as log:
                subprocess.run(self.command(finished), check=True, stdout=log, stderr=subprocess.STDOUT)

    def _open(self) -> optuna.Study:
        self.folder.mkdir(parents=True, exist_ok=True)
        return optuna.create_study(
            storage=self.storage, study_name=self.run.env_id, direction="maximize", load_if_exists=True
        )


def tunings(study: Study, budget: TuningBudget, folder: Path) -> list[Tuning]:
    """A tuning for every method on every environment of a study.

    :param study: its methods are what is tuned
    :param budget: how much is tried
    :param folder: everything is written below it
    :raises ConfigurationError: if a method is distilled, or only the Zoo itself knows what to try for its algorithm
    """
    for name, method in study.methods.items():
        _check(name, method)
    first = replace(study, seeds=study.seeds[:1])
    return [_tuning(job, budget, folder) for job in first.jobs(folder)]


def _check(name: str, method: StudyMethod) -> None:
    if method.distill:
        raise ConfigurationError(
            f"Found the distilled method {name!r}; a trial is a training alone. Remove its key 'distill'."
        )
    sampler = HYPERPARAMS_SAMPLER.get(method.algo)
    if sampler is None or sampler.__module__ == HYPERPARAMS_MODULE:
        raise ConfigurationError(
            f"Found the method {name!r} of the algorithm {method.algo}, for which rl_zoo3's own sampler, if it has "
            "one, would replace what the policy is told about the rows. Let `gym_packages` of the study's environment "
            "name a module that registers another, as studies/tuning.py does."
        )


def _tuning(job: Job, budget: TuningBudget, folder: Path) -> Tuning:
    method = next(iter(job.methods))
    return Tuning(method, job.run, budget, folder / "tuning" / slug(method) / job.run.env_id)


def with_best_trials(study: Study, tuned: Sequence[Tuning]) -> Study:
    """The study on what is tuned, with the best trial of every tuning beside the block that it may replace."""
    blocks: dict[str, dict[str, dict[str, Any]]] = {}
    origins: dict[str, StudyMethod] = {}
    for tuning in tuned:
        env_id, method = tuning.run.env_id, study.methods[tuning.method]
        params = method.params_on(env_id)
        for name, block in ((tuning.method, params), (tuning.best_name(), {**params, **tuning.best_block()})):
            blocks.setdefault(name, {})[env_id] = block
            origins[name] = method
    methods = {name: replace(origins[name], params={}, environments=block) for name, block in blocks.items()}
    environments = {tuning.run.env_id: study.environments[tuning.run.env_id] for tuning in tuned}
    return replace(study, environments=environments, methods=methods)


def as_block(
    params: dict[str, Any], convert: Callable[[dict[str, Any]], dict[str, Any]], policy_kwargs: str = "dict()"
) -> dict[str, Any]:
    """A trial's parameters as a person would write them in YAML: to four digits, and classes by the Zoo's names.

    :param params: as the sampler of the algorithm draws them
    :param convert: makes keywords of the algorithm of them, with a ``policy_kwargs`` that describes the network
    :param policy_kwargs: of the block, in the Zoo's notation; what it says beside the network stays
    :raises ConfigurationError: if the block's ``policy_kwargs`` are no call of ``dict``
    """
    block = _to_four_digits(convert(_to_four_digits(params)))
    network = {name: _in_zoo_notation(value) for name, value in block["policy_kwargs"].items()}
    said = {**_keywords(policy_kwargs), **network}
    return {**block, "policy_kwargs": f"dict({', '.join(f'{name}={value}' for name, value in said.items())})"}


def _in_zoo_notation(value: Any) -> str:
    """A value of the network as Python that the Zoo evaluates; it knows ``torch.nn`` as ``nn``."""
    return f"nn.{value.__name__}" if isinstance(value, type) else repr(value)


def _keywords(call: str) -> dict[str, str]:
    """The keywords of ``dict(name=value, ...)`` and what is written behind each."""
    parsed = ast.parse(call, mode="eval").body if isinstance(call, str) else None
    if not isinstance(parsed, ast.Call):
        raise ConfigurationError(
            f'Found policy_kwargs={call!r} in a block that is tuned; write them as the Zoo does, "dict(name=value)".'
        )
    return {str(keyword.arg): ast.unparse(keyword.value) for keyword in parsed.keywords}


def _to_four_digits(values: dict[str, Any]) -> dict[str, Any]:
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in values.items()}
