"""How a policy network sees barrier rows."""

from __future__ import annotations

from typing import Any, Literal, cast, get_args

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, FlattenExtractor, NatureCNN
from stable_baselines3.common.type_aliases import TensorDict
from torch import nn

from sb3_barriernet.barrier_ppo.pooled_rows import PooledRows
from sb3_barriernet.errors import ConfigurationError, MissingRowsError
from sb3_barriernet.rows import BARRIER_KEY, split_rows

ROW_FEATURES_KEY = "row_features"
"""Key under which the rollout buffer offers the features of its rows beside them, during an update."""

# Scales of the row features, in half ranges of the action box.
DISTANCE_SCALE = 1.5
GATE_REACH = 2.0
MAX_GATE = 1.5
TINY = 1e-30


RowEncoding = Literal["listed", "sorted", "pooled"]
"""Row features in the order of the barrier; nearest row first; or as a set, through a small network of their own."""


class RowFeatures(nn.Module):
    """Rows ``(B, K, M + 2)`` as bounded features ``(B, K (M + 1))``.

    Actions are normalised by their box: ``z = (u - mid) / half_range``. Row ``i`` is then a
    half-space with unit normal ``n_i`` at the signed distance ``d_i`` from the mid action, and
    its features are

    .. math:: [\\mathrm{clip}(d_i / 1.5, -1, 1),\\ \\mathrm{clip}(1 - d_i / 2, 0, 1.5)\\, n_i] :

    far rows fade out, padding reads ``[1, 0]``, whatever the units of the barrier.

    :param low: lower corner of the action box, ``(M,)``
    :param high: upper corner of the action box, ``(M,)``
    :param sort: put the rows in order of ``d``, nearest first, so that the order in which a barrier lists them
        changes nothing; by default they stay where they are
    """

    middle: th.Tensor
    half_range: th.Tensor

    def __init__(self, low: np.ndarray, high: np.ndarray, sort: bool = False):
        super().__init__()
        self.sort = sort
        middle, half_range = (high + low) / 2.0, (high - low) / 2.0
        self.register_buffer("middle", th.as_tensor(middle, dtype=th.float32), persistent=False)
        self.register_buffer("half_range", th.as_tensor(half_range, dtype=th.float32), persistent=False)

    def forward(self, rows: th.Tensor) -> th.Tensor:
        """Features of rows; features ``(B, K (M + 1))`` that were computed before pass as they are."""
        if rows.ndim == 2:
            return rows
        A, c = split_rows(rows)
        scaled = A * self.half_range
        # A row without a normal never restricts the action: the tiny norm puts its face infinitely far away.
        # (-1 would have a wrong shape in the graphs that torch before 2.12 makes for a single action.)
        norm = th.linalg.vector_norm(scaled, dim=2).clamp_min(TINY)
        distance = (A @ self.middle + c) / norm
        gate = (1.0 - distance / GATE_REACH).clamp(0.0, MAX_GATE)
        near = (distance / DISTANCE_SCALE).clamp(-1.0, 1.0)
        features = th.cat([near.unsqueeze(-1), scaled * (gate / norm).unsqueeze(-1)], dim=-1)
        if self.sort:
            nearest_first = distance.argsort(dim=-1, stable=True)
            features = features.gather(1, nearest_first.unsqueeze(-1).expand_as(features))
        # Rows that are not finite are flagged by the projection; here they must not poison the network.
        return th.nan_to_num(features.flatten(start_dim=1), nan=0.0, posinf=0.0, neginf=0.0)


