"""Safe actions for Stable-Baselines3, while learning and after.

Data flows one way::

    env state -> barrier rows -> observation -> policy (u_nom) -> projection (u_safe) -> env.step
                                                  |                                     |
                                                  +------------ rollout buffer <--------+ -> update
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from sb3_barriernet.envs.registration import register_envs
from sb3_barriernet.lazy import lazy_exports

if TYPE_CHECKING:
    from sb3_barriernet.barrier_ppo.barrier_ppo import BarrierPPO
    from sb3_barriernet.barrier_ppo.extractor import BarrierExtractor
    from sb3_barriernet.barrier_ppo.nominal_policy import NominalActorCriticPolicy
    from sb3_barriernet.barriers.virtual_point import VirtualPointBarrier
    from sb3_barriernet.envs.barrier_observation import BarrierObservation
    from sb3_barriernet.envs.pursuit_barrier import PursuitEvasionBarrier
    from sb3_barriernet.projection import Projection, ProjectionLayer, Status, project
    from sb3_barriernet.safety_filter import SafetyFilter

__all__ = [
    "BarrierExtractor",
    "BarrierObservation",
    "BarrierPPO",
    "NominalActorCriticPolicy",
    "Projection",
    "ProjectionLayer",
    "PursuitEvasionBarrier",
    "SafetyFilter",
    "Status",
    "VirtualPointBarrier",
    "project",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "BarrierExtractor": "barrier_ppo.extractor",
        "BarrierObservation": "envs.barrier_observation",
        "BarrierPPO": "barrier_ppo.barrier_ppo",
        "NominalActorCriticPolicy": "barrier_ppo.nominal_policy",
        "Projection": "projection",
        "ProjectionLayer": "projection",
        "PursuitEvasionBarrier": "envs.pursuit_barrier",
        "SafetyFilter": "safety_filter",
        "Status": "projection",
        "VirtualPointBarrier": "barriers.virtual_point",
        "project": "projection",
    },
)

try:
    __version__ = version("sb3-barriernet")
except PackageNotFoundError:  # a checkout on the path, not installed
    __version__ = "0+unknown"

register_envs()
