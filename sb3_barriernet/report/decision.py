"""The decision report as Markdown: the decision, the numbers under it, and why the earlier one was another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sb3_barriernet.report.ablations import ablation_section
from sb3_barriernet.report.results_table import by_environment, number
from sb3_barriernet.report.statistics import (
    Interval,
    bootstrap_interval,
    improvement_interval,
    rule_of_three,
    wilson_interval,
)
from sb3_barriernet.report.study import has_goal
from sb3_barriernet.report.table import Run, count, percent
from sb3_barriernet.report.tuning import gains_of_baselines

OURS, PLAIN, FILTERED = "BarrierPPO", "PPO", "PPO + filter"
OFF_POLICY = ("SAC", "TQC")
OPEN, CLUTTER = "PursuitEvasion-v0", "PursuitEvasionClutter-v0"
SAFE, SAFE_ALONE = "violation_free_success_rate", "unfiltered_violation_free_success_rate"

EARLIER_EPISODES = 200
EARLIER: dict[str, tuple[str | float, ...]] = {
    "training steps": ("324k of 2M", "1M", "1M"),
    "captured": (0.02, 1.0, 0.915),
    '"violations", share of steps': ("7.56 %", "6.07 %", "6.84 %"),
    "actions changed": ("88.2 %", "-", "44.5 %"),
    "ms an action": ("5.42", "0.18", "0.46"),
}
"""What that project reported of its barrier policy, PPO and PPO + filter."""

METHOD_NOTES = """\
*Safe success* is an episode that succeeds without a single violating step. *As deployed* is the agent as it acts in the
end, PPO without a filter and all others behind one; *filter taken away* is the same policy on the same episodes.
Violations are judged by the environment's geometry before anything is pushed apart, never by a barrier.
*Corrected* is the share of evaluation steps whose action a row changed. Numbers are interquartile means over seeds, in
brackets 95 % intervals of the stratified bootstrap (2,000 resamples); of rates out of counted episodes Wilson's.
*No violation in N steps* is reported with the end of its one-sided 95 % interval, 3 / N. All PPO methods share network,
inputs, fixed exploration noise, steps, seeds and episodes; BarrierPPO pays for its corrections. *All on* adds the
correction loss, learned gains and 400,000 steps of distillation, all of them filtered. SAC and TQC have a quarter of
the steps or less, one update for four of them and fewer seeds: they show that nothing is violated, not how well they
learn.
"""

NO_GAIN_NOTES = """\
Safe success where a task has a goal, the task's return elsewhere; mean and range over seeds. *PPO + filter* has learned
without a filter, and violated on the way. The verdict is by the ranges of the seeds: a tie where they overlap.
"""


@dataclass(frozen=True)
class Evidence:
    """Everything that the report is made of; what is missing is left out of it.

    :param headline: ``results.json`` of ``studies/headline.yml``
    :param everywhere: runs of ``studies/every_environment.yml``
    :param ablations: runs of ``studies/ablations.yml`` and ``studies/ablated_solver.yml``
    :param computed: ``ablations.json`` of ``scripts/ablations.py``
    :param tuning: ``results.json`` of ``studies/tuning.yml``
    :param latency: microseconds of one ``predict`` by method
    :param overhead: ``overhead.json`` of ``benchmarks/overhead.py``
    :param figures: what is shown, file by title
    :param commands: what repeats the report, in its order
    """

    headline: Mapping[str, Any]
    everywhere: Sequence[Run] = ()
    ablations: Sequence[Run] = ()
    computed: Mapping[str, Any] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)
    latency: Mapping[str, float] = field(default_factory=dict)
    overhead: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()

    @property
    def runs(self) -> list[Run]:
        return self.headline["runs"]

    def of(self, env_id: str, method: str) -> list[Run]:
        """Runs of the headline study."""
        return [run for run in self.runs if run["env"] == env_id and run["method"] == method]

    def values(self, env_id: str, method: str, key: str) -> np.ndarray:
        """What is known of one number, an entry a seed."""
        return np.array([run[key] for run in self.of(env_id, method) if run[key] is not None], dtype=float)


def decision_report(evidence: Evidence) -> str:
    """The whole page."""
    parts = [
        "# Is the barrier worth it?",
        decision(evidence),
        "## The earlier numbers beside ours",
        earlier_table(evidence),
        EARLIER_NOTES,
        "## The headline",
        *(_headline_of(evidence, env_id) for env_id in by_environment(evidence.runs)),
        METHOD_NOTES,
        gains_of_baselines(evidence.tuning),
        "### Which is better?",
        improvement_table(evidence),
        *_figures(evidence),
        "## What it costs",
        cost(evidence),
        "## Where the barrier brings nothing",
        no_gain(evidence),
        "## Why it failed before",
        ablation_section(evidence.ablations, evidence.computed, evidence.figures.get("Ablations")),
        "## How to repeat this",
        how_to_repeat(evidence),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


EARLIER_NOTES = f"""\
The left half is quoted from the decision report of that project, {EARLIER_EPISODES} episodes an agent, one seed each;
the brackets are what {EARLIER_EPISODES} episodes can say. The right half is this package on the same game. Three
differences are none of the methods': its barrier policy was judged after a third of the steps that PPO had, its
"violations" are not violations (see (f)), and its filter is a continuous-time row without a margin.
"""


def decision(evidence: Evidence) -> str:
    """What to do, and the numbers that say so."""
    lines = [
        'An earlier project ended with "BarrierNet is not viable; use PPO with a post-hoc filter". **That verdict came '
        f"from defects of its code.** {_defects(evidence)}What the numbers below say instead:\n",
        f"- **Learning without a violation: BarrierPPO.** {_violations(evidence)}",
    ]
    for env_id in by_environment(evidence.runs):
        if evidence.of(env_id, OURS) and evidence.of(env_id, FILTERED):
            lines.append(f"- {_final_agents(evidence, env_id)}")
    if len(evidence.values(OPEN, OURS, SAFE)) and len(evidence.values(CLUTTER, OURS, SAFE)):
        lines.append(f"- **An agent that hardly needs its filter: BarrierPPO.** {_without_filter(evidence)}")
    if others := [run for run in evidence.runs if run["method"].startswith(OFF_POLICY)]:
        names = " and ".join(dict.fromkeys(run["method"].partition(" ")[0] for run in others))
        lines.append(f"- **Another algorithm: put the filter into its environment.** {names}: {_count(others)}.")
    lines.append(
        "- **A trained PPO, violations in training of no concern, and a network that sees the rows: put a filter "
        "behind it.** There is nothing to gain from training again where the table calls it a tie. On tasks whose goal "
        "lies beyond what the rows forbid, such an agent stands still at the rows instead; see "
        "[where it brings nothing](#where-the-barrier-brings-nothing) for both."
    )
    return "\n".join(lines)


def _defects(evidence: Evidence) -> str:
    """The two defects that made its numbers, each in a sentence."""
    said = ""
    if "solver" in evidence.computed:
        acting = evidence.computed["solver"]["closed_loop"]
        exact, broken = acting["exact"], acting["unused row <= 1e6"]
        said += (
            f"One and the same trained policy captures in {percent(exact['success_rate'])} of its episodes through an "
            f"exact solver and in {percent(broken['success_rate'])} through theirs, which changes "
            f"{percent(broken['intervention_rate'])} of its actions instead of {percent(exact['intervention_rate'])}. "
        )
    if "metric" in evidence.computed:
        untrained = evidence.computed["metric"]["BarrierPPO, untrained"]
        said += (
            f"Their metric calls {percent(untrained['arguments_swapped'])} of the steps of an untrained BarrierPPO "
            f"violations; by geometry {percent(untrained['geometry'])} are. "
        )
    return said


def _violations(evidence: Evidence) -> str:
    ours = [run for run in evidence.runs if run["method"] == OURS]
    plain = [run["train_violations"] for run in evidence.runs if run["method"] == PLAIN]
    against = f" PPO committed {count(np.mean(plain))} in each training, {count(min(plain))} at least." if plain else ""
    return f"{_count(ours)}.{against}"


def _count(runs: Sequence[Run]) -> str:
    """Violations of training and evaluation together, with what none of them bounds."""
    steps = sum(run["timesteps"] + run["steps"] for run in runs)
    seen = sum(run["train_violations"] + run["violations"] for run in runs)
    bound = f" (at 95 % confidence below {rule_of_three(steps):.1e} a step)" if seen == 0 else ""
    return f"{count(seen)} violating steps in {count(steps)} steps of training and evaluation{bound}"


def _final_agents(evidence: Evidence, env_id: str) -> str:
    ours, theirs = (evidence.values(env_id, method, SAFE) for method in (OURS, FILTERED))
    better = improvement_interval([ours], [theirs])
    return (
        f"**The final agent on {env_id}: {_verdict(better)}.** BarrierPPO reaches {_rate(bootstrap_interval([ours]))} "
        f"safe success, PPO + filter {_rate(bootstrap_interval([theirs]))}; the worst seeds {percent(ours.min())} and "
        f"{percent(theirs.min())}."
    )


def _without_filter(evidence: Evidence) -> str:
    def pooled(method: str) -> str:
        scores = [evidence.values(env_id, method, SAFE_ALONE) for env_id in by_environment(evidence.runs)]
        return _rate(bootstrap_interval([of_task for of_task in scores if len(of_task)]))

    chosen = [OURS, *(m for m in ("BarrierPPO, all on", PLAIN, "PPO + violation penalty") if _has(evidence, m))]
    return "Safe success with the filter taken away: " + ", ".join(f"{m} {pooled(m)}" for m in chosen) + "."


def _has(evidence: Evidence, method: str) -> bool:
    return any(run["method"] == method for run in evidence.runs)


def earlier_table(evidence: Evidence) -> str:
    """The earlier project's numbers and ours on its game."""
    methods = (OURS, PLAIN, FILTERED)
    found = {method: evidence.of(OPEN, method) for method in methods}
    header = ["", "earlier: barrier policy", "PPO", "PPO + filter", *(f"ours: {m}" for m in methods)]
    cells: dict[str, Callable[[str], str]] = {
        "training steps": lambda m: f"{found[m][0]['timesteps'] / 1000:.0f}k",
        "captured": lambda m: _rate(bootstrap_interval([evidence.values(OPEN, m, "success_rate")])),
        '"violations", share of steps': lambda m: f"{100 * evidence.values(OPEN, m, 'violation_rate').mean():.2f} %",
        "actions changed": lambda m: (
            "-" if m == PLAIN else _rate(bootstrap_interval([evidence.values(OPEN, m, "intervention_rate")]))
        ),
        "ms an action": lambda m: f"{evidence.latency[m] / 1000:.2f}" if m in evidence.latency else "not measured",
    }
    rows = []
    for title, form in cells.items():
        before = [_counted(v) if isinstance(v, float) else v for v in EARLIER[title]]
        rows.append([title, *before, *(form(m) if found[m] else "not run" for m in methods)])
    rows.append(["seeds", "1", "1", "1", *(str(len(found[m])) for m in methods)])
    return markdown_table(header, rows)


