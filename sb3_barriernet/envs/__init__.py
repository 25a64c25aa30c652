"""Environments, the wrapper that publishes barrier rows, and the batch that makes many games cheap."""

from typing import TYPE_CHECKING

from sb3_barriernet.lazy import lazy_exports

if TYPE_CHECKING:
    from sb3_barriernet.envs.barrier_observation import BarrierObservation
    from sb3_barriernet.envs.batched import share_simulation
    from sb3_barriernet.envs.pursuit_barrier import PursuitEvasionBarrier
    from sb3_barriernet.envs.pursuit_evasion import PursuitEvasionEnv
    from sb3_barriernet.envs.violation_penalty import ViolationPenalty

__all__ = [
    "BarrierObservation",
    "PursuitEvasionBarrier",
    "PursuitEvasionEnv",
    "ViolationPenalty",
    "share_simulation",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "BarrierObservation": "barrier_observation",
        "PursuitEvasionBarrier": "pursuit_barrier",
        "PursuitEvasionEnv": "pursuit_evasion",
        "ViolationPenalty": "violation_penalty",
        "share_simulation": "batched",
    },
)
