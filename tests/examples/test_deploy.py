"""The deployment example runs where there is neither torch nor Stable-Baselines3."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sb3_barriernet import BarrierPPO, export

EXAMPLES = Path(__file__).parents[2] / "examples"
DEPLOY = EXAMPLES / "deploy.py"
ALONE = (
    "import sys, runpy\n"
    "for name in ('torch', 'stable_baselines3', 'sb3_contrib', 'gymnasium', 'sb3_barriernet', 'onnx'):\n"
    "    sys.modules[name] = None\n"
    f"runpy.run_path({str(DEPLOY)!r}, run_name='__main__')"
)


@pytest.fixture(scope="module")
def pendulum():
    parts = runpy.run_path(str(EXAMPLES / "pendulum.py"))
    return parts["make_safe"](parts["make_env"]())


def test_it_balances_alone(pendulum, tmp_path):
    path = export(BarrierPPO("MlpPolicy", pendulum, n_steps=256, device="cpu", seed=0), tmp_path / "pendulum.onnx")
    result = subprocess.run([sys.executable, "-c", ALONE, path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (largest,) = re.findall(r"BarrierPPO: largest angle ([\d.]+) rad", result.stdout)
    assert 0.1 < float(largest) <= 0.3  # untrained: the filter alone keeps it up


def test_its_rows_are_those_that_it_was_trained_with(pendulum):
    deploy = runpy.run_path(str(DEPLOY))
    for theta, omega in np.random.default_rng(0).uniform(-0.3, 0.3, size=(50, 2)):
        np.testing.assert_allclose(
            deploy["rows"](theta, omega), pendulum.rows_at((np.array([theta, omega]),)), atol=1e-12
        )


def test_it_is_short():
    assert len(DEPLOY.read_text(encoding="utf-8").splitlines()) <= 40
