"""Why an earlier project's barrier failed, defect by defect, each with its effect size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sb3_barriernet.report.results_table import by_environment, number
from sb3_barriernet.report.statistics import difference_interval, rule_of_three
from sb3_barriernet.report.table import Run, count, percent, spread

UNCHANGED = "nothing changed"
PLAIN = "without features and penalty"
REFERENCES = {
    "(c) clamped, without features and penalty": PLAIN,
    "(d) learnable std, without features and penalty": PLAIN,
    "(e) earlier reward, PPO, 2M steps": "PPO, nothing changed",
    "(g) no margin, alpha 20": "alpha 20 with its margin",
    "(a) solver padded with 1e6": "nothing changed, 200k steps",
    "(a) solver padded with 1": "nothing changed, 200k steps",
    "the earlier design": "the earlier design with an exact solver",
    "the earlier design with an exact solver": "nothing changed, 200k steps",
}
"""What an ablation is compared with, where that is not the design itself."""

INTRODUCTION = """\
Each of these was in the earlier project's code. Each is rebuilt outside the package, in
[studies/ablations.py](../../studies/ablations.py), and put by itself into the design as it is shipped, except that rows
are in the barrier's order here.
"""

DEFECTS = {
    "(a) A solver that unused rows break": """\
Rows are padded to a fixed number. That project padded with `0 u <= 1e6` and handed the problem to qpth, whose interior
point returns wrong actions on zero rows, without a word. The problem does not depend on the right-hand side of such a
row, nor on there being one.""",
    "(b) A row between the robots": """\
The task is to come within 0.5 m of the evader; the row kept the robots' virtual points 0.35 m apart. It left the
evader's motion out, so that it guaranteed nothing, and at alpha 1 it allowed an approach of (d^2 - 0.35^2) / (2 d):
less than full speed from 2.06 m on, 0.13 m/s at the capture distance. With the evader's top speed in it, which a
barrier needs, it forbids coming nearer than 2.06 m: the task itself.""",
    "(c) The nominal action clamped before its likelihood": """\
Samples beyond the action box were clamped and then weighed as if the Gaussian had proposed them. The gradient then
belongs to another policy than the one that acted.""",
    "(d) A learnable standard deviation": """\
The filter answers for what exploration does, so that noise looks cheaper than it is, and what PPO learns about its std
is about the filter. That project saw its std explode, and fixed it before its last training.""",
    "(e) The reward": """\
10 per diagonal of the arena, which is 0.018 a step at best, against a penalty of 50 when time is up, at a moment that
the observation does not show.""",
    "(f) A metric with swapped arguments": """\
"Violations" were negative barriers, not contacts, and two of the three were called with their arguments in the wrong
places: the walls' with (look-ahead, gain) for (body radius, look-ahead), the robots' with (look-ahead, gain) for
(separation, look-ahead). Both then judge points one metre ahead of the robots. Whoever faces a wall within a metre
violates, filter or not.""",
    "(g) No margin for sampling": """\
