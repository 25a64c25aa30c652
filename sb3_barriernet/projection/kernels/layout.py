"""What a kernel is told: 64-bit integers in a fixed order, packed into one argument by the caller.

Addresses and strides, not arrays: at a batch of one, wrapping five tensors as arrays would cost more than solving
the problem, and one compiled kernel serves every dtype and memory layout.
"""

from __future__ import annotations

import struct
from functools import cache

(
    START,  # samples START to STOP
    STOP,
    SCRATCH,  # address of as many numbers as the functions below ask for
    U,  # address of the contiguous nominal actions (B, M)
    SINGLE,  # 1 if they, the actions and their gradients are float32, 0 if float64
    A,  # address of the coefficients, with strides of batch and row in elements
    A_BATCH,
    A_ROW,
    C,  # address of the contiguous offsets (B, K)
    ROWS,  # K
    DIM,  # M
    BOX_BATCH,  # M, or 0 where all samples share the box
    WEIGHT_KIND,  # 0 for the identity
    BACKUP_BATCH,  # M, or 0 where all samples share the backup action
    LOW,  # address of the lower bounds
    HIGH,
    WEIGHT,  # address: the diagonal (M,) of kind 1; L and its inverse (2, M, M) of kind 2; (B, 2, M, M) of kind 3
    BACKUP,  # address of the backup action, 0 for the default
    FACES,  # address (B, M + 2) int16
    # To solve: addresses of the results, which hold anything before and are written for every sample
    ACTION,  # (B, M)
    SLACK,  # (B,) float64, only for samples that are INFEASIBLE or INVALID
    STATUS,  # (B,) int8
) = range(22)

# To differentiate: addresses of the incoming gradient and of those wanted, 0 for those that are not
GRADIENT, GRAD_U, GRAD_A, GRAD_C, GRAD_LOW, GRAD_HIGH, GRAD_WEIGHT = range(19, 26)

# The argument of a kernel is a range, followed by all that is to be solved or differentiated. Sizes and setup, which
# calls have in common, are packed before and go in as bytes.
pack_range = struct.Struct("3q").pack
pack_sizes = struct.Struct("5q").pack
pack_setup = struct.Struct("40s4q").pack
pack_to_solve = struct.Struct("6q72s4q").pack
pack_to_differentiate = struct.Struct("6q40s4q8q").pack

PENDING = -1
"""Status of a sample that still needs the general solver."""

BAD_WEIGHT = -1
"""Code of a kernel that was given a weight which is none."""

LANES = 4
"""Numbers in a vector."""

NO_FACES = -1 << 16
"""FACES of a sample over two actions in one number: none contradict each other, and -1 three times."""

LIST_LENGTH = 64
"""How many samples over two actions are found to break a row before they are solved. The rows of fewer would still be
nearer, but memory streams fastest where nothing interrupts it."""


@cache
def screen_scratch(rows: int, dim: int) -> int:
    """Numbers that ``screen`` works with: samples, scales and faces, and over two actions what four of them need."""
    if dim == 2:
        return 3 + LIST_LENGTH + LANES * (9 + 3 * (4 + rows)) + 4 * dim
    return 6 * dim + 1


@cache
def solve_scratch(rows: int, dim: int) -> int:
    """Numbers that ``solve_pending`` works with: a table and its columns, in whole vectors, and the rest."""
    return 2 * whole_vectors(rows + 2 * dim) * (dim + 4) + 4 * dim * dim + 11 * (dim + 1)


@cache
def backward_scratch(dim: int) -> int:
    """Numbers that ``pull_back`` works with: those of one sample, which are more than a group needs, and over two
    actions scales and axes."""
    wide = dim + 1
    sample = wide * (dim + 4) + 3 * wide * wide + 6 * (wide + 1) + 9 * wide + 2 * dim * dim + 4 * dim
    return 10 + sample if dim == 2 else sample


def whole_vectors(count: int) -> int:
    """``count``, rounded up to whole vectors."""
    return (count + LANES - 1) // LANES * LANES
