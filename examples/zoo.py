"""Every example as a task of the RL Zoo, named after its module.

    python -m rl_zoo3.train --algo barrierppo --env SafePendulum-v0 --gym-packages examples.zoo \
        --conf-file examples/hyperparams/barrierppo.yml

An example offers ``make_env()``, ``make_safe(env)`` and ``clearance(env)``.
"""

import importlib
from pathlib import Path

import gymnasium as gym

from sb3_barriernet.envs.violation_counter import ViolationCounter

NO_TASKS = ("__init__", "deploy", "zoo")
NAMES = [path.stem for path in sorted(Path(__file__).parent.glob("*.py")) if path.stem not in NO_TASKS]

TASKS = {f"Safe{name.title()}-v0": f"examples.{name}" for name in NAMES}
"""Environment ids and the modules behind them."""


def make(module: str) -> gym.Env:
    """The example's environment behind its barrier, with the truth in ``info``."""
    example = importlib.import_module(module)
    return example.make_safe(ViolationCounter(example.make_env(), example.clearance))


for task, place in TASKS.items():
    gym.register(task, entry_point="examples.zoo:make", kwargs={"module": place})
