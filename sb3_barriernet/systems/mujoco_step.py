"""The step of a MuJoCo task, from any state."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_barriernet.errors import MissingPackageError

try:
    import mujoco
except ImportError as error:
    raise MissingPackageError(
        "Found no package 'mujoco'; it steps a MuJoCo task from any state. `pip install 'sb3-barriernet[examples]'`."
    ) from error


STATE = mujoco.mjtState.mjSTATE_INTEGRATION
"""Time, positions, speeds, and all else that the next step depends on, down to where the contact solver starts from."""


class MujocoStep:
    """Steps a second simulator, bitwise like that of one of Gymnasium's MuJoCo tasks, and leaves the task alone.

    :param env: the task, a ``gymnasium.envs.mujoco.MujocoEnv`` in any wrappers
    """

    def __init__(self, env: Any):
        self.model, self.frames = env.unwrapped.model, env.unwrapped.frame_skip
        self._data = mujoco.MjData(self.model)

    def __call__(self, x: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Next states ``(P, N)`` from one state ``(N,)`` and actions ``(P, M)``, held for all frames of a step."""
        after = np.empty((len(actions), len(x)))
        for action, state in zip(actions, after, strict=True):
            mujoco.mj_setState(self.model, self._data, x, STATE)
            self._data.ctrl = action
            mujoco.mj_step(self.model, self._data, nstep=self.frames)
            mujoco.mj_getState(self.model, self._data, state, STATE)
        return after

    def state(self, env: Any) -> tuple[np.ndarray]:
        """``[time, qpos, qvel, ...]`` of the unwrapped task, for ``BarrierObservation``."""
        x = np.empty(mujoco.mj_stateSize(env.model, STATE))
        mujoco.mj_getState(env.model, env.data, x, STATE)
        return (x,)

    def qpos(self, x: np.ndarray) -> np.ndarray:
        """Positions ``(..., nq)`` in states ``(..., N)``."""
        return x[..., 1 : 1 + self.model.nq]

    def qvel(self, x: np.ndarray) -> np.ndarray:
        """Speeds ``(..., nv)`` in states ``(..., N)``."""
        return x[..., 1 + self.model.nq : 1 + self.model.nq + self.model.nv]
