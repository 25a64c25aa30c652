"""SymPy expressions as functions of tensors."""

import numpy as np
import pytest
import sympy as sp
import torch

from sb3_barriernet.systems.expressions import SymbolicArray

X, Y = sp.symbols("x y", real=True)


@pytest.mark.parametrize(
    "expression",
    [sp.Max(0, X) ** 2 * Y, sp.Min(X, 2, Y), sp.Max(1, sp.Min(X, Y)), sp.Abs(X) * sp.sin(Y), sp.Integer(3)],
    ids=str,
)
def test_tensors_get_what_arrays_get_and_a_derivative(expression):
    array = SymbolicArray(sp.Matrix([expression]), ((X, Y),))
    points = 2.0 * np.random.default_rng(0).normal(size=(20, 2))
    tensor = torch.tensor(points, requires_grad=True)
    np.testing.assert_allclose(array.torch(tensor).detach().numpy(), array(points), rtol=1e-14)
    if expression.free_symbols:
        assert torch.autograd.gradcheck(array.torch, (tensor,))
