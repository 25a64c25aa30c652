"""From ``h(x) >= 0`` to rows that are linear in the action."""

from typing import TYPE_CHECKING

from sb3_barriernet.lazy import lazy_exports

if TYPE_CHECKING:
    from sb3_barriernet.barriers.autograd_barrier import AutogradBarrier
    from sb3_barriernet.barriers.braking_car import BrakingCarBarrier
    from sb3_barriernet.barriers.one_step_barrier import OneStepBarrier
    from sb3_barriernet.barriers.protocol import Barrier
    from sb3_barriernet.barriers.simulated_barrier import SimulatedBarrier
    from sb3_barriernet.barriers.stacked_barrier import StackedBarrier
    from sb3_barriernet.barriers.symbolic_barrier import SymbolicBarrier
    from sb3_barriernet.barriers.virtual_point import VirtualPointBarrier

__all__ = [
    "AutogradBarrier",
    "Barrier",
    "BrakingCarBarrier",
    "OneStepBarrier",
    "SimulatedBarrier",
    "StackedBarrier",
    "SymbolicBarrier",
    "VirtualPointBarrier",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "AutogradBarrier": "autograd_barrier",
        "Barrier": "protocol",
        "BrakingCarBarrier": "braking_car",
        "OneStepBarrier": "one_step_barrier",
        "SimulatedBarrier": "simulated_barrier",
        "StackedBarrier": "stacked_barrier",
        "SymbolicBarrier": "symbolic_barrier",
        "VirtualPointBarrier": "virtual_point",
    },
)
