"""An agent and its filter as one ONNX file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.base_class import BaseAlgorithm
from torch.distributions import Distribution

from sb3_barriernet.barrier_ppo.policies import BarrierActorCriticPolicy
from sb3_barriernet.deployment.filtered_model import add_projection
from sb3_barriernet.deployment.nominal_actor import NominalActor
from sb3_barriernet.deployment.packages import onnx, onnxscript
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.projection import Status
from sb3_barriernet.projection.row_filter import RowFilter
from sb3_barriernet.rows import BARRIER_KEY
from sb3_barriernet.safety_filter import SafetyFilter

OPSET = 20
EXAMPLES = 3


def export(model: BaseAlgorithm | SafetyFilter, path: str | Path) -> Path:
    """Write what ``predict(..., deterministic=True)`` does, projection included, as one ONNX file.

    Running it takes ``onnxruntime`` and numpy. Inputs are the observations by their keys, as ``predict`` takes them,
    with a leading batch dimension of any size; outputs, one entry a sample:

    * ``u_safe (B, M)`` float64: the safe action
    * ``u_nom (B, M)`` float64: what the agent proposed, NaN where an observation was not finite
    * ``status (B,)`` int8: a :class:`~sb3_barriernet.projection.Status`; where 3, ``u_safe`` is the backup action
    * ``kappa (B, K)`` float64: gain scales of the rows, if the model learned any

    ``metadata_props`` of the file says what inputs and outputs mean, each value as JSON.

    :param model: a :class:`~sb3_barriernet.BarrierPPO`, or any agent behind a :class:`~sb3_barriernet.SafetyFilter`
    :param path: of the file, by convention ``*.onnx``
    :return: the path
    :raises MissingPackageError: unless the extra ``export`` is installed
    :raises ConfigurationError: for agents without a filter or with a memory
    """
    policy, row_filter = _parts(model)
    space = policy.observation_space
    was_training = policy.training
    policy.set_training_mode(False)
    proto = _traced(NominalActor(policy), space)
    policy.set_training_mode(was_training)
    add_projection(proto, row_filter, space[BARRIER_KEY].shape[0])
    onnx.helper.set_model_props(proto, _metadata(model, row_filter, space))
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)
    return Path(path)


def _parts(model: Any) -> tuple[Any, RowFilter]:
    """Policy and filter of a model.

    :raises ConfigurationError: if it has no filter, or a policy that a graph of one step cannot hold
    """
    if isinstance(model, SafetyFilter):
        policy, row_filter = model.model.policy, model.row_filter
    else:
        policy = model.policy
        if not isinstance(policy, BarrierActorCriticPolicy):
            raise ConfigurationError(
                f"Found a {type(model).__name__}, which has no filter. Put it behind one: "
                "`export(SafetyFilter(model), path)`."
            )
        row_filter = policy.row_filter
    if isinstance(policy, RecurrentActorCriticPolicy):
        raise ConfigurationError(
            f"Found the recurrent policy {type(policy).__name__}; the file holds one step without a memory. "
            "Deploy it with SB3, or train an agent that sees a stack of observations."
        )
    return policy, row_filter


def _traced(actor: NominalActor, space: spaces.Dict) -> Any:
    """The actor as an ``onnx.ModelProto`` with named inputs and outputs."""
    examples = tuple(th.as_tensor(_example(part), device=actor.low.device) for part in space.spaces.values())
    batch = th.export.Dim("batch")
    with _without_argument_checks(), warnings.catch_warnings(), th.no_grad():
        warnings.simplefilter("ignore")  # of the exporter about itself
        outputs = ["u_nom", "A", "c"]
        if getattr(actor.policy, "gain_head", None) is not None:
            outputs.append("kappa")
        program = th.onnx.export(
            actor,
            examples,
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=(tuple({0: batch} for _ in examples),),
            input_names=list(space.spaces),
            output_names=outputs,
            verbose=False,
            custom_translation_table={th.ops.aten.sort.stable: _stable_sort},
        )
    assert program is not None
    proto = program.model_proto
    if not proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise ConfigurationError(
            f"Found that {type(actor.policy).__name__} computes with the size of its batch, which would fix it at "
            f"{EXAMPLES} in the file. Most likely a features extractor of your own reshapes by numbers: write "
            "`flatten(start_dim=1)` there."
        )
    return proto


def _stable_sort(values: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> tuple[Any, Any]:
    """``torch.sort`` in ONNX, whose ``TopK`` lists equal values in the order of their indices."""
    op = onnxscript.opset20
    count = op.Shape(values, start=dim, end=dim + 1 or None)
    return op.TopK(values, count, axis=dim, largest=int(descending), sorted=1)


def _example(space: spaces.Space) -> np.ndarray:
    """Some observations; what they hold does not matter."""
    assert space.shape is not None
    return np.zeros((EXAMPLES, *space.shape), dtype=space.dtype)


@contextmanager
def _without_argument_checks() -> Iterator[None]:
    """Distributions check their arguments by values, which steer no graph."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


def _metadata(model: Any, row_filter: RowFilter, space: spaces.Dict) -> dict[str, str]:
    agent = model.model if isinstance(model, SafetyFilter) else model
    action_dim = len(row_filter.low)
    facts = {
        "package": f"sb3-barriernet {version('sb3-barriernet')}",
        "agent": type(agent).__name__,
        "observations": {
            key: {"shape": part.shape, "dtype": np.dtype(part.dtype).name} for key, part in space.spaces.items()
        },
        "rows": {
            "input": BARRIER_KEY,
            "columns": [*(f"a_{i}" for i in range(action_dim)), "drift", "restoring"],
            "holds": "a . u + drift + restoring >= 0",
            "padding": [*(0.0 for _ in range(action_dim)), 1.0, 0.0],
        },
        "action_low": row_filter.low.tolist(),
        "action_high": row_filter.high.tolist(),
        "backup_action": row_filter.backup.tolist(),
        "projection_weight": row_filter.weight.tolist(),
        "status": {status.value: status.name for status in Status},
    }
    return {key: json.dumps(value) for key, value in facts.items()}