The row of continuous time was applied every 0.05 s. Between two samples a turning robot leaves its tangent; and a
virtual point that stays `r` from an obstacle lets the robot behind it come up to 11 mm nearer where it turns away. The
trainings leave out both margins, the attacks first one, then both.""",
}


def ablation_section(runs: Sequence[Run], computed: Mapping[str, Any], figure: str | None) -> str:
    """The whole section: the table of trainings, and every defect in words and numbers."""
    parts = [INTRODUCTION]
    if runs:
        parts += [ablation_table(runs), TABLE_NOTES]
    if figure:
        parts.append(f"![Ablations]({figure})")
    tables = {
        "(a)": solver_table(computed["solver"]) if "solver" in computed else "",
        "(f)": metric_table(computed["metric"]) if "metric" in computed else "",
        "(g)": margin_table(computed["margin"]) if "margin" in computed else "",
    }
    for title, text in DEFECTS.items():
        letter = title[:3]
        found = [part for part in (effects(runs, letter), tables.get(letter, "")) if part]
        parts += [f"### {title}", text, *(found or ["Not run yet."])]
    parts += ["### All of it together", TOGETHER, effects(runs, TOGETHER_METHOD) or "Not run yet."]
    return "\n\n".join(part.strip() for part in parts if part.strip())


TABLE_NOTES = """\
*Effect*: difference in safe success, as deployed, to the line that differs in this alone (*nothing changed* unless
another is named), in points, with the 95 % interval of the bootstrap over seeds where both have more than one; of two
or three seeds that is a sketch. *Steps to 95 %* as above.
"""

TOGETHER_METHOD = "the earlier design"
TOGETHER = """\
Clamped samples, the row between the robots, their weight and noise, two layers of 256, the reward, no features, and the
padded solver: the design that was declared not viable. The second line changes the solver alone.
"""


def ablation_table(runs: Sequence[Run]) -> str:
    """One line an ablation, by environment."""
    header = ["", "seeds", "steps", "safe success", "effect", "filter taken away", "corrected"]
    header += ["violating steps, training", "steps to 95 %"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for env_id, of_env in by_environment(runs).items():
        lines.append(f"| **{env_id}** " + "| " * (len(header) - 1) + "|")
        for method in dict.fromkeys(run["method"] for run in of_env):
            chosen = _of(of_env, method)
            cells = [
                method,
                str(len(chosen)),
                f"{max(run['timesteps'] for run in chosen) / 1000:.0f}k",
                spread([run["violation_free_success_rate"] for run in chosen], percent),
                _effect(of_env, method),
                spread([run["unfiltered_violation_free_success_rate"] for run in chosen], percent),
                spread([run["intervention_rate"] for run in chosen], percent) if chosen[0]["filtered"] else "n/a",
                spread([run["train_violations"] for run in chosen], count),
                spread([run["steps_to_95"] for run in chosen], lambda value: f"{value / 1000:.0f}k"),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def effects(runs: Sequence[Run], prefix: str) -> str:
    """What the trainings say about one defect, in sentences."""
    lines = []
    for env_id, of_env in by_environment(runs).items():
        for method in dict.fromkeys(run["method"] for run in of_env if run["method"].startswith(prefix)):
            chosen, reference = _of(of_env, method), _reference(of_env, method)
            rate = spread([run["violation_free_success_rate"] for run in chosen], percent)
            against = f", an effect of {_effect(of_env, method)} points against *{reference}*" if reference else ""
            lines.append(f"- {method.removeprefix(prefix).strip() or method}, {env_id}: {rate} safe success{against}.")
    return "\n".join(lines)


def _of(runs: Sequence[Run], method: str) -> list[Run]:
    return [run for run in runs if run["method"] == method]


def _reference(runs: Sequence[Run], method: str) -> str | None:
    """What a method is compared with, if that has been run."""
    reference = REFERENCES.get(method, UNCHANGED)
    return reference if reference != method and _of(runs, reference) else None


def _effect(runs: Sequence[Run], method: str) -> str:
    reference = _reference(runs, method)
    if reference is None:
        return "-"
    ours, theirs = (
        np.array([100.0 * run["violation_free_success_rate"] for run in _of(runs, name)])
        for name in (method, reference)
    )
    estimate, low, high = difference_interval(ours, theirs)
    interval = f" [{low:+.1f}, {high:+.1f}]" if min(len(ours), len(theirs)) > 1 else ""
    return f"{estimate:+.1f}{interval}"


def solver_table(found: Mapping[str, Any]) -> str:
    """(a) What each solver does to the same problems, and to the same trained policy."""
    header = ["solver", "actions changed", "wrong actions", "largest error", "rows broken", "us an action"]
    header += ["captures", "corrected"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for name, problem in found["problems"].items():
        acting = found["closed_loop"][name]
        cells = [
            "exact (this package)" if name == "exact" else f"qpth, {name}",
            percent(problem["changed"]),
            percent(problem["wrong"]),
            f"{problem['largest_error']:.2g}",
            percent(problem["breaks_a_row"]),
            number(problem["us_per_sample"]),
            percent(acting["success_rate"]),
            percent(acting["intervention_rate"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    episodes = next(iter(found["closed_loop"].values()))["episodes"]
    notes = (
        f"{count(found['samples'])} rows and sampled proposals of a trained BarrierPPO, batches of {found['batch']}, "
        "under the earlier weight diag(150, 1); a change or an error counts from 0.01 on. The last two columns: the "
        f"same policy acting through each solver, {episodes} episodes."
    )
    return "\n".join(lines) + f"\n\n{notes}"


def metric_table(found: Mapping[str, Any]) -> str:
    """(f) The same steps, judged three ways."""
    header = ["", "their metric", "its arguments in order", "geometry"]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for name, counted in found.items():
        if isinstance(counted, Mapping) and "geometry" in counted:
            shares = [f"{100 * counted[key]:.2f} %" for key in ("arguments_swapped", "arguments_in_order")]
            truth = counted["geometry"]
            exact = f"{100 * truth:.2f} %" if truth else f"0 (< {rule_of_three(counted['steps']):.1e})"
            lines.append("| " + " | ".join([name, *shares, exact]) + " |")
    steps = next(counted["steps"] for counted in found.values() if isinstance(counted, Mapping) and "steps" in counted)
    return "\n".join(lines) + f"\n\nShare of {count(steps)} steps an agent, the same steps for every metric."


def margin_table(found: Mapping[str, Any]) -> str:
    """(g) Attacks on rows with and without their margins: violating steps, and the worst clearance in mm."""
    records = found["records"]
    kinds = list(dict.fromkeys(record["rows"] for record in records))
    header = ["alpha", "attack", *kinds]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for alpha, attack in dict.fromkeys((record["alpha"], record["attack"]) for record in records):
        chosen = {r["rows"]: r for r in records if (r["alpha"], r["attack"]) == (alpha, attack)}
        cells = [_attacked(chosen[kind]) for kind in kinds]
        lines.append("| " + " | ".join([f"{alpha:g}", attack.replace("_", "-"), *cells]) + " |")
    notes = f"{count(records[0]['steps'])} attacked steps each on {found['env']}; in brackets the worst clearance."
    if not any(record["violations"] for record in records if record["rows"] == "no margin"):
        notes += " Leaving out the margin alone lets nothing through here: the proof needs it, these attacks do not."
    return "\n".join(lines) + f"\n\n{notes}"


def _attacked(record: Mapping[str, Any]) -> str:
    seen = record["violations"]
    violations = count(seen) if seen else f"0 (< {rule_of_three(record['steps']):.1e})"
    return f"{violations} [{1000 * record['worst_clearance']:.3g} mm]"