def _counted(rate: float) -> str:
    return _rate(wilson_interval(round(rate * EARLIER_EPISODES), EARLIER_EPISODES))


def _headline_of(evidence: Evidence, env_id: str) -> str:
    runs = [run for run in evidence.runs if run["env"] == env_id]
    return f"### {env_id}\n\n{headline_table(runs)}"


def headline_table(runs: Sequence[Run]) -> str:
    """One line a method on one environment, every number with its interval."""
    header = [
        "",
        "seeds",
        "steps",
        "safe success, as deployed",
        "filter taken away",
        "return, as deployed",
        "corrected",
        "violating steps, training",
        "violating steps, evaluation",
        "steps to 95 %",
    ]
    rows = []
    for method in dict.fromkeys(run["method"] for run in runs):
        chosen = [run for run in runs if run["method"] == method]
        values = {key: np.array([run[key] for run in chosen], dtype=float) for key in (SAFE, SAFE_ALONE)}
        returns = bootstrap_interval([np.array([run["mean_return"] for run in chosen])])
        corrected = bootstrap_interval([np.array([run["intervention_rate"] for run in chosen])])
        rows.append(
            [
                method,
                str(len(chosen)),
                f"{max(run['timesteps'] for run in chosen) / 1000:.0f}k",
                _rate(bootstrap_interval([values[SAFE]])),
                _rate(bootstrap_interval([values[SAFE_ALONE]])),
                _bracketed(returns, lambda value: f"{value:.1f}"),
                _rate(corrected) if chosen[0]["filtered"] else "n/a",
                _counted_violations(chosen, "train_violations", "timesteps"),
                _counted_violations(chosen, "violations", "steps"),
                _steps_to_level(chosen),
            ]
        )
    return markdown_table(header, rows)


