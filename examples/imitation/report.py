"""What was measured, beside what was published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from examples.imitation.robot_2d import TRAINED_RADIUS
from sb3_barriernet.report.table import count, percent, spread

LABELS = {
    "expert": "expert",
    "layer": "barrier layer",
    "plain": "plain network",
    "filtered": "plain network, filtered",
    "paper": "paper's design, rebuilt",
}

PUBLISHED_MEASURE = {
    "2D robot": "clearance [m]",
    "3D robot": "least sum (q - o)^4 - 7^4 [m^4]",
    "merging": "least headway [s], at least 1.8",
}

PUBLISHED = {
    "2D robot": [("published BarrierNet", 0.481, 0.0387), ("published unconstrained network", -0.270, 0.0074)],
    "3D robot": [("published BarrierNet", 20.9, None), ("published unconstrained network", -103.3, None)],
    "merging": [("published BarrierNet", 1.8081, None), ("published unconstrained network", 1.7952, None)],
}
"""Measure and action error, from running the paper's own weights."""

PUBLISHED_CLEARANCE = {6.0: 0.481, 7.0: 0.338, 8.0: 0.212, 9.0: 0.120, 10.0: 0.058}  # m
PUBLISHED_ERROR = {6.0: 0.0387, 7.0: 0.0348, 8.0: 0.0324, 9.0: 0.0319, 10.0: 0.0330}

INTRODUCTION = """\
The three tasks of Xiao et al. 2023 (*BarrierNet*), rebuilt. An expert drives; networks of the paper's size see states
and actions and learn to do the same, by the mean squared error of the action that they finally take.

* *Barrier layer*: a network that ends in `BarrierLayer`. One branch proposes the action, another the gain, and the
  gradient reaches both through the projection.
* *Plain network*: as many weights, and nothing that holds it back.
* *Plain network, filtered*: the same with the projection put behind it afterwards, at the gain that the expert uses and
  a user would have to guess.
* *Paper's design, rebuilt*: the continuous row without a margin, both gains of the chain from the network.

Experts are ours: a feedback law that ignores the obstacle or goes round it the shortest way, and at every step the
closest action that satisfies the barrier's rows. Their actions are not the paper's, so errors compare within a table
and only roughly with the published ones.
"""

NOTES = """\
*Published start*: the drive of the paper's test. *All starts*: this and {test_starts} spread around it, at which no
demonstration began. *Action error*: mean square of the difference to the expert's action at the same time, both
driving, over all actions in their units; one early difference shifts all that follows. *Open loop*: the same in the
states of the expert's drive. *Broken rows*: steps whose action breaks a row at the greatest gain. Means over the seeds
{seeds}, and the range.
"""

RADII_NOTES = """\
Everybody was shown R = 6 m, no network sees the radius, the rows know it. All from the published start but where it
says otherwise. *Action error* is the published definition, against the expert of R = 6 m, who does not hear of the
larger disc; *informed* is against an expert who does. For scale: the variance of the expert's actions is 0.077 in the
paper's data and {variance:.3f} here, and the paper's expert keeps 1.24 m away from the disc of 6 m. How far ours does
is a matter of its rows, so clearances compare with the expert's, and with zero.

With {close} of {seeds} seeds the layer's action error stays below the published 0.0387 under every radius. The
published start lies 0.1 m beside the axis on which the expert changes sides. A network that errs there goes the other
way, or stops before the disc: unlike the expert, but safely. The starts that are shown and the learning rate were
chosen with these seeds in view, so fresh ones may do a little worse.
"""

GAINS_NOTES = """\
The paper lets a network choose both gains of a chain of degree 2. But where the first one changes, so does the set
that the second keeps invariant, and what was inside may be outside. `BarrierLayer` scales the last gain alone: the set
stays the same. The table drives at the disc with gains that a network might choose, great at first and a hundredth of
that from 3 m before the disc on, which should make it careful. With great gains throughout the paper's row holds the
robot at these steps too, so it is not sampling that breaks it. Least clearance in metres:
"""

SAMPLING_NOTES = """\
All simulators take Euler steps of 0.1 s; the paper's follow the flow. Rows are about the step itself and need no
margin: affine in the action for merging (where they are the paper's, `p = kappa / dt`), tangents below a convex
function for the robots. Actions stay within actuator limits; the rebuilt paper's design has none, as published.
Goals, spread of the starts and the lead car are ours.
"""

Record = dict[str, Any]


