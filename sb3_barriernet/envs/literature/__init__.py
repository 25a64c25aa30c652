"""Tasks of the literature, rebuilt from their papers' definitions, each with the barrier that keeps it safe."""

from typing import TYPE_CHECKING

from sb3_barriernet.lazy import lazy_exports

if TYPE_CHECKING:
    from sb3_barriernet.envs.literature.cheng_pendulum import ChengPendulumBarrier, ChengPendulumEnv
    from sb3_barriernet.envs.literature.emam_unicycle import EmamUnicycleBarrier, EmamUnicycleEnv

__all__ = [
    "ChengPendulumBarrier",
    "ChengPendulumEnv",
    "EmamUnicycleBarrier",
    "EmamUnicycleEnv",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ChengPendulumBarrier": "cheng_pendulum",
        "ChengPendulumEnv": "cheng_pendulum",
        "EmamUnicycleBarrier": "emam_unicycle",
        "EmamUnicycleEnv": "emam_unicycle",
    },
)
