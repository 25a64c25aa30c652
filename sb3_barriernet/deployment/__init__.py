"""Trained agents with their filter as files that need neither torch nor Stable-Baselines3."""

from typing import TYPE_CHECKING

from sb3_barriernet.lazy import lazy_exports

if TYPE_CHECKING:
    from sb3_barriernet.deployment.onnx_file import export

__all__ = ["export"]

__getattr__, __dir__ = lazy_exports(__name__, {"export": "onnx_file"})
