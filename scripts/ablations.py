"""What an earlier project's defects cost, where that takes no training: solver, metric and margin.

    python scripts/ablations.py --runs results/studies

(a) hands the rows and proposals of a real run to qpth with an unused row, and lets a trained policy act through it;
(f) judges the same episodes by geometry and by the earlier project's metric; (g) attacks the rows without their
sampled-data margin. Agents are those of ``studies/headline.yml``, seed 0 on ``PursuitEvasion-v0``, trained if they are
not there. Writes ``ablations.json``, part by part; what is there is computed again only if ``--only`` asks for it.
The trainings among the ablations are ``studies/ablations.yml``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from sb3_barriernet import BarrierPPO, PursuitEvasionBarrier, SafetyFilter
from sb3_barriernet.envs.pursuit_settings import PursuitSettings
from sb3_barriernet.evaluation import evaluate
from sb3_barriernet.evaluation.agents import Predictor
from sb3_barriernet.evaluation.attacks import Attack, BangBang, Ramming, Uniform
from sb3_barriernet.evaluation.massed_attack import attack_copies
from sb3_barriernet.evaluation.provenance import provenance
from sb3_barriernet.projection.row_filter import RowFilter
from sb3_barriernet.rows import BARRIER_KEY, split_rows
from sb3_barriernet.zoo.measurement import EVALUATION_SEED
from sb3_barriernet.zoo.registration import register
from sb3_barriernet.zoo.results_folder import write_json
from sb3_barriernet.zoo.runs import ZooRun
from sb3_barriernet.zoo.study import slug

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from studies.ablations import CHANGED, WithoutMargin  # noqa: E402, the repository's own

ENV_ID = "PursuitEvasion-v0"
CLUTTER = "PursuitEvasionClutter-v0"
EARLIER_WEIGHT = (150.0, 1.0)
SOLVERS = {"exact": None, "no unused row": "unpadded", "unused row <= 1e6": "padded_1e6", "unused row <= 1": "padded_1"}
COPIES = 64


def solver(args: argparse.Namespace) -> dict[str, Any]:
    """(a) The same problems for every solver, then the same trained policy acting through each."""
    run = trained("BarrierPPO", "barrierppo", args.runs)
    model = run.load()
    rows, nominal = proposals(model, run.make_env(COPIES, EVALUATION_SEED), args.samples // COPIES)
    return {
        "samples": len(nominal),
        "batch": COPIES,
        "problems": {name: same_problems(backend, model, rows, nominal) for name, backend in SOLVERS.items()},
        "closed_loop": {name: acting_through(backend, run, args.episodes) for name, backend in SOLVERS.items()},
    }


def proposals(model: BarrierPPO, env: VecEnv, steps: int) -> tuple[th.Tensor, th.Tensor]:
    """Rows ``(S, K, M + 2)`` and sampled nominal actions ``(S, M)`` of a policy at work."""
    observation = env.reset()
    rows, nominal = [], []
    for _ in range(steps):
        action, _ = model.predict(observation, deterministic=False)
        rows.append(th.as_tensor(observation[BARRIER_KEY]))
        nominal.append(model.policy.nominal)
        observation, *_ = env.step(action)
    return th.cat(rows), th.cat(nominal)


def same_problems(backend: str | None, model: BarrierPPO, rows: th.Tensor, nominal: th.Tensor) -> dict[str, float]:
    """Shares of samples, in batches, under the earlier project's weight."""
    mine, reference = (RowFilter(model.action_space, weight=EARLIER_WEIGHT, backend=name) for name in (backend, None))
    started = time.process_time()
    with th.no_grad():
        action = th.cat([mine(*batch).action for batch in zip(rows.split(COPIES), nominal.split(COPIES), strict=True)])
    seconds = time.process_time() - started
    exact = reference(rows, nominal).action
    clipped = th.minimum(th.maximum(nominal, reference.low.float()), reference.high.float())
    A, c = split_rows(rows)
    least = ((A @ action.double()[..., None])[..., 0] + c).amin(dim=1)
    error = (action - exact).norm(dim=1)
    return {
        "changed": float(((action - clipped).norm(dim=1) > CHANGED).float().mean()),
        "wrong": float((error > CHANGED).float().mean()),
        "largest_error": float(error.max()),
        "breaks_a_row": float((least < -1e-4).float().mean()),
        "us_per_sample": 1e6 * seconds / len(nominal),
    }


def acting_through(backend: str | None, run: ZooRun, episodes: int) -> dict[str, Any]:
    model = run.load()
    model.policy.row_filter.backend = backend
    metrics = evaluate(model, run.make_env(min(100, episodes), EVALUATION_SEED), episodes)
    kept = ("episodes", "steps", "success_rate", "violation_free_success_rate", "violations", "intervention_rate")
    return {key: metrics[key] for key in kept}


def metric(args: argparse.Namespace) -> dict[str, Any]:
    """(f) Violating steps of the same episodes, by geometry and as the earlier project counted them."""
    ours = trained("BarrierPPO", "barrierppo", args.runs)
    plain = trained("PPO", "ppo", args.runs)
    untrained = BarrierPPO("MlpPolicy", ours.make_env(1, EVALUATION_SEED), seed=0, device="cpu")
    agents: dict[str, tuple[ZooRun, Predictor]] = {
        "BarrierPPO": (ours, ours.load()),
        "BarrierPPO, untrained": (ours, untrained),
        "PPO": (plain, plain.load()),
        "PPO + filter": (plain, SafetyFilter(plain.load())),
    }
    return {
        name: count_both(agent, run.make_env(COPIES, EVALUATION_SEED), args.steps)
        for name, (run, agent) in agents.items()
    }