def _counted_violations(runs: Sequence[Run], key: str, steps: str) -> str:
    """Mean a run; none at all with what that bounds."""
    total, trials = sum(run[key] for run in runs), sum(run[steps] for run in runs)
    if total == 0:
        return f"0 in {count(trials)} (< {rule_of_three(trials):.1e})"
    return f"{count(total / len(runs))} a run"


def _steps_to_level(runs: Sequence[Run]) -> str:
    reached = [run["steps_to_95"] for run in runs if run["steps_to_95"] is not None]
    if not reached:
        return "not reached"
    return f"{np.median(reached) / 1000:.0f}k ({len(reached)} of {len(runs)})"


def improvement_table(evidence: Evidence) -> str:
    """Probability that a run of BarrierPPO is better than one of every other method."""
    environments = list(by_environment(evidence.runs))
    header = [
        "a run of BarrierPPO beats one of",
        *(f"{e}, {what}" for e in environments for what in ("deployed", "alone")),
    ]
    others = [m for m in dict.fromkeys(run["method"] for run in evidence.runs) if m != OURS]
    rows = []
    for method in others:
        cells = []
        for env_id in environments:
            for key in (SAFE, SAFE_ALONE):
                ours, theirs = (evidence.values(env_id, m, key) for m in (OURS, method))
                comparable = len(ours) and len(theirs)
                cells.append(_rate(improvement_interval([ours], [theirs])) if comparable else "not run")
        rows.append([method, *cells])
    notes = (
        "Probability of improvement in safe success, ties counting half: at 50 % a run of either is as likely to be "
        "the better one. *Alone* is with the filter taken away."
    )
    return f"{markdown_table(header, rows)}\n\n{notes}"