class BarrierExtractor(BaseFeaturesExtractor):
    """Extracts the task's observation with any extractor and appends row features, never raw rows.

    Works with every SB3 algorithm whose policy takes dictionary observations::

        SAC("MultiInputPolicy", env, policy_kwargs=dict(features_extractor_class=BarrierExtractor))

    :param observation_space: dictionary with the key ``"barrier"``
    :param action_space: bounded box; by default the one that the rows space remembers
    :param observe_rows: whether the network sees the row features; else only the task's observation
    :param row_encoding: how it sees them, a :data:`RowEncoding`
    :param extractor_class: extractor of the task's observation; by default ``FlattenExtractor`` for a single
        key and ``CombinedExtractor`` for several
    :param extractor_kwargs: keyword arguments of that extractor
    :raises ConfigurationError: if there are several observations and an extractor for one
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Box | None = None,
        observe_rows: bool = True,
        row_encoding: RowEncoding = "listed",
        extractor_class: type[BaseFeaturesExtractor] | None = None,
        extractor_kwargs: dict[str, Any] | None = None,
    ):
        task_space = task_observation_space(observation_space)
        if len(task_space) == 1 and not _takes_dictionary(extractor_class):
            task_key, task_input = next(iter(task_space.items()))
        else:
            _refuse_flat_extractor(task_space, extractor_class)
            task_key, task_input = None, task_space
        if extractor_class is None:
            extractor_class = CombinedExtractor if task_key is None else FlattenExtractor
        task = extractor_class(task_input, **(extractor_kwargs or {}))
        box = _action_box(observation_space, action_space) if observe_rows else None
        num_rows, width = cast("tuple[int, int]", observation_space[BARRIER_KEY].shape)
        check_row_encoding(row_encoding)
        row_dim = PooledRows.features_dim if row_encoding == "pooled" else num_rows * (width - 1)
        super().__init__(observation_space, task.features_dim + (0 if box is None else row_dim))
        self.task = task
        self.task_key = task_key
        self.row_features = None if box is None else RowFeatures(*box, sort=row_encoding == "sorted")
        self.pooled_rows = PooledRows(width - 1) if box is not None and row_encoding == "pooled" else None

    def forward(self, observations: TensorDict) -> th.Tensor:
        features = self.task(observations if self.task_key is None else observations[self.task_key])
        if self.row_features is None:
            return features
        rows = self.row_features(observations[BARRIER_KEY])
        return th.cat([features, rows if self.pooled_rows is None else self.pooled_rows(rows)], dim=1)


def _refuse_flat_extractor(task_space: spaces.Dict, extractor_class: type[BaseFeaturesExtractor] | None) -> None:
    if extractor_class is not None and issubclass(extractor_class, FlattenExtractor | NatureCNN):
        raise ConfigurationError(
            f"Found the observations {list(task_space.spaces)} beside the rows and {extractor_class.__name__}, which "
            'takes a single one. Use "MultiInputPolicy", or an extractor of dictionaries.'
        )


def task_observation_space(observation_space: spaces.Space) -> spaces.Dict:
    """The observation space without its rows.

    :raises MissingRowsError: if it has none
    """
    if not isinstance(observation_space, spaces.Dict) or BARRIER_KEY not in observation_space.spaces:
        raise MissingRowsError(
            f"The observation space {observation_space} has no {BARRIER_KEY!r} key. "
            "Wrap the environment: `env = BarrierObservation(env, barrier, state)`."
        )
    return spaces.Dict({key: space for key, space in observation_space.spaces.items() if key != BARRIER_KEY})


def check_row_encoding(row_encoding: str) -> None:
    """Refuse encodings that do not exist.

    :raises ConfigurationError: unless it is a :data:`RowEncoding`
    """
    if row_encoding not in get_args(RowEncoding):
        raise ConfigurationError(
            f"Found row_encoding={row_encoding!r}; expected one of {get_args(RowEncoding)}. 'pooled' suits barriers "
            "whose order of rows means nothing."
        )


def _takes_dictionary(extractor_class: type[BaseFeaturesExtractor] | None) -> bool:
    return extractor_class is not None and issubclass(extractor_class, CombinedExtractor)


def _action_box(observation_space: spaces.Dict, action_space: spaces.Box | None) -> tuple[np.ndarray, np.ndarray]:
    if action_space is not None:
        return action_space.low, action_space.high
    rows_space = observation_space[BARRIER_KEY]
    if not hasattr(rows_space, "action_low"):
        raise ConfigurationError(
            f"Found the rows space {rows_space}, which does not know its action box. Declare rows with "
            "`RowsSpace(num_rows, action_space)`, or pass `features_extractor_kwargs=dict(action_space=...)`."
        )
    return rows_space.action_low, rows_space.action_high  # type: ignore[attr-defined]
