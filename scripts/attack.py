"""Attack every barrier of this repository for millions of steps, and write down what got through and what it cost.

    python scripts/attack.py --steps 1000000

Uniform, bang-bang and ramming attackers act on many copies of each environment through the filter: every registered
task behind the wrapper of hyperparams/barrierppo.yml, and every task of examples/zoo.py. Violations are the
environment's own ``info["violation"]``. Writes ``attacks.json`` and ``attacks.md``; what is finished is not repeated.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch as th
import yaml
from rl_zoo3.utils import get_wrapper_class
from tqdm import tqdm

from sb3_barriernet.envs.registration import LITERATURE_TASKS, PURSUIT_TASKS
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.evaluation.attacks import Attack, BangBang, Ramming, Uniform
from sb3_barriernet.evaluation.massed_attack import attack_copies
from sb3_barriernet.evaluation.provenance import provenance
from sb3_barriernet.report.attack_table import attack_report
from sb3_barriernet.zoo.packaged_config import packaged_config
from sb3_barriernet.zoo.results_folder import write_json

ROOT = Path(__file__).parents[1]
ATTACKS: tuple[type[Attack], ...] = (Uniform, BangBang, Ramming)
TIMED_ROWS = 2000

MakeEnv = Callable[[], gym.Env]


def makers(config: Path) -> dict[str, MakeEnv]:
    """How to make each environment behind its barrier."""
    blocks = yaml.safe_load(config.read_text(encoding="utf-8"))
    found: dict[str, MakeEnv] = {}
    for task in (*PURSUIT_TASKS, *LITERATURE_TASKS):
        if task in blocks:
            found[task] = lambda task=task: get_wrapper_class(blocks[task])(gym.make(task))
        else:
            tqdm.write(f"left out {task}: no block in {config}")
    sys.path.insert(0, str(ROOT))
    for task, module in importlib.import_module("examples.zoo").TASKS.items():
        try:
            importlib.import_module(module)
            found[task] = lambda task=task: gym.make(task)
        except ImportError as error:
            tqdm.write(f"left out {task}: {error}")
    return found


def besiege(name: str, make: MakeEnv, arguments: argparse.Namespace) -> dict[str, Any]:
    """All attacks on one environment, and the cost of its filter."""
    records, seconds = [], []
    for kind in ATTACKS:
        envs = [make() for _ in range(arguments.copies)]
        started = time.perf_counter()
        record, spent = attack_copies(envs, kind(), steps=arguments.steps, seed=arguments.seed)
        seconds.append(asdict(spent))
        records.append({key: value for key, value in asdict(record).items() if key != "worst_trajectory"})
        tqdm.write(
            f"{name}: {record.attack}, {record.steps:,} steps in {time.perf_counter() - started:.0f} s, "
            f"{record.violations} violations, {record.infeasible} infeasible"
        )
    total = sum(record["steps"] for record in records)
    cost = {f"{part}_us": 1e6 * sum(spent[part] for spent in seconds) / total for part in seconds[0]}
    cost["rows_alone_us"] = rows_alone(make())
    return {"settings": settings(arguments), "attacks": records, "cost": cost}


def rows_alone(env: gym.Env) -> float:
    """Median time of one environment's rows in its wrapper, where no batch shares them, us."""
    env.reset(seed=0)
    read, rows = env.get_wrapper_attr("read_state"), env.get_wrapper_attr("rows_at")
    times = []
    for _ in range(TIMED_ROWS):
        started = time.perf_counter()
        rows(read())
        times.append(time.perf_counter() - started)
    return 1e6 * statistics.median(times)


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What a result must share to count as finished."""
    return {"steps": arguments.steps, "copies": arguments.copies, "seed": arguments.seed}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="ID", help="environment ids")
    parser.add_argument("--steps", type=int, default=1_000_000, help="of each attack on each environment")
    parser.add_argument("--copies", type=int, default=64, help="environments side by side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--conf-file", type=Path, default=packaged_config("barrierppo"), help="YAML with the wrappers")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="folder to write to")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    th.set_num_threads(1)
    known = makers(arguments.conf_file)
    chosen = arguments.only or list(known)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ConfigurationError(f"Found the names {unknown}; known are {list(known)}.")
    path = arguments.out / "attacks.json"
    results = json.loads(path.read_text()) if path.exists() else {"environments": {}}
    for name in tqdm(chosen, unit="environment"):
        found = results["environments"].get(name)
        if found is None or found["settings"] != settings(arguments):
            found = {**besiege(name, known[name], arguments), **provenance()}
        results["environments"][name] = found
        write_json(path, results)
        (arguments.out / "attacks.md").write_text(attack_report(results), encoding="utf-8")
    print((arguments.out / "attacks.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    try:
        main()
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command goes on with what is not finished.")