def _verdict(probability: Interval) -> str:
    if probability.low > 0.5:
        return "BarrierPPO"
    return "PPO + filter" if probability.high < 0.5 else "a tie of BarrierPPO and PPO + filter"


def cost(evidence: Evidence) -> str:
    """Time in training and of an action."""
    ratios = evidence.overhead.get("ratios", {})
    lines = [
        f"- {name.replace('barrierppo', OURS)}: training takes {ratio['train_s']:.2f} times as long as PPO's, its "
        f"rollouts {ratio['rollout_s']:.2f} times, `predict` {ratio['predict_us']:.2f} times."
        for name, ratio in ratios.items()
    ]
    if evidence.latency:
        times = ", ".join(f"{method} {value:.0f}" for method, value in evidence.latency.items())
        lines.append(
            f"- Microseconds of one `predict` of one observation, in turns on the machine of this page: {times}."
        )
    if "solver" in evidence.computed:
        problems = evidence.computed["solver"]["problems"]
        exact, broken = problems["exact"]["us_per_sample"], problems["unused row <= 1e6"]["us_per_sample"]
        lines.append(
            f"- One projection in a batch of {evidence.computed['solver']['batch']}: {exact:.1f} microseconds of one "
            f"core; the earlier project's solver takes {count(broken)}."
        )
    if ratios:
        lines.append(f"\nRatios: `{evidence.overhead['command']}`, methods in turns; {evidence.overhead['machine']}.")
    return "\n".join(lines) or "Not measured yet."


def no_gain(evidence: Evidence) -> str:
    """Every environment of the repository: BarrierPPO against PPO + filter."""
    header = [
        "environment",
        "seeds",
        "BarrierPPO",
        "PPO + filter",
        "PPO's violations in training, a run",
        "final agent",
    ]
    rows = []
    for env_id, runs in by_environment(evidence.everywhere).items():
        key, form = (SAFE, percent) if has_goal(runs) else ("mean_return", number)
        ours, theirs, plain = ([run for run in runs if run["method"] == method] for method in (OURS, FILTERED, PLAIN))
        if ours and theirs and plain:
            mine, other = ([run[key] for run in chosen] for chosen in (ours, theirs))
            violations = [run["train_violations"] for run in plain]
            unknown = any(value is None for value in violations)
            rows.append(
                [
                    env_id,
                    str(len(ours)),
                    _range(mine, form),
                    _range(other, form),
                    "not judged" if unknown else count(np.mean(violations)),
                    _better(mine, other),
                ]
            )
    if not rows:
        return "Not run yet."
    ties = sum(row[-1] == "tie" for row in rows)
    summary = (
        f"The final agents of BarrierPPO and of PPO + filter tie on {ties} of these {len(rows)} environments. What "
        "remains there is what happened while they learned."
    )
    return "\n\n".join([summary, markdown_table(header, rows), NO_GAIN_NOTES])


def _range(values: Sequence[float], form: Callable[[float], str]) -> str:
    low, high = form(min(values)), form(max(values))
    return low if low == high else f"{form(float(np.mean(values)))} ({low.removesuffix(' %')} to {high})"


def _better(ours: Sequence[float], theirs: Sequence[float]) -> str:
    if min(ours) > max(theirs):
        return "BarrierPPO"
    return "**PPO + filter**" if max(ours) < min(theirs) else "tie"


def how_to_repeat(evidence: Evidence) -> str:
    """Commands in their order, machines and versions."""
    origins = list(dict.fromkeys(run["origin"] for run in [*evidence.runs, *evidence.ablations]))
    block = "\n".join(evidence.commands)
    return "\n\n".join([f"```\n{block}\n```", *(f"{origin}." for origin in origins)])


def _figures(evidence: Evidence) -> list[str]:
    return [f"![{title}]({file})\n\n*{title}.*" for title, file in evidence.figures.items() if title != "Ablations"]


def _rate(interval: Interval) -> str:
    return _bracketed(interval, percent)


def _bracketed(interval: Interval, form: Callable[[float], str]) -> str:
    """A number with its interval; one that nothing in the data can widen stands alone."""
    estimate, low, high = (form(value) for value in interval)
    return estimate if low == high else f"{estimate} [{low.removesuffix(' %')}, {high.removesuffix(' %')}]"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
