"""A study in one YAML file: methods x environments x seeds, as independent jobs.

::

    seeds: [0, 1, 2]
    eval_episodes: 1000
    environments:
      PursuitEvasion-v0:
      SafeReacher-v0: {gym_packages: [examples.zoo], conf_folder: examples/hyperparams, eval_episodes: 100}
    methods:
      BarrierPPO: {algo: barrierppo}
      without penalty: {algo: barrierppo, params: {correction_coef: 0.0}, environments: [PursuitEvasion-v0]}
      PPO + filter: {algo: ppo, filter: true}
      distilled: {algo: barrierppo, distill: 800000}

Hyperparameters come from the YAML files of the RL Zoo; ``params`` replaces some of them.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any

import gymnasium as gym
import yaml

from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.zoo.registration import register
from sb3_barriernet.zoo.runs import ZooRun

ENVIRONMENT_KINDS: dict[str, tuple[type, ...]] = {"gym_packages": (list,), "conf_folder": (str, NoneType)}
METHOD_KINDS: dict[str, tuple[type, ...]] = {
    "algo": (str,),
    "params": (dict,),
    "filter": (bool,),
    "deploy": (dict,),
    "environments": (list, dict, NoneType),
}
YAML_NAMES: dict[type, str] = {
    list: "a list",
    dict: "a mapping",
    str: "text",
    bool: "true or false",
    NoneType: "nothing",
}


@dataclass(frozen=True)
class StudyEnvironment:
    """An environment of a study.

    :param gym_packages: modules that register it when they are imported
    :param conf_folder: where ``<algo>.yml`` is read; by default the hyperparameters of this package
    :param timesteps: training steps; by default those of the YAML
    :param eval_episodes: instead of the study's
    """

    gym_packages: tuple[str, ...] = ()
    conf_folder: Path | None = None
    timesteps: int | None = None
    eval_episodes: int | None = None


@dataclass(frozen=True)
class StudyMethod:
    """What is done on an environment, and what acts in the end.

    :param algo: trained by the Zoo under this name
    :param params: hyperparameters that replace those of the YAML
    :param filter: whether the trained agent is put behind a ``SafetyFilter``
    :param distill: practice steps of a student that takes the trained agent's place
    :param deploy: hyperparameters of the environment that the evaluation replaces
    :param environments: ids of the environments that it is run on, all by default; or a mapping from ids to more
        ``params``
    :param timesteps: training steps instead of the environment's
    :param seeds: how many of the study's seeds it is run on, from the first; all by default
    """

    algo: str
    params: Mapping[str, Any] = field(default_factory=dict)
    filter: bool = False
    distill: int | None = None
    deploy: Mapping[str, Any] = field(default_factory=dict)
    environments: tuple[str, ...] | Mapping[str, Any] | None = None
    timesteps: int | None = None
    seeds: int | None = None

    def runs_on(self, env_id: str, seeds_before: int) -> bool:
        """Whether it is run on an environment with a seed that has so many before it."""
        chosen = self.environments is None or env_id in self.environments
        return chosen and (self.seeds is None or seeds_before < self.seeds)

    def params_on(self, env_id: str) -> dict[str, Any]:
        extra = self.environments[env_id] if isinstance(self.environments, Mapping) else None
        return {**self.params, **(extra or {})}


@dataclass(frozen=True)
class Job:
    """One training and the methods that use it; jobs share nothing and may run anywhere, in any order."""

    run: ZooRun
    methods: Mapping[str, StudyMethod]
    eval_episodes: int
    folder: Path

    @property
    def name(self) -> str:
        return f"{next(iter(self.methods))} on {self.run.env_id}, seed {self.run.seed}"

    def result_file(self, method: str) -> Path:
        return self.folder / "results" / self.run.env_id / slug(method) / f"seed_{self.run.seed}.json"

    @property
    def is_finished(self) -> bool:
        return all(self.result_file(method).exists() for method in self.methods)

    def definition(self, method: str) -> dict[str, Any]:
        """Everything that the result of a method depends on, beside the code."""
        chosen = self.methods[method]
        return {
            "algo": self.run.algo,
            "hyperparameters": self.run.effective_hyperparameters,
            "timesteps": self.run.wanted_timesteps,
            "eval_episodes": self.eval_episodes,
            "filter": chosen.filter,
            "distill": chosen.distill,
            "deploy": dict(chosen.deploy),
        }

    def fingerprint(self, method: str) -> str:
        """Short for the definition: results of equal fingerprints are interchangeable."""
        definition = json.dumps(self.definition(method), sort_keys=True, default=str)
        return hashlib.sha256(definition.encode()).hexdigest()[:12]

    def is_filtered(self, method: str) -> bool:
        """Whether a filter stands between the agent of a method and its environment."""
        return self.methods[method].filter or self.run.algo == "barrierppo"


@dataclass(frozen=True)
class Study:
    """Methods x environments x seeds.

    :param environments: by id
    :param methods: by the name that reports call them
    :param seeds: training seeds
    :param eval_episodes: evaluation episodes of every run
    """

    environments: Mapping[str, StudyEnvironment]
    methods: Mapping[str, StudyMethod]
    seeds: tuple[int, ...] = (0,)
    eval_episodes: int = 1000

    def jobs(self, folder: Path) -> list[Job]:
        """Every training once, seeds outermost, so that an interrupted study has seen everything once."""
        pairs = itertools.product(range(len(self.seeds)), self.environments)
        return [job for place, env_id in pairs for job in self._jobs_on(env_id, place, folder)]

    def _jobs_on(self, env_id: str, place: int, folder: Path) -> Iterable[Job]:
        """Jobs of the seed in this place of the list."""
        environment, seed = self.environments[env_id], self.seeds[place]
        trainings: dict[str, dict[str, StudyMethod]] = {}
        for name, method in self.methods.items():
            if method.runs_on(env_id, place):
                same = [method.algo, method.params_on(env_id), method.timesteps]
                trainings.setdefault(json.dumps(same, sort_keys=True, default=str), {})[name] = method
        for sharing in trainings.values():
            name, method = next(iter(sharing.items()))
            run = ZooRun(
                method.algo,
                env_id,
                seed,
                folder / "runs" / slug(name) / f"seed_{seed}",
                method.timesteps or environment.timesteps,
                {key: repr(value) for key, value in method.params_on(env_id).items()},
                environment.conf_folder / f"{method.algo}.yml" if environment.conf_folder else None,
                environment.gym_packages,
            )
            yield Job(run, sharing, environment.eval_episodes or self.eval_episodes, folder)


def slug(name: str) -> str:
    """A method's name as a folder."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def read_study(path: Path) -> Study:
    """A study from its YAML file, checked before anything starts.

    :raises ConfigurationError: if a key, an algorithm or an environment is unknown, or a value cannot be
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"Found no YAML in {path}: {error}") from error
    if not isinstance(content, dict) or not content.get("environments") or not content.get("methods"):
        raise ConfigurationError(
            f"Found no study in {path}; expected the keys 'environments' and 'methods', each with at least one name."
        )
    _known("key", content, [f.name for f in fields(Study)], path)
    _of_kind("the study", content, {"environments": (dict,), "methods": (dict,)}, path)
    environments = {
        env_id: StudyEnvironment(**_environment(env_id, {} if settings is None else settings, path))
        for env_id, settings in content["environments"].items()
    }
    methods = {name: StudyMethod(**_method(name, settings, path)) for name, settings in content["methods"].items()}
    study = Study(
        environments,
        methods,
        tuple(dict.fromkeys(_whole_numbers("seeds", content.get("seeds", [0]), 0, path))),
        *_whole_numbers("eval_episodes", [content.get("eval_episodes", 1000)], 1, path),
    )
    _check_names(study, path)
    return study


def _environment(env_id: str, settings: dict[str, Any], path: Path) -> dict[str, Any]:
    _of_kind("the environments", {env_id: settings}, {env_id: (dict,)}, path)
    _of_kind(f"the environment {env_id!r}", settings, ENVIRONMENT_KINDS, path)
    _known(f"key of the environment {env_id!r}", settings, [f.name for f in fields(StudyEnvironment)], path)
    for module in settings.get("gym_packages", ()):
        _of_kind(f"the environment {env_id!r}", {"gym_packages": module}, {"gym_packages": (str,)}, path)
    for key in {"timesteps", "eval_episodes"} & settings.keys():
        _whole_numbers(key, [settings[key]], 1, path)
    folder = settings.get("conf_folder")
    return {
        **settings,
        "gym_packages": tuple(settings.get("gym_packages", ())),
        "conf_folder": None if folder is None else Path(folder).resolve(),  # workers may live elsewhere
    }


def _method(name: str, settings: Any, path: Path) -> dict[str, Any]:
    if not isinstance(settings, dict) or "algo" not in settings:
        raise ConfigurationError(f"Found no algorithm for the method {name!r} in {path}. Write `algo: barrierppo`.")
    _known(f"key of the method {name!r}", settings, [f.name for f in fields(StudyMethod)], path)
    _of_kind(f"the method {name!r}", settings, METHOD_KINDS, path)
    for key in {"distill", "timesteps", "seeds"} & settings.keys():
        _whole_numbers(key, [settings[key]], 1, path)
    if "distill" in settings and settings["algo"] != "barrierppo":
        raise ConfigurationError(f"The method {name!r} of {path} distills {settings['algo']}; only barrierppo can.")
    chosen = settings.get("environments")
    return {**settings, "environments": tuple(chosen) if isinstance(chosen, list) else chosen}


def _check_names(study: Study, path: Path) -> None:
    """Algorithms and environments must exist, and methods must not share a folder."""
    register()
    from rl_zoo3 import ALGOS

    for module in itertools.chain.from_iterable(e.gym_packages for e in study.environments.values()):
        importlib.import_module(module)
    _known("environment", study.environments, gym.registry, path)
    _known("algorithm", [method.algo for method in study.methods.values()], ALGOS, path)
    for name, method in study.methods.items():
        _known(f"environment of the method {name!r}", method.environments or (), study.environments, path)
    if len({slug(name) for name in study.methods}) < len(study.methods):
        raise ConfigurationError(f"Found methods in {path} whose names differ in punctuation only: {[*study.methods]}.")
    for job in study.jobs(Path()):
        _ = job.run.hyperparameters  # raises if there are none for the environment


def _known(what: str, names: Iterable[str], known: Iterable[str], path: Path) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            advice = f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(known[:20])}."
            raise ConfigurationError(f"Found an unknown {what} in {path}: {name!r}. {advice}")


def _of_kind(what: str, settings: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]], path: Path) -> None:
    for key in kinds.keys() & settings.keys():
        if not isinstance(settings[key], kinds[key]):
            expected = " or ".join(YAML_NAMES[kind] for kind in kinds[key])
            raise ConfigurationError(f"Found {key}: {settings[key]!r} of {what} in {path}; expected {expected}.")


def _whole_numbers(key: str, values: Any, least: int, path: Path) -> list[int]:
    listed = values if isinstance(values, list) else [values]
    if not listed or any(isinstance(v, bool) or not isinstance(v, int) or v < least for v in listed):
        raise ConfigurationError(f"Found {key}: {values} in {path}; expected whole numbers of at least {least}.")
    return listed
