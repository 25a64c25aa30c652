"""A loss on the policy's mean that needs no derivative of the projection."""

from __future__ import annotations

import numpy as np
import torch as th
from torch.nn.functional import pad


class CorrectionLoss:
    r"""Half the squared distance of the policy's mean from the safe actions, averaged over a minibatch.

    .. math:: L = \frac{1}{2B} \sum_b |\mu_b - P(\mu_b)|_W^2, \qquad
              \frac{\partial L}{\partial \mu_b} = \frac{1}{B} W (\mu_b - P(\mu_b))

    The squared distance from a convex set is differentiable, and this is its gradient, so no QP is differentiated. By
    default ``W`` measures actions in half ranges. The set is that of the projection: rows and action box.

    SB3's update has no place for a further loss, so the gradient joins where backpropagation passes the mean. The
    clip of the gradient norm comes later and sees the sum, as if the loss had been added.

    :param coef: what the loss is multiplied with, positive
    """

    def __init__(self, coef: float):
        self.coef = coef
        self._values: list[float] = []

    def attach(self, mean: th.Tensor, safe: th.Tensor, weight: th.Tensor) -> None:
        """Count the loss of a minibatch and add its gradient to that of ``mean``.

        :param mean: mean of the policy ``(B, M + G)``, part of a graph that is about to be differentiated; the gains
            in it are left alone
        :param safe: projection of its actions ``(B, M)``
        :param weight: ``W``, a diagonal ``(M,)`` or a matrix ``(M, M)``
        """
        num_gains = mean.shape[1] - safe.shape[1]
        correction = (mean.detach()[:, : safe.shape[1]] - safe).to(weight.dtype)
        weighted = correction * weight if weight.ndim == 1 else correction @ weight
        self._values.append(0.5 * float((correction * weighted).sum(dim=1).mean()))
        gradient = pad(self.coef / len(mean) * weighted, (0, num_gains)).to(mean.dtype)
        mean.register_hook(lambda other: other + gradient)

    @property
    def mean(self) -> float:
        """Mean of the losses counted so far, without the coefficient."""
        return float(np.mean(self._values))
