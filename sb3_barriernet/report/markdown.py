"""The report of a comparison: what was found, next to what an earlier project had found, and how to repeat it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sb3_barriernet.report.table import comparison_table, count

EARLIER = """\
## Why this was once declared a failure

An earlier research code tried the same idea on this game and concluded that barriers cost the task:

| earlier code | barrier policy | PPO | PPO + filter |
|---|---|---|---|
| capture | 2 % | 100 % | 91.5 % |
| "violations" | 7.56 % | 6.07 % | 6.84 % |
| actions changed by the QP | 88.2 % | - | 44.5 % |
| per action | 5.42 ms | 0.18 ms | 0.46 ms |

Three defects made these numbers, which are quoted from that project. Its QP padded unused rows with zeros, on
which its interior-point solver returns wrong answers: a reproduction made before this package found that it
changed 87 % of the actions in its own setting, where the exact projection changes 1.4 %. One of its barriers kept
the robots further apart than the capture distance that it rewarded. And its violation metric had swapped
arguments, so it counted something else. (Its settings differ from ours: 2M steps, another reward, a barrier
between the robots.)
"""

METHOD_NOTES = """\
*Violating steps* are judged by the environment's geometry before the simulator pushes anything apart, never by
a barrier. *Intervention* is the share of steps whose action a barrier row changed; a clip to the actuator
range is none. *Infeasible* steps are those at which no action satisfied all rows. *Steps to 95 %* is when 95 % of
the last 200 training episodes, exploration noise included, succeeded without a violation. All methods share
network, inputs, fixed exploration noise, training seeds, evaluation episodes and all hyperparameters but one:
BarrierPPO pays for its corrections (`correction_coef` in its YAML, off where rows are hidden). PPO + filter is the
trained PPO with the projection put behind it afterwards. Cells show the mean over seeds and their range. What a step
costs is measured apart, by `benchmarks/overhead.py`, which alternates the methods.
"""


def report_text(results: dict[str, Any], figures: dict[str, Path]) -> str:
    """Markdown of the whole report; figures are linked by file name."""
    runs = results["runs"]
    parts = [f"# Comparison on {results['env']}", _headline(runs), comparison_table(runs), METHOD_NOTES]
    parts += [f"![{title}]({path.name})" for title, path in figures.items()]
    if results["env"] == "PursuitEvasion-v0":
        parts.append(EARLIER)
    parts.append(_provenance(results))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _headline(runs: list[dict[str, Any]]) -> str:
    """The safety claim of the barrier policy with its statistical bound."""
    ours = [run for run in runs if run["method"] == "barrierppo"]
    if not ours:
        return ""
    steps = sum(run["timesteps"] + run["steps"] for run in ours)
    violations = sum(run["train_violations"] + run["violations"] for run in ours)
    baseline = [run["train_violations"] for run in runs if run["method"] == "ppo"]
    against = f" PPO committed {count(sum(baseline))} while training." if baseline else ""
    bound = f" (at 95 % confidence below {3.0 / steps:.1e} a step)" if violations == 0 else ""
    return (
        f"BarrierPPO committed **{count(violations)} violating steps in {count(steps)} steps** of training and "
        f"evaluation{bound}.{against}"
    )


def _provenance(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    seeds = sorted({run["seed"] for run in results["runs"]})
    hidden = " Barrier rows were hidden from every network." if results["hide_rows"] else ""
    return (
        f"## How to repeat this\n\n```\n{results['command']}\n```\n\n"
        f"Training seeds {seeds}, {results['eval_episodes']} evaluation episodes from seed {results['eval_seed']}."
        f"{hidden} {results['machine']}; {versions}."
    )
