"""Exact projection of nominal actions onto barrier rows and the action box."""

from sb3_barriernet.projection.api import project
from sb3_barriernet.projection.barrier_layer import BarrierLayer
from sb3_barriernet.projection.layer import ProjectionLayer
from sb3_barriernet.projection.registry import register_backend
from sb3_barriernet.projection.residuals import Residuals, residuals
from sb3_barriernet.projection.result import Projection
from sb3_barriernet.projection.status import Status

__all__ = [
    "BarrierLayer",
    "Projection",
    "ProjectionLayer",
    "Residuals",
    "Status",
    "project",
    "register_backend",
    "residuals",
]
