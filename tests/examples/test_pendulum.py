"""The example as its reader runs it."""

import inspect
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "pendulum.py"


@pytest.mark.slow
def test_the_example_trains_without_a_violation_where_ppo_has_thousands():
    result = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, timeout=600, check=True)
    counts = dict(re.findall(r"^(\w+): (\d+) violations", result.stdout, re.MULTILINE))
    assert int(counts["BarrierPPO"]) == 0
    assert int(counts["PPO"]) > 1000
    (largest,) = re.findall(r"largest angle ([\d.]+)", result.stdout)
    assert float(largest) < 0.2


def test_making_it_safe_takes_at_most_ten_lines():
    make_safe = runpy.run_path(str(EXAMPLE))["make_safe"]
    body = [line for line in inspect.getsource(make_safe).splitlines()[2:] if line.strip()]
    # With gym.make, ResetOptions and BarrierPPO on three lines of their own.
    assert len(body) + 3 <= 10


def test_the_tutorial_quotes_the_example():
    source = EXAMPLE.read_text(encoding="utf-8")
    tutorial = (EXAMPLE.parents[1] / "docs" / "make-your-environment-safe.md").read_text(encoding="utf-8")
    quoted = [block for block in re.findall(r"```python\n(.*?)```", tutorial, re.DOTALL) if "# examples/" not in block]
    lines = {line.strip() for line in source.splitlines()}
    literal = [line for block in quoted[:1] for line in block.splitlines() if line.strip()]
    assert literal
    assert [line for line in literal if line.strip() not in lines] == []
