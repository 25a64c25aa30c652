"""The report of a tuning: what the tuner found, and whether it replaces what is shipped, by a rule fixed beforehand."""

from __future__ import annotations

import json
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sb3_barriernet.report.results_table import number
from sb3_barriernet.report.study import has_goal
from sb3_barriernet.report.table import Run, count, percent, spread

CLEAR_GAIN = 0.05
"""Share of the shipped mean by which the worst seed of a trial must exceed it."""

RULE = f"""\
## The rule, fixed before the first trial

A tuner's best trial is the luckiest of many short trainings. It replaces the shipped block of BarrierPPO only if,
trained for the block's whole budget on seeds that no trial has used,

1. no seed violates anything, in training or behind the filter;
2. its worst seed returns more than the best seed of the shipped block, which with three seeds each happens by chance
   once in twenty;
3. its worst seed returns at least {percent(CLEAR_GAIN)} more than the mean of the shipped block, because every recorded
   study of the environment would have to be made anew;
4. without its filter, it violates no more than the shipped block does without one.

Otherwise the shipped block stays. Seeds are trained one after the other, and no more of them once one has decided
against the tuned block.

Baselines keep the shipped block in every comparison, whatever comes out: PPO, so that it differs from BarrierPPO in the
algorithm alone, SAC and TQC, because what they are there to show does not depend on it, that nothing is violated. What
tuning would give them stands here.
"""

NOTES = """\
Mean over seeds, and the range where they differ. Agents act as they were trained to, BarrierPPO behind its filter;
*unfiltered* is the same policy without one, on the same episodes. Violations are judged by the environment's geometry.
*Intervention* is the share of evaluation steps whose action a row changed.
"""

COLUMNS: list[tuple[str, str, Any]] = [
    ("training steps", "timesteps", count),
    ("return", "mean_return", number),
    ("return, unfiltered", "unfiltered_mean_return", number),
    ("safe success", "violation_free_success_rate", percent),
    ("safe success, unfiltered", "unfiltered_violation_free_success_rate", percent),
    ("intervention", "intervention_rate", percent),
    ("violating steps, training", "train_violations", count),
    ("violating steps", "violations", count),
    ("violating steps, unfiltered", "unfiltered_violations", count),
]


@dataclass(frozen=True)
class Compared:
    """One tuning: what was tried, and the runs of both blocks on held-out seeds."""

    found: Mapping[str, Any]
    shipped: Sequence[Run]
    tuned: Sequence[Run]
    seeds: int

    @classmethod
    def of(cls, found: Mapping[str, Any], content: Mapping[str, Any]) -> Compared:
        runs = [run for run in content["runs"] if run["env"] == found["env"]]
        shipped, tuned = ([run for run in runs if run["method"] == found[name]] for name in ("method", "best_name"))
        return cls(found, shipped, tuned, len(content["seeds"]))

    @property
    def is_baseline(self) -> bool:
        return bool(self.found["algo"] != "barrierppo")

    @property
    def has_goal(self) -> bool:
        return has_goal([*self.shipped, *self.tuned])

    @property
    def objections(self) -> list[str]:
        return objections(self.shipped, self.tuned, self.seeds)

    @property
    def safe_successes(self) -> tuple[list[float], list[float]]:
        """Of the shipped and of the tuned block, a seed each."""
        shipped, tuned = ([run["violation_free_success_rate"] for run in runs] for runs in (self.shipped, self.tuned))
        return shipped, tuned

    @property
    def verdict(self) -> str:
        if self.is_baseline:
            shipped, tuned = map(statistics.mean, self.safe_successes)
            return f"{100 * (tuned - shipped):+.1f} points of safe success"
        return "the shipped block stays" if self.objections else "**the tuned block replaces it**"


def objections(shipped: Sequence[Run], tuned: Sequence[Run], seeds: int) -> list[str]:
    """What the rule has against the tuned block, in words; nothing if it replaces the shipped one.

    :param shipped: runs of the shipped block on the held-out seeds, at least one
    :param tuned: those of the tuned one, at least one
    :param seeds: how many runs of each the rule wants, unless fewer have decided
    """
    final = decisive_objections(shipped, tuned)
    bare, bare_shipped = (_total(runs, "unfiltered_violations") / len(runs) for runs in (tuned, shipped))
    others = [
        (
            bare > bare_shipped,
            f"without its filter it violates in {count(bare)} steps, the shipped one in {count(bare_shipped)}",
        ),
        (len(tuned) < seeds and not final, f"only {len(tuned)} of {seeds} seeds are trained"),
        (len(shipped) < seeds, f"only {len(shipped)} of {seeds} seeds of the shipped block are trained"),
    ]
    return final + [reason for holds, reason in others if holds]


def decisive_objections(shipped: Sequence[Run], tuned: Sequence[Run]) -> list[str]:
    """Those that no further seed of the tuned block could take back."""
    best, mean, worst = max(_returns(shipped)), statistics.mean(_returns(shipped)), min(_returns(tuned))
    wanted = mean + CLEAR_GAIN * abs(mean)
    violating = _total(tuned, "train_violations") + _total(tuned, "violations")
    against = [
        (violating > 0, f"it violates in {count(violating)} steps"),
        (worst <= best, f"its worst seed returns {number(worst)}, the best shipped one {number(best)}"),
        (worst < wanted, f"its worst seed returns {number(worst)}, and a clear gain begins at {number(wanted)}"),
    ]
    return [reason for holds, reason in against if holds]


