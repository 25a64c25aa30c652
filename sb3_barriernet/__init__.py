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
    from sb3_barriernet.any_algorithm import FilterLog, SafeActionDictReplayBuffer, SafeActionReplayBuffer
    from sb3_barriernet.barrier_ppo.barrier_ppo import BarrierPPO
    from sb3_barriernet.barrier_ppo.distillation import distill
    from sb3_barriernet.barrier_ppo.export import without_filter
    from sb3_barriernet.barrier_ppo.extractor import BarrierExtractor
    from sb3_barriernet.barrier_ppo.nominal_policy import NominalActorCriticPolicy
    from sb3_barriernet.barrier_ppo.resumable_training import ResumableTraining
    from sb3_barriernet.barriers.autograd_barrier import AutogradBarrier
    from sb3_barriernet.barriers.braking_car import BrakingCarBarrier
    from sb3_barriernet.barriers.one_step_barrier import OneStepBarrier
    from sb3_barriernet.barriers.simulated_barrier import SimulatedBarrier
    from sb3_barriernet.barriers.stacked_barrier import StackedBarrier
    from sb3_barriernet.barriers.symbolic_barrier import SymbolicBarrier
    from sb3_barriernet.barriers.virtual_point import VirtualPointBarrier
    from sb3_barriernet.deployment.onnx_file import export
    from sb3_barriernet.envs.action_map import ActionMap
    from sb3_barriernet.envs.barrier_observation import BarrierObservation
    from sb3_barriernet.envs.filtered_env import FilteredEnv
    from sb3_barriernet.envs.pursuit_barrier import PursuitEvasionBarrier
    from sb3_barriernet.envs.reset_options import ResetOptions
    from sb3_barriernet.envs.violation_counter import ViolationCounter
    from sb3_barriernet.evaluation.invariance import assert_invariant
    from sb3_barriernet.projection import BarrierLayer, Projection, ProjectionLayer, Status, project
    from sb3_barriernet.safety_filter import SafetyFilter
    from sb3_barriernet.systems.control_affine import ControlAffineSystem
    from sb3_barriernet.systems.one_step import OneStepMap

__all__ = [
    "ActionMap",
    "AutogradBarrier",
    "BarrierExtractor",
    "BarrierLayer",
    "BarrierObservation",
    "BarrierPPO",
    "BrakingCarBarrier",
    "ControlAffineSystem",
    "FilterLog",
    "FilteredEnv",
    "NominalActorCriticPolicy",
    "OneStepBarrier",
    "OneStepMap",
    "Projection",
    "ProjectionLayer",
    "PursuitEvasionBarrier",
    "ResetOptions",
    "ResumableTraining",
    "SafeActionDictReplayBuffer",
    "SafeActionReplayBuffer",
    "SafetyFilter",
    "SimulatedBarrier",
    "StackedBarrier",
    "Status",
    "SymbolicBarrier",
    "ViolationCounter",
    "VirtualPointBarrier",
    "assert_invariant",
    "distill",
    "export",
    "project",
    "without_filter",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ActionMap": "envs.action_map",
        "AutogradBarrier": "barriers.autograd_barrier",
        "BarrierExtractor": "barrier_ppo.extractor",
        "BarrierLayer": "projection",
        "BarrierObservation": "envs.barrier_observation",
        "BarrierPPO": "barrier_ppo.barrier_ppo",
        "BrakingCarBarrier": "barriers.braking_car",
        "ControlAffineSystem": "systems.control_affine",
        "FilterLog": "any_algorithm",
        "FilteredEnv": "envs.filtered_env",
        "NominalActorCriticPolicy": "barrier_ppo.nominal_policy",
        "OneStepBarrier": "barriers.one_step_barrier",
        "OneStepMap": "systems.one_step",
        "Projection": "projection",
        "ProjectionLayer": "projection",
        "PursuitEvasionBarrier": "envs.pursuit_barrier",
        "ResetOptions": "envs.reset_options",
        "ResumableTraining": "barrier_ppo.resumable_training",
        "SafeActionDictReplayBuffer": "any_algorithm",
        "SafeActionReplayBuffer": "any_algorithm",
        "SafetyFilter": "safety_filter",
        "SimulatedBarrier": "barriers.simulated_barrier",
        "StackedBarrier": "barriers.stacked_barrier",
        "Status": "projection",
        "SymbolicBarrier": "barriers.symbolic_barrier",
        "ViolationCounter": "envs.violation_counter",
        "VirtualPointBarrier": "barriers.virtual_point",
        "assert_invariant": "evaluation.invariance",
        "distill": "barrier_ppo.distillation",
        "export": "deployment.onnx_file",
        "project": "projection",
        "without_filter": "barrier_ppo.export",
    },
)

try:
    __version__ = version("sb3-barriernet")
except PackageNotFoundError:  # a checkout on the path, not installed
    __version__ = "0+unknown"

register_envs()