def count_both(agent: Predictor, env: VecEnv, steps: int) -> dict[str, float]:
    """Shares of at least ``steps`` steps that each metric calls a violation."""
    games = games_of(env)
    settings: PursuitSettings = games[0].settings
    observation, counts, total = env.reset(), np.zeros(3, dtype=int), 0
    while total < steps:
        states = [np.stack(parts) for parts in zip(*map(read_state, games), strict=True)]
        counts[:2] += [earlier_metric(*states, settings, swapped).sum() for swapped in (True, False)]
        action, _ = agent.predict(observation, deterministic=True)
        observation, _, _, infos = env.step(action)
        counts[2] += sum(info["violation"] for info in infos)
        total += len(infos)
    names = ("arguments_swapped", "arguments_in_order", "geometry")
    return {"steps": total, **{name: float(count / total) for name, count in zip(names, counts, strict=True)}}


def games_of(env: VecEnv) -> list[Any]:
    while isinstance(env, VecEnvWrapper):
        env = env.venv
    return [member.unwrapped for member in env.envs]


def read_state(game: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    simulation = game.simulation
    return simulation.pursuer[0], simulation.evader[0], simulation.obstacles[0]


def earlier_metric(
    pursuer: np.ndarray, evader: np.ndarray, obstacles: np.ndarray, settings: PursuitSettings, swapped: bool
) -> np.ndarray:
    """Whether one of the earlier project's barriers is negative, ``(B,)``.

    It asked for the walls' barrier with (look-ahead, gain) where (body radius, look-ahead) belonged, and for the
    robots' with (look-ahead, gain) where (separation, look-ahead) belonged: virtual points a metre ahead.

    :param pursuer: poses ``(B, 3)``, like ``evader``
    :param obstacles: ``(B, D, 3)``
    """
    look_ahead, gain, separation = 0.1, 1.0, 0.35
    body, ahead, apart = (look_ahead, gain, look_ahead) if swapped else (settings.robot_radius, look_ahead, separation)
    walls = settings.arena_size / 2.0 - body - np.abs(ahead_of(pursuer, ahead)).max(axis=1)
    gaps = np.linalg.norm(ahead_of(pursuer, look_ahead)[:, None] - obstacles[..., :2], axis=2)
    discs = (gaps**2 - (obstacles[..., 2] + settings.robot_radius) ** 2).min(axis=1)
    robots = np.linalg.norm(ahead_of(pursuer, ahead) - ahead_of(evader, ahead), axis=1) ** 2 - apart**2
    return np.minimum.reduce([walls, discs, robots]) < -1e-4


def ahead_of(pose: np.ndarray, distance: float) -> np.ndarray:
    return pose[:, :2] + distance * np.stack([np.cos(pose[:, 2]), np.sin(pose[:, 2])], axis=1)


def margin(args: argparse.Namespace) -> dict[str, Any]:
    """(g) Every attack on the rows with and without what keeps them safe between samples."""
    kinds: dict[str, Callable[[gym.Env, float], gym.Env]] = {
        "margin": PursuitEvasionBarrier,
        "no margin": lambda env, alpha: WithoutMargin(env, alpha, point_only=False),
        "no margin, virtual point only": WithoutMargin,
    }
    attacks: tuple[type[Attack], ...] = (Uniform, BangBang, Ramming)
    records = []
    for alpha, (name, kind), attack in itertools.product((2.0, 20.0), kinds.items(), attacks):
        record, _ = attack_copies(
            [kind(gym.make(CLUTTER), alpha) for _ in range(COPIES)], attack(), steps=args.attack_steps
        )
        kept = {key: getattr(record, key) for key in ("attack", "steps", "violations", "infeasible", "worst_clearance")}
        records.append({"alpha": alpha, "rows": name, **kept})
    return {"env": CLUTTER, "records": records}


def trained(method: str, algo: str, runs: Path) -> ZooRun:
    """The headline study's training of seed 0, made now if it is not there."""
    run = ZooRun(algo, ENV_ID, 0, runs / "runs" / slug(method) / "seed_0")
    run.train(progress=True)
    return run


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "solver": solver,
    "metric": metric,
    "margin": margin,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "results" / "studies", help="output folder of the study")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="compute these parts anew")
    parser.add_argument("--samples", type=int, default=6_400, help="of the problems in (a)")
    parser.add_argument("--episodes", type=int, default=100, help="of every solver in (a)")
    parser.add_argument("--steps", type=int, default=60_000, help="of every agent in (f)")
    parser.add_argument("--attack-steps", type=int, default=200_000, help="of every attack in (g)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "report", help="folder to write to")
    args = parser.parse_args()
    th.set_num_threads(1)
    register()
    file = args.out / "ablations.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    for name in args.only or [part for part in PARTS if part not in found]:
        found[name] = {**PARTS[name](args), **provenance()}
        write_json(file, found)
        print(name, json.dumps(found[name], indent=1))


if __name__ == "__main__":
    main()
