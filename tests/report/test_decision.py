"""The decision report says what the numbers say, with as many seeds as there are, and nothing about what is missing."""

import numpy as np
import pytest

from sb3_barriernet.report.ablations import ablation_section, margin_table, metric_table
from sb3_barriernet.report.decision import CLUTTER, OPEN, Evidence, decision, decision_report, earlier_table
from sb3_barriernet.report.decision_figures import (
    plot_ablations,
    plot_clearances,
    plot_profiles,
    plot_returns,
    plot_training,
)

SEEDS = 4


def run(method: str, seed: int = 0, env: str = OPEN, **numbers) -> dict:
    filtered = method != "PPO"
    same = dict(
        filtered=filtered,
        timesteps=100_352,
        steps=50_000,
        episodes=200,
        success_rate=0.99,
        violation_free_success_rate=0.99 - 0.001 * seed,
        unfiltered_violation_free_success_rate=0.9,
        violation_rate=0.0 if filtered else 0.01,
        mean_return=130.0 + seed,
        unfiltered_mean_return=129.0,
        intervention_rate=0.02,
        train_violations=0 if method == "BarrierPPO" else 5_000 + seed,
        violations=0 if filtered else 500,
        steps_to_95=80_000,
        origin="a machine; python 3",
    )
    return {**same, "env": env, "method": method, "seed": seed, **numbers}


def runs(**of_filtered) -> list[dict]:
    methods = ("BarrierPPO", "PPO", "PPO + filter")
    return [
        run(method, seed, env, **(of_filtered if method == "PPO + filter" else {}))
        for env in (CLUTTER, OPEN)
        for method in methods
        for seed in range(SEEDS)
    ]


def evidence(headline: list[dict], **more) -> Evidence:
    return Evidence({"runs": headline, "command": "python study.py"}, **more)


