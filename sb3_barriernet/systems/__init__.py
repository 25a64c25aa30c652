"""Dynamics: control-affine systems, one-step maps of simulators, and ready-made ones."""

from typing import TYPE_CHECKING

from sb3_barriernet.lazy import lazy_exports

if TYPE_CHECKING:
    from sb3_barriernet.systems.control_affine import ControlAffineSystem
    from sb3_barriernet.systems.integrators import double_integrator, single_integrator
    from sb3_barriernet.systems.mujoco_step import MujocoStep
    from sb3_barriernet.systems.one_step import OneStepMap
    from sb3_barriernet.systems.pendulums import cart_pole, inverted_pendulum
    from sb3_barriernet.systems.quadrotor import planar_quadrotor
    from sb3_barriernet.systems.vehicles import (
        car_following,
        kinematic_bicycle,
        unicycle_with_acceleration,
        unicycle_with_velocity,
    )

__all__ = [
    "ControlAffineSystem",
    "MujocoStep",
    "OneStepMap",
    "car_following",
    "cart_pole",
    "double_integrator",
    "inverted_pendulum",
    "kinematic_bicycle",
    "planar_quadrotor",
    "single_integrator",
    "unicycle_with_acceleration",
    "unicycle_with_velocity",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ControlAffineSystem": "control_affine",
        "MujocoStep": "mujoco_step",
        "OneStepMap": "one_step",
        "car_following": "vehicles",
        "cart_pole": "pendulums",
        "double_integrator": "integrators",
        "inverted_pendulum": "pendulums",
        "kinematic_bicycle": "vehicles",
        "planar_quadrotor": "quadrotor",
        "single_integrator": "integrators",
        "unicycle_with_acceleration": "vehicles",
        "unicycle_with_velocity": "vehicles",
    },
)
