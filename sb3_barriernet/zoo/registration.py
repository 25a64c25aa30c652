"""What ``rl_zoo3`` learns about this package, one small extension per upstream module.

Nothing here imports ``rl_zoo3`` at the top: the start-up hook calls :func:`extend` while
``rl_zoo3`` itself is being imported. Extending the same module twice changes nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

from sb3_barriernet.barrier_ppo import BarrierPPO
from sb3_barriernet.envs.registration import register_envs
from sb3_barriernet.zoo.packaged_config import prefer_packaged_config
from sb3_barriernet.zoo.sampler import convert_barrierppo_params, sample_barrierppo_params

ALGORITHM = "barrierppo"
"""Name of BarrierPPO on the command line of ``rl_zoo3``."""


def extend(module: ModuleType) -> None:
    """Extend a freshly imported module of ``rl_zoo3``.

    :param module: one of the modules in :data:`EXTENSIONS`
    """
    EXTENSIONS[module.__name__](module)


def register() -> None:
    """Make ``rl_zoo3`` know BarrierPPO and its environments, whether or not the hook is on."""
    for name in EXTENSIONS:
        extend(importlib.import_module(name))


def _add_algorithm(utils: ModuleType) -> None:
    # The dictionary is shared by every script of rl_zoo3, and its keys are the choices of --algo.
    utils.ALGOS[ALGORITHM] = BarrierPPO


def _add_sampler(hyperparams_opt: ModuleType) -> None:
    hyperparams_opt.HYPERPARAMS_SAMPLER[ALGORITHM] = sample_barrierppo_params
    hyperparams_opt.HYPERPARAMS_CONVERTER[ALGORITHM] = convert_barrierppo_params


def _add_default_config(exp_manager: ModuleType) -> None:
    prefer_packaged_config(exp_manager.ExperimentManager)


def _add_environments(import_envs: ModuleType) -> None:
    register_envs()


EXTENSIONS: dict[str, Callable[[ModuleType], None]] = {
    "rl_zoo3.utils": _add_algorithm,
    "rl_zoo3.hyperparams_opt": _add_sampler,
    "rl_zoo3.exp_manager": _add_default_config,
    "rl_zoo3.import_envs": _add_environments,
}
"""Which module of ``rl_zoo3`` is extended by what, in an order in which they can be imported."""