def write_tuning_report(folder: Path) -> Path:
    """``report.md`` beside the ``results.json`` of a folder; tunings without trained seeds are left out."""
    content = json.loads((folder / "results.json").read_text())
    compared = [Compared.of(found, content) for found in content["tunings"]]
    ready = [one for one in compared if one.shipped and one.tuned]
    sections = [_section(one) for one in ready]
    parts = ["# Tuning", _introduction(content), RULE, _overview(ready), NOTES, *sections, _how_to_repeat(content)]
    report = folder / "report.md"
    report.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    return report


def gains_of_baselines(content: Mapping[str, Any]) -> str:
    """What baselines would gain from blocks of their own, in Markdown; nothing if none was tuned.

    :param content: ``results.json`` of a tuning, or nothing
    """
    tunings = [Compared.of(found, content) for found in content.get("tunings", ())]
    lines = []
    for one in tunings:
        if one.shipped and one.tuned and one.is_baseline:
            shipped, tuned = (spread(rates, percent) for rates in one.safe_successes)
            lines.append(f"- {one.found['method']} on {one.found['env']}: {tuned} instead of {shipped}, {one.verdict}.")
    if not lines:
        return ""
    intro = (
        "All PPO methods share one block of hyperparameters, SAC and TQC have their own. The RL Zoo's tuner, with the "
        "same budget for each, would have given the baselines others ([tuning](../results/tuning/report.md)), by safe "
        "success on the same seeds:"
    )
    return "\n".join([intro, "", *lines])


def _introduction(content: Mapping[str, Any]) -> str:
    budget, trials = content["budget"], sum(len(found["trials"]) for found in content["tunings"])
    text = (
        "Would the RL Zoo's own tuner have chosen other hyperparameters than those that this package ships? A small "
        f"study of {trials} trials, each of {budget['timesteps']:,} training steps, with seeds from "
        f"{content['tuning_seed']:,} on. Of the {budget['trials']} of a block {budget['startup_trials']} are drawn "
        f"at random and the others by TPE; each is evaluated {budget['evaluations']} times, on "
        f"{budget['eval_episodes']} episodes, and pruned where it is worse than the median. [What is "
        "tried](../../../sb3_barriernet/zoo/sampler.py) are PPO's parameters and its network, alike for every method "
        "([of SAC and TQC](../../../studies/tuning.py) theirs, but for how often they update), never what belongs to "
        "the barrier or to a penalty. So short a trial favours what learns fast at first, and so few of them are luck "
        "in part."
    )
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _overview(compared: Sequence[Compared]) -> str:
    titles = ["block", "environment", "return, shipped", "tuned", "safe success, shipped", "tuned", "verdict"]
    lines = ["## What came out", "", "| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for one in compared:
        pair = (one.shipped, one.tuned)
        cells = [one.found["method"], one.found["env"], *(spread(_returns(runs), number) for runs in pair)]
        cells += [spread(rates, percent) if one.has_goal else "n/a" for rates in one.safe_successes]
        lines.append("| " + " | ".join([*cells, one.verdict]) + " |")
    return "\n".join(lines)


def _section(one: Compared) -> str:
    found, trials = one.found, one.found["trials"]
    best = next(trial for trial in trials if trial["number"] == found["best"])
    pruned = sum(trial["state"] == "PRUNED" for trial in trials)
    return "\n\n".join(
        [
            f"## {found['method']} on {found['env']}",
            f"{len(trials)} trials, {pruned} of them pruned. The best is trial {best['number']}, which returned "
            f"{number(best['value'])} at its end.",
            _parameters(found),
            f"Both blocks on held-out seeds, {one.tuned[0]['episodes']:,} evaluation episodes a run:",
            _comparison(one),
            _conclusion(one),
        ]
    )


def _conclusion(one: Compared) -> str:
    if one.is_baseline:
        return f"Tuned, this baseline has {one.verdict}."
    if one.objections:
        return f"The shipped block stays: {'; '.join(one.objections)}."
    return "**The tuned block replaces the shipped one.**"


def _parameters(found: Mapping[str, Any]) -> str:
    lines = [f"|  | shipped | trial {found['best']} |", "|---|---|---|"]
    for name, value in found["tuned"].items():
        shipped = found["shipped"].get(name)
        lines.append(f"| `{name}` | {'as in SB3' if shipped is None else f'`{shipped}`'} | `{value}` |")
    return "\n".join(lines)


def _comparison(one: Compared) -> str:
    columns = COLUMNS if one.has_goal else [column for column in COLUMNS if "success" not in column[0]]
    header = ["", "seeds", *(title for title, *_ in columns)]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for runs in (one.shipped, one.tuned):
        seeds = ", ".join(str(run["seed"]) for run in runs)
        cells = [spread([run[key] for run in runs], form) for _, key, form in columns]
        lines.append("| " + " | ".join([runs[0]["method"], seeds, *cells]) + " |")
    return "\n".join(lines)


def _how_to_repeat(content: Mapping[str, Any]) -> str:
    origins = "\n\n".join(f"{origin}." for origin in dict.fromkeys(run["origin"] for run in content["runs"]))
    return (
        f"## How to repeat this\n\n```\n{content['command']}\n```\n\n`--trials`, `--timesteps`, `--evaluations` and "
        f"`--eval-episodes` allow a bigger study; more trials go on where these ended.\n\n{origins}"
    )


def _returns(runs: Sequence[Run]) -> list[float]:
    return [run["mean_return"] for run in runs]


def _total(runs: Sequence[Run], key: str) -> int:
    return sum(run[key] for run in runs)
