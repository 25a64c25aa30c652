"""The last layer of a network that knows its barriers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sb3_barriernet.errors import ConfigurationError, GainError
from sb3_barriernet.projection.layer import ProjectionLayer
from sb3_barriernet.projection.problem import Vector
from sb3_barriernet.projection.result import Projection
from sb3_barriernet.rows import row_groups, split_rows


class BarrierLayer(nn.Module):
    r"""Barrier rows with learnable gains, then the projection onto them: BarrierNet (Xiao et al. 2023) as one module.

    .. math:: u = \arg\min_u \tfrac12 |u - u_\mathrm{nom}|_W^2 \quad\text{s.t.}\quad
              A u + \mathrm{drift} + \kappa\,\mathrm{restoring} \ge 0,\; \mathrm{low} \le u \le \mathrm{high}

    Gradients reach ``u_nom``, the rows and the gains, so a network that ends in this layer is trained end to end on
    what it finally does, for example on an expert's actions. For reinforcement learning use
    :class:`~sb3_barriernet.BarrierPPO`: a policy gradient does not go through a projection.

    Only the last gain of a chain is scaled, which keeps the safe set invariant whatever is learned; an inner gain that
    varies with the state would not. With ``log_kappa = z`` a gain is ``1 / (exp(-z) + 1 / max_kappa)``: ``exp(z)``,
    smoothly kept below its bound.

    :param num_rows: ``K``
    :param low: lower bounds ``(M,)``
    :param high: upper bounds ``(M,)``
    :param gain_groups: for each row the index of the gain that it takes, ``(K,)``; by default all share one
    :param initial_kappa: where the gains begin
    :param max_kappa: bound of the gains; in sampled time a barrier's ``max_kappa``, ``1 / (alpha dt)`` for most
    :param weight: see :func:`project`
    :param backend: see :func:`project`
    :param backup: see :func:`project`
    :raises ConfigurationError: (a subclass) if groups or gains make no sense
    """

    groups: Tensor

    def __init__(
        self,
        num_rows: int,
        low: Vector,
        high: Vector,
        *,
        gain_groups: Sequence[int] | None = None,
        initial_kappa: float = 1.0,
        max_kappa: float = math.inf,
        weight: Vector | None = None,
        backend: str | None = None,
        backup: Vector | None = None,
    ) -> None:
        super().__init__()
        groups = row_groups(gain_groups, num_rows)
        self.max_kappa = max_kappa
        self.register_buffer("groups", torch.as_tensor(groups), persistent=False)
        start = _log_kappa(initial_kappa, max_kappa)
        self.log_kappa = nn.Parameter(torch.full((int(groups.max()) + 1,), start, dtype=torch.float64))
        self.projection = ProjectionLayer(low, high, weight=weight, backend=backend, backup=backup)

    def forward(self, u_nom: Tensor, rows: Tensor, log_kappa: Tensor | None = None) -> Projection:
        """Project ``u_nom (B, M)`` onto ``rows (B, K, M + 2)``.

        :param log_kappa: ``(B, G)``, added to the layer's own: what a network makes of the situation
        :raises ConfigurationError: if it has another shape
        """
        if log_kappa is not None and log_kappa.shape != (len(u_nom), len(self.log_kappa)):
            raise ConfigurationError(
                f"Found log_kappa of shape {tuple(log_kappa.shape)}; expected ({len(u_nom)}, {len(self.log_kappa)}), "
                "one for each gain of each sample. Rows get gains of their own by `gain_groups=range(num_rows)`."
            )
        kappa = self.kappa(log_kappa)[..., self.groups]
        return self.projection(u_nom, *split_rows(rows, kappa))

    def kappa(self, log_kappa: Tensor | None = None) -> Tensor:
        """The gains, ``(G,)``, or ``(B, G)`` in the situations given to :meth:`forward`."""
        z = self.log_kappa if log_kappa is None else self.log_kappa + log_kappa
        return 1.0 / (torch.exp(-z) + 1.0 / self.max_kappa)


def _log_kappa(kappa: float, max_kappa: float) -> float:
    if not (0.0 < kappa < max_kappa and math.isfinite(kappa)):
        raise GainError(
            f"Found initial_kappa={kappa} and max_kappa={max_kappa}; expected 0 < initial_kappa < max_kappa. Begin "
            "with the barrier's own gain, 1, or with half of the bound."
        )
    return -math.log(1.0 / kappa - 1.0 / max_kappa)
