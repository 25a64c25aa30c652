"""Tables say no more than the numbers do."""

import pytest

from sb3_barriernet.report.table import comparison_table, percent


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "100.0 %"), (0.9995, "99.95 %"), (0.9949, "99.5 %"), (0.0, "0.0 %"), (0.125, "12.5 %")]
)
def test_only_perfection_reads_a_hundred_percent(value, text):
    assert percent(value) == text


def run(method: str, **changes) -> dict:
    numbers = dict(
        success_rate=1.0,
        violation_free_success_rate=0.5,
        train_violations=10,
        violations=0,
        infeasible_rate=0.0,
        intervention_rate=0.0,
        unfiltered_violation_free_success_rate=0.5,
        mean_return=1.0,
        steps_to_95=None,
    )
    return {"method": method, **numbers, **changes}


def test_cells_show_mean_range_and_what_is_missing():
    runs = [run("barrierppo", violation_free_success_rate=0.4, steps_to_95=20_000), run("barrierppo"), run("ppo")]
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in comparison_table(runs).splitlines()}
    assert rows["success without violation"][0].strip() == "45.0 % (40.0 to 50.0 %)"
    assert rows["steps to 95 %"][0].strip() == "20k (1 of 2 seeds)"
    assert rows["steps to 95 %"][1].strip() == "not reached"
    assert rows["intervention"][1].strip() == "n/a"
    assert rows["violating steps, training"][0].strip() == "10"
