"""The step of a MuJoCo task, from any state."""

from __future__ import annotations

from typing import Any

import numpy as np

from sb3_barriernet.errors import MissingPackageError

try:
    import mujoco
    from mujoco.rollout import rollout
except ImportError as error:
    raise MissingPackageError(
        "Found no MuJoCo 3.1 or newer; it steps the task from any state. `pip install sb3-barriernet[examples]`."
    ) from error


class MujocoStep:
    """Steps a second simulator beside that of one of Gymnasium's MuJoCo tasks, and leaves the task alone.

    The next state is bitwise that of the task as long as no contact and no joint stop acts: their solver starts from
    its last solution, which is not part of the state.

    :param env: the task, a ``gymnasium.envs.mujoco.MujocoEnv`` in any wrappers
    """

    def __init__(self, env: Any):
        self.model, self.frames = env.unwrapped.model, env.unwrapped.frame_skip
        self._data = mujoco.MjData(self.model)

    def __call__(self, x: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Next states ``(P, N)`` from one state ``(N,)`` and actions ``(P, M)``, held for all frames of a step."""
        states, _ = rollout(self.model, self._data, x[None], actions[:, None], nstep=self.frames)
        return states[:, -1]

    def state(self, env: Any) -> tuple[np.ndarray]:
        """``[time, qpos, qvel, ...]`` of the unwrapped task (``mjSTATE_FULLPHYSICS``), for ``BarrierObservation``."""
        x = np.empty(mujoco.mj_stateSize(env.model, mujoco.mjtState.mjSTATE_FULLPHYSICS))
        mujoco.mj_getState(env.model, env.data, x, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        return (x,)

    def qpos(self, x: np.ndarray) -> np.ndarray:
        """Positions ``(..., nq)`` in states ``(..., N)``."""
        return x[..., 1 : 1 + self.model.nq]

    def qvel(self, x: np.ndarray) -> np.ndarray:
        """Speeds ``(..., nv)`` in states ``(..., N)``."""
        return x[..., 1 + self.model.nq : 1 + self.model.nq + self.model.nv]
