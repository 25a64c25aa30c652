"""A safe pendulum on a machine that has numpy and onnxruntime, and nothing else of this package.

Run ``python examples/deploy.py pendulum.onnx``. The file comes from where there is torch, with examples/pendulum.py:
``export(BarrierPPO("MlpPolicy", env).learn(20_000), "pendulum.onnx")``.
"""

import json
import sys

import numpy as np
import onnxruntime as ort

LIMIT, LEAD, DT, SHRINK, GAMMA = 0.3, 0.25, 0.05, 1e-6, 0.5  # rad, s, s, rad, 1


def step(theta: float, omega: float, torque: float) -> tuple[float, float]:
    """Where the pendulum is ``DT`` later; on a robot, the robot does this."""
    omega = omega + (15 * np.sin(theta) + 3 * torque) * DT
    return theta + omega * DT, omega


def rows(theta: float, omega: float) -> np.ndarray:
    """``[a, drift, restoring]`` of ``|theta + LEAD omega| <= LIMIT`` one step ahead."""
    lead, coasting, pushed = (np.dot([1, LEAD], x) for x in ((theta, omega), *(step(theta, omega, u) for u in (0, 1))))
    row, limit = np.array([pushed - coasting, coasting - lead, GAMMA * lead]), GAMMA * (LIMIT - SHRINK)
    return np.array([-row, row]) + np.array([0, 0, limit])


if __name__ == "__main__":
    policy = ort.InferenceSession(sys.argv[1])
    facts = {key: json.loads(value) for key, value in policy.get_modelmeta().custom_metadata_map.items()}
    theta, omega, angles = 0.1, 0.0, []
    for _ in range(200):
        observation = np.array([[np.cos(theta), np.sin(theta), omega]], dtype=np.float32)
        inputs = {"observation": observation, "barrier": rows(theta, omega)[None]}
        u_safe, status = policy.run(["u_safe", "status"], inputs)
        assert status[0] < 2, facts["status"][str(status[0])]  # here you would stop, land or call for help
        theta, omega = step(theta, omega, u_safe[0, 0])
        angles.append(abs(theta))
    print(f"{facts['agent']}: largest angle {max(angles):.3f} rad of {LIMIT}")