def report_text(results: dict[str, Any]) -> str:
    """Markdown of the whole page."""
    records = results["records"]
    tasks = list(dict.fromkeys(record["task"] for record in records))
    parts = ["# Imitation: the layer alone", INTRODUCTION, _headline(records, results["study"]["test_starts"] + 1)]
    for task in tasks:
        shown = [record for record in records if record["task"] == task and record["radius"] in (None, TRAINED_RADIUS)]
        parts += [f"## {task[0].upper()}{task[1:]}", task_table(task, shown)]
    parts.append(NOTES.format(**results["study"]))
    robot = [record for record in records if record["radius"] is not None]
    parts += ["## Radii that were never seen", radii_table(robot)]
    parts.append(_radii_notes(results))
    parts += ["![Drives under unseen radii](unseen_radii.png)"]
    parts += ["## Gains that change", GAINS_NOTES, gains_table(results["change_of_mind"])]
    parts += ["## Sampling, and what differs from the paper", SAMPLING_NOTES, _provenance(results)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _headline(records: Sequence[Record], drives: int) -> str:
    """Who violated, and what it is worth to learn through the projection."""
    layer, plain, filtered = (dict(_by_method(records))[method] for method in ("layer", "plain", "filtered"))
    total = len(layer) * drives
    safe = sum(round(drives * (1.0 - record["violating_drives"])) for record in layer)
    violating = sum(record["violating_drives"] for record in plain) / len(plain)
    ratios = [
        f"{_mean(filtered, task) / _mean(layer, task):.1f} ({task})"
        for task in dict.fromkeys(record["task"] for record in records)
    ]
    return (
        f"Networks that end in the layer violated nothing in **{count(safe)} of {count(total)} drives**, obstacles "
        f"larger than any\nthat was shown included; plain networks violated in {percent(violating)} of theirs.\n\n"
        "With a projection put behind them afterwards, plain networks are safe too. Their action error over all "
        "starts, as a\nmultiple of that of networks that learned through the projection: "
        f"{', '.join(ratios)}."
    )


def _mean(records: Sequence[Record], task: str) -> float:
    """Action error over all starts of a task as it was shown."""
    errors = [r["mean_action_error"] for r in records if r["task"] == task and r["radius"] in (None, TRAINED_RADIUS)]
    return sum(errors) / len(errors)


def task_table(task: str, records: Sequence[Record]) -> str:
    """One line a method, on the task as it was shown."""
    measure = _decimals({"2D robot": 3, "3D robot": 1, "merging": 4}[task])
    columns = [
        (f"published start: {PUBLISHED_MEASURE[task]}", "published_measure", measure),
        ("published start: action error", "action_error", _significant),
        ("all starts: least clearance [m]", "least_clearance", _decimals(3)),
        ("all starts: violating drives", "violating_drives", percent),
        ("all starts: action error", "mean_action_error", _significant),
        ("open loop", "open_loop_error", _significant),
        ("broken rows", "broken_rows", count),
    ]
    lines = [_line(["", *(title for title, _, _ in columns)]), "|---" * (len(columns) + 1) + "|"]
    for method, of_method in _by_method(records):
        lines.append(_line([LABELS[method], *(_cell(of_method, key, form) for _, key, form in columns)]))
    for label, value, error in PUBLISHED[task]:
        lines.append(_line([label, measure(value), "" if error is None else _significant(error), *[""] * 5]))
    return "\n".join(lines)


def radii_table(records: Sequence[Record]) -> str:
    """Clearance and errors of every method under every radius."""
    radii = list(dict.fromkeys(record["radius"] for record in records))
    header = ["", "", *(f"R = {radius:g} m" for radius in radii)]
    lines = [_line(header), "|---" * len(header) + "|"]
    columns = [
        ("clearance [m]", "clearance", _decimals(3)),
        ("all starts: least [m]", "least_clearance", _decimals(3)),
        ("action error", "action_error", _significant),
        ("all starts: informed", "mean_informed_error", _significant),
    ]
    for method, of_method in _by_method(records):
        for title, key, form in columns[: 2 if method == "expert" else None]:
            cells = [_cell([each for each in of_method if each["radius"] == r], key, form) for r in radii]
            lines.append(_line([LABELS[method], title, *cells]))
    lines.append(_line(["published BarrierNet", "clearance [m]", *(f"{PUBLISHED_CLEARANCE[r]:.3f}" for r in radii)]))
    lines.append(_line(["published BarrierNet", "action error", *(_significant(PUBLISHED_ERROR[r]) for r in radii)]))
    return "\n".join(lines)


def _radii_notes(results: dict[str, Any]) -> str:
    layer = [record for record in results["records"] if record["radius"] is not None and record["method"] == "layer"]
    seeds = results["study"]["seeds"]
    worst = [max(record["action_error"] for record in layer if record["seed"] == seed) for seed in seeds]
    close = sum(error < PUBLISHED_ERROR[TRAINED_RADIUS] for error in worst)
    return RADII_NOTES.format(variance=results["expert_variance"]["2D robot"], close=close, seeds=len(seeds))


def gains_table(records: Sequence[Record]) -> str:
    """What changing gains leave of the clearance."""
    header = ["", *(f"R = {record['radius']:g} m" for record in records)]
    lines = [_line(header), "|---" * len(header) + "|"]
    labels = {
        "last": "`BarrierLayer`, its gain changes",
        "both": "paper's design, both gains change",
        "constant": "paper's design, both stay great",
    }
    for key, label in labels.items():
        lines.append(_line([label, *(f"{record[key]:.3f}" for record in records)]))
    return "\n".join(lines)


def _by_method(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    methods = dict.fromkeys(record["method"] for record in records)
    return [(method, [record for record in records if record["method"] == method]) for method in methods]


def _cell(records: Sequence[Record], key: str, form: Callable[[float], str]) -> str:
    return spread([record[key] for record in records], form)


def _decimals(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:.{digits}f}"


def _significant(value: float) -> str:
    return f"{value:.3g}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _provenance(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    study = results["study"]
    steps = [f"{count(study['effort'] * each)} ({task})" for task, each in results["learning_steps"].items()]
    return (
        f"## How to repeat this\n\n```\n{results['command']}\n```\n\nTraining seeds {study['seeds']}, "
        f"{study['demonstrations']} demonstrations a task, {', '.join(steps)} gradient steps a network,\n"
        f"{results['wall_s']:.0f} s in all. {results['machine']};\n{versions}."
    )
