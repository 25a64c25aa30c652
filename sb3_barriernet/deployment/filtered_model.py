"""Puts the projection behind an ONNX model that proposes actions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th

from sb3_barriernet.deployment.packages import onnx
from sb3_barriernet.deployment.projection_graph import DOMAIN, FUNCTIONS
from sb3_barriernet.projection.backends.weights import factor_weight
from sb3_barriernet.projection.row_filter import RowFilter

MAX_ITERATIONS = 256
"""For each action and the slack; a sample that needs more is invalid. The batch ends when its last sample does."""


def add_projection(model: Any, row_filter: RowFilter, num_rows: int) -> None:
    """Give an ONNX model with the outputs ``u_nom``, ``A`` and ``c`` the outputs ``u_safe`` and ``status`` as well.

    :param model: ``onnx.ModelProto``, changed in place; ``A`` and ``c`` cease to be outputs
    :param row_filter: box, weight and backup action
    :param num_rows: ``K``
    """
    settings = _settings(row_filter, num_rows)
    graph = model.graph
    graph.initializer.extend(onnx.numpy_helper.from_array(value, f"filter.{name}") for name, value in settings.items())
    inputs = ["u_nom", "A", "c", *(f"filter.{name}" for name in settings)]
    graph.node.append(onnx.helper.make_node("Project", inputs, ["u_safe", "status"], domain=DOMAIN))
    kept = [output for output in graph.output if output.name not in ("A", "c")]
    batch, dim = kept[0].type.tensor_type.shape.dim[0].dim_param, len(row_filter.low)
    safe = onnx.helper.make_tensor_value_info("u_safe", onnx.TensorProto.DOUBLE, [batch, dim])
    status = onnx.helper.make_tensor_value_info("status", onnx.TensorProto.INT8, [batch])
    del graph.output[:]
    graph.output.extend([safe, kept[0], status, *kept[1:]])
    model.functions.extend(_function(script) for script in FUNCTIONS)
    model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))


def _settings(row_filter: RowFilter, num_rows: int) -> dict[str, np.ndarray]:
    """The constants of ``Project``, in the order of its parameters."""
    low, high, weight, backup = (
        part.cpu() for part in (row_filter.low, row_filter.high, row_filter.weight, row_filter.backup)
    )
    dim, is_diagonal = len(low), weight.ndim == 1
    scale, unscale = factor_weight(th.diag(weight) if is_diagonal else weight).unbind(-3)
    bounds = th.cat([unscale.T, -unscale.T])
    norms = bounds.norm(dim=1)
    tensors = {
        "low": low[None],
        "high": high[None],
        "backup": backup[None],
        "scale": scale,
        "unscale": unscale,
        "box_normals": bounds / norms[:, None],
        "box_offsets": th.cat([low, -high]) / norms,
        "identity": th.eye(dim, dtype=th.float64),
        "is_row": th.cat([th.ones(num_rows), th.zeros(2 * dim)]).double(),
        "is_diagonal": th.tensor(is_diagonal),
        "limit": th.tensor(MAX_ITERATIONS * (dim + 1)),
    }
    return {name: tensor.contiguous().numpy() for name, tensor in tensors.items()}


def _function(script: Any) -> Any:
    """The function, saying that it calls others of its own domain."""
    function = script.to_function_proto()
    if all(opset.domain != DOMAIN for opset in function.opset_import):
        function.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    return function
