"""Write docs/report: is the barrier worth it, and why did an earlier project find that it is not?

    python scripts/decision_report.py                           # the page and its figures, from committed numbers
    python scripts/decision_report.py --runs results/studies    # curves, clearances and film from the trainings, too

Reads the ``results.json`` of ``studies/headline.yml``, ``studies/ablations.yml``, ``studies/ablated_solver.yml`` and
``studies/tuning.yml``, the ``ablations.json`` of ``scripts/ablations.py``, and what an earlier call with ``--runs`` has
left. What is missing is left out, and every number says how many seeds it has.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch as th
from tqdm import tqdm

from sb3_barriernet import SafetyFilter
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.evaluation import run_episodes
from sb3_barriernet.evaluation.agents import Predictor
from sb3_barriernet.report.decision import Evidence, decision_report
from sb3_barriernet.report.decision_figures import (
    plot_ablations,
    plot_clearances,
    plot_profiles,
    plot_returns,
    plot_training,
)
from sb3_barriernet.report.figures import plot_trajectories
from sb3_barriernet.report.results_table import by_environment
from sb3_barriernet.report.trajectories import Trajectory, record, save_animation, side_by_side
from sb3_barriernet.zoo.measurement import EVALUATION_ENVS, EVALUATION_SEED
from sb3_barriernet.zoo.study import Job, read_study
from sb3_barriernet.zoo.study_curves import training_curves

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
STUDY = ROOT / "studies" / "headline.yml"

SHOWN = {"BarrierPPO": "barrierppo", "PPO": "ppo", "PPO + filter": "ppo+filter"}
"""Methods whose episodes are shown, and what figures of episodes call them."""

FILM = "PursuitEvasionClutter-v0"
FILM_EPISODES = 4
FILM_SIZE = 960
TIMED = 500

COMMANDS = [
    "python scripts/study.py studies/headline.yml --reuse docs/results/learning --workers 2",
    "python scripts/study.py studies/ablations.yml --reuse docs/results/learning docs/results/headline --workers 2",
    "python scripts/study.py studies/ablated_solver.yml --workers 2",
    "python scripts/ablations.py --runs results/studies",
    "python scripts/decision_report.py --runs results/studies",
]
"""Everything on this page from nothing; `make report`."""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", help="folders of the headline study's trainings")
    parser.add_argument("--episodes", type=int, default=200, help="of every agent, for the clearances")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of every method whose clearances are shown")
    parser.add_argument("--headline", type=Path, default=RESULTS / "headline", help="report folder of the study")
    parser.add_argument(
        "--ablations",
        type=Path,
        nargs="*",
        default=[RESULTS / "ablations", RESULTS / "ablated-solver"],
        help="report folders of the ablations",
    )
    parser.add_argument("--study", type=Path, default=STUDY, help="the YAML file of the headline study")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "report", help="folder to write to")
    return parser.parse_args()


def read(file: Path) -> dict[str, Any]:
    """A file of numbers; empty if there is none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def collect(jobs: Sequence[Job], args: argparse.Namespace) -> None:
    """What only trainings know: curves, clearances, a film, the time of an action."""
    (args.out / "curves.json").write_text(json.dumps({"trainings": training_curves(jobs)}) + "\n", encoding="utf-8")
    shown = {(job.run.env_id, method, job.run.seed): job for job in jobs for method in job.methods if method in SHOWN}
    first: dict[tuple[str, str], Job] = {}
    for (env_id, method, _), job in shown.items():
        first.setdefault((env_id, method), job)
    episodes = []
    seeds = sorted({seed for *_, seed in shown})[: args.seeds]
    for (env_id, method, seed), job in tqdm(shown.items(), desc="clearances", unit="agent"):
        if seed in seeds:
            env = job.run.make_env(min(EVALUATION_ENVS, args.episodes), EVALUATION_SEED)
            clearances = run_episodes(agent_of(job, method), env, args.episodes).min_clearance
            entry = {"env": env_id, "method": method, "seed": seed, "min_clearance": clearances.round(4).tolist()}
            episodes.append(entry)
    found = {"latency": latency(first), "episodes": episodes}
    (args.out / "episodes.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
    film(first, args.out)


def agent_of(job: Job, method: str) -> Predictor:
    model = job.run.load()
    return SafetyFilter(model) if job.methods[method].filter else model


def latency(first: Mapping[tuple[str, str], Job]) -> dict[str, float]:
    """Median microseconds of one ``predict`` of one observation, agents in turns."""
    chosen = {method: job for (env_id, method), job in first.items() if env_id == next(iter(first))[0]}
    agents = {method: agent_of(job, method) for method, job in chosen.items()}
    observations = {method: job.run.make_env(1, EVALUATION_SEED).reset() for method, job in chosen.items()}
    times: dict[str, list[float]] = {method: [] for method in agents}
    for _ in range(TIMED):
        for method, agent in agents.items():
            started = time.perf_counter()
            agent.predict(observations[method], deterministic=True)
            times[method].append(time.perf_counter() - started)
    return {method: 1e6 * statistics.median(taken) for method, taken in times.items()}


def film(first: Mapping[tuple[str, str], Job], folder: Path) -> None:
    """The most telling of a few episodes under every method, as paths and as a film."""
    jobs = {method: first[FILM, method] for method in SHOWN if (FILM, method) in first}
    if not jobs:
        return

    def play(method: str, seed: int, **kwargs: Any) -> Trajectory:
        return record(agent_of(jobs[method], method), jobs[method].run.make_env(1, seed, **kwargs))

    seeds = range(EVALUATION_SEED, EVALUATION_SEED + FILM_EPISODES)
    last = list(jobs)[-1]
    chosen = max(seeds, key=lambda seed: drama(play(last, seed)))
    played = {method: play(method, chosen, render_mode="rgb_array") for method in jobs}
    plot_trajectories({SHOWN[method]: episode for method, episode in played.items()}, folder / "trajectories.png")
    frames = side_by_side({method: episode.frames for method, episode in played.items()})
    save_animation(frames, folder / "episode.gif", fps=20, every=3, size=FILM_SIZE)


def drama(trajectory: Trajectory) -> int:
    """How much there is to see: steps that violate, or would without the filter."""
    return int(trajectory.violation.sum() + trajectory.corrected.sum())


def draw(runs: Sequence[dict[str, Any]], ablations: Sequence[dict[str, Any]], folder: Path) -> dict[str, str]:
    """Every figure that there are numbers for; its file by title."""
    curves = read(folder / "curves.json").get("trainings", [])
    episodes = read(folder / "episodes.json").get("episodes", [])
    shipped = [run for run in runs if run["method"] == "BarrierPPO"]
    references = {
        env_id: statistics.fmean(run["violation_free_success_rate"] for run in of_env)
        for env_id, of_env in by_environment(shipped).items()
    }
    drawings: dict[str, tuple[str, Any, Callable[[Path], None]]] = {
        "Performance profiles, tasks pooled": ("profiles.png", runs, lambda p: plot_profiles(runs, p)),
        "While learning: interquartile mean and range of the seeds": (
            "training.png",
            curves,
            lambda p: plot_training(curves, p),
        ),
        "Return with the filter against return without it, a mark a seed": (
            "returns.png",
            runs,
            lambda p: plot_returns(runs, p),
        ),
        "How near an episode comes to a violation": (
            "clearances.png",
            episodes,
            lambda p: plot_clearances(episodes, p),
        ),
        "Ablations": ("ablations.png", ablations, lambda p: plot_ablations(ablations, references, p)),
    }
    figures = {}
    for title, (name, data, plot) in drawings.items():
        if data:
            plot(folder / name)
            figures[title] = name
    for title, name in (
        ("The same episode under three methods", "trajectories.png"),
        ("The same episode as a film", "episode.gif"),
    ):
        if (folder / name).exists():
            figures[title] = name
    return figures


def main() -> None:
    args = parse_arguments()
    th.set_num_threads(1)
    headline = read(args.headline / "results.json")
    if not headline:
        raise ConfigurationError(f"Found no {args.headline / 'results.json'}. It is made by\n{COMMANDS[0]}")
    args.out.mkdir(parents=True, exist_ok=True)
    if args.runs:
        jobs = [job for folder in args.runs for job in read_study(args.study).jobs(folder.resolve())]
        trained: dict[Any, Job] = {}
        for job in jobs:
            if job.run.is_finished:
                trained.setdefault((job.run.env_id, next(iter(job.methods)), job.run.seed), job)
        collect(list(trained.values()), args)
    ablations = [run for folder in args.ablations for run in read(folder / "results.json").get("runs", [])]
    evidence = Evidence(
        headline=headline,
        everywhere=read(RESULTS / "every-environment" / "results.json").get("runs", []),
        ablations=ablations,
        computed=read(args.out / "ablations.json"),
        tuning=read(RESULTS / "tuning" / "results.json"),
        latency=read(args.out / "episodes.json").get("latency", {}),
        overhead=read(RESULTS / "overhead.json"),
        figures=draw(headline["runs"], ablations, args.out),
        commands=COMMANDS,
    )
    page = args.out / "index.md"
    page.write_text(decision_report(evidence), encoding="utf-8")
    print(f"Report: {page}")


if __name__ == "__main__":
    try:
        main()
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