def lines_with(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


def test_baselines_are_said_to_gain_what_tuning_gave_them():
    trained = [
        run(name, env=OPEN, violation_free_success_rate=rate)
        for name, rate in [("PPO", 0.8), ("PPO, trial 3", 0.9), ("BarrierPPO", 0.8), ("BarrierPPO, trial 3", 0.9)]
    ]
    tuned = {"PPO": "ppo", "BarrierPPO": "barrierppo"}
    tunings = [{"env": OPEN, "method": n, "algo": a, "best_name": f"{n}, trial 3"} for n, a in tuned.items()]
    content = {"tunings": tunings, "runs": trained, "seeds": [0]}
    (line,) = lines_with(decision_report(evidence(runs(), tuning=content)), "- PPO on ")
    assert line == f"- PPO on {OPEN}: 90.0 % instead of 80.0 %, +10.0 points of safe success."
    assert "instead of 80.0" not in decision_report(evidence(runs()))


def test_nothing_seen_is_reported_with_its_bound():
    steps = 2 * SEEDS * (100_352 + 50_000)
    assert f"0 violating steps in {steps:,} steps" in decision(evidence(runs()))
    assert f"below {3 / steps:.1e} a step" in decision(evidence(runs()))
    seen = runs()
    seen[0]["train_violations"] = 2
    assert f"2 violating steps in {steps:,} steps of training and evaluation. PPO" in decision(evidence(seen))


@pytest.mark.parametrize(
    ("theirs", "verdict"), [(0.5, "BarrierPPO"), (1.0, "PPO + filter"), (None, "a tie of BarrierPPO and PPO + filter")]
)
def test_the_final_agent_is_whose_runs_are_better_and_a_tie_is_called_one(theirs, verdict):
    numbers = {} if theirs is None else {"violation_free_success_rate": theirs}
    assert f"**The final agent on {OPEN}: {verdict}.**" in decision(evidence(runs(**numbers)))


def test_the_decision_names_the_defects_that_have_been_computed():
    closed_loop = {
        "exact": {"success_rate": 1.0, "intervention_rate": 0.006},
        "unused row <= 1e6": {"success_rate": 0.594, "intervention_rate": 0.77},
    }
    metric = {"BarrierPPO, untrained": {"arguments_swapped": 0.21, "geometry": 0.0}}
    said = decision(evidence(runs(), computed={"solver": {"closed_loop": closed_loop}, "metric": metric}))
    assert "100.0 % of its episodes through an exact solver and in 59.4 % through theirs" in said
    assert "which changes 77.0 % of its actions instead of 0.6 %" in said
    assert "calls 21.0 % of the steps of an untrained BarrierPPO violations; by geometry 0.0 % are" in said
    assert "solver" not in decision(evidence(runs()))


def test_earlier_rates_have_the_interval_of_their_episodes():
    table = earlier_table(evidence(runs()))
    (captured,) = lines_with(table, "| captured")
    assert "| 2.0 % [0.8, 5.0] | 100.0 % [98.1, 100.0] | 91.5 % [86.8, 94.6] |" in captured
    (seeds,) = lines_with(table, "| seeds")
    assert seeds.endswith("| 4 | 4 | 4 |")


def test_a_report_of_part_of_the_numbers_says_how_many_there_are():
    page = decision_report(evidence([run("BarrierPPO", 0), run("BarrierPPO", 1)]))
    assert "| BarrierPPO | 2 | 100k |" in page
    assert "not run" in page
    assert "Not run yet." in page
    assert "### (a)" in page


def test_a_tie_and_a_loss_are_reported_as_such():
    everywhere = runs() + [run(method, 0, "Lost-v0") for method in ("PPO", "PPO + filter")]
    everywhere += [run("BarrierPPO", 0, "Lost-v0", violation_free_success_rate=0.2)]
    page = decision_report(evidence(runs(), everywhere=everywhere))
    (lost,) = lines_with(page, "| Lost-v0")
    assert lost.endswith("| **PPO + filter** |")
    tie = next(line for line in lines_with(page, f"| {OPEN} |") if line.endswith("| tie |"))
    assert "99.0 %" in tie


def test_an_ablation_has_its_effect_against_the_line_that_differs_in_it_alone():
    shipped = [run("nothing changed", seed, violation_free_success_rate=0.9) for seed in range(2)]
    worse = [run("(b) robot row", seed, violation_free_success_rate=0.4) for seed in range(2)]
    text = ablation_section([*shipped, *worse], {}, None)
    assert f"- robot row, {OPEN}: 40.0 % safe success, an effect of -50.0 [-50.0, -50.0] points" in text
    assert "against *nothing changed*" in text
    other = ablation_section([run("(c) clamped, without features and penalty"), *shipped], {}, None)
    assert "| (c) clamped, without features and penalty | 1 | 100k | 99.0 % | - |" in other  # its reference is missing


def test_metrics_are_shown_side_by_side_and_an_empty_count_with_its_bound():
    counted = {"steps": 60_000, "arguments_swapped": 0.012, "arguments_in_order": 0.0, "geometry": 0.0}
    table = metric_table({"BarrierPPO": counted, "machine": "a machine"})
    assert "| BarrierPPO | 1.20 % | 0.00 % | 0 (< 5.0e-05) |" in table
    assert "a machine" not in table


def test_figures_are_drawn_from_part_of_the_numbers(tmp_path):
    steps = np.linspace(0, 100_000, 20).tolist()
    curve = {"steps": steps, "safe_success": steps, "violations": steps, "interventions": [[2000, 100], [4000, 150]]}
    curves = [{"env": env, "method": "BarrierPPO", "seed": seed, **curve} for env in (OPEN, CLUTTER) for seed in (0, 1)]
    curves.append({"env": OPEN, "method": "PPO", "seed": 0, **curve, "interventions": []})
    curves.append({"env": OPEN, "method": "a trial run", "seed": 0, "interventions": []})
    episodes = [{"env": OPEN, "method": method, "min_clearance": [0.01, -0.2, 3.0]} for method in ("PPO", "BarrierPPO")]
    plot_training(curves, tmp_path / "training.png")
    plot_clearances(episodes, tmp_path / "clearances.png")
    plot_profiles(runs(), tmp_path / "profiles.png")
    plot_returns(runs(), tmp_path / "returns.png")
    plot_ablations(runs(), {OPEN: 0.99}, tmp_path / "ablations.png")
    assert all(file.stat().st_size > 5000 for file in tmp_path.glob("*.png"))
    assert len(list(tmp_path.glob("*.png"))) == 5


def test_a_margin_that_attacks_do_not_need_is_said_to_be_one():
    def record(rows: str, violations: int) -> dict:
        seen = {"steps": 1000, "violations": violations, "worst_clearance": 0.001 - 0.001 * violations}
        return {"alpha": 2.0, "attack": "bang_bang", "rows": rows, **seen}

    nothing = {"env": OPEN, "records": [record("margin", 0), record("no margin", 0), record("point only", 2)]}
    assert "| 2 | bang-bang | 0 (< 3.0e-03) [1 mm] | 0 (< 3.0e-03) [1 mm] | 2 [-1 mm] |" in margin_table(nothing)
    assert "lets nothing through" in margin_table(nothing)
    leaking = {"env": OPEN, "records": [record("margin", 0), record("no margin", 1)]}
    assert "lets nothing through" not in margin_table(leaking)
