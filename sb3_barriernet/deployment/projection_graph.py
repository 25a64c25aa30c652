"""The projection in operators of ONNX.

These functions are never called: onnxscript translates their source into functions of an ONNX file. There every
operation costs about a microsecond, whatever it computes, so the method is chosen for its few operations: Goldfarb and
Idnani's dual active sets (1983) in the operators of their paper, the projector ``free`` onto the directions that the
active faces leave free and the pseudo-inverse ``inverse`` of their normals. A face that joins or leaves changes either
by one outer product. All samples of a batch step together until the last has arrived; where no row changes any action,
nobody steps.

Shapes: ``(B, 1, M)`` actions, ``(B, K, M)`` rows, ``(B, C, M)`` faces, ``C = K + 2 M``: rows, lower and upper bounds.
Actions are scaled by the root of the weight, ``v = L' u``. Statuses, tolerances and the slack of infeasible samples are
those of the backend ``"torch"``.
"""

# Names of ONNX functions are capitalised, and what they take is typed by ONNX.
# ruff: noqa: N802
# mypy: ignore-errors

from sb3_barriernet.deployment.packages import onnx, onnxscript

op = onnxscript.opset20
DOMAIN = "sb3_barriernet"
_graph = onnxscript.script(onnxscript.values.Opset(DOMAIN, 1), default_opset=op)


def _number(value):
    return onnx.helper.make_tensor("", onnx.TensorProto.DOUBLE, [], [value])


ZERO, ONE, INFINITY = _number(0.0), _number(1.0), _number(float("inf"))
FEASIBILITY = _number(-1e-12)
INDEPENDENT_SQUARE = _number(1e-18)
CONTRIBUTES = _number(1e-12)
RELAXED = _number(1e-10)
SLACK_FLOOR = _number(1e-15)
BOX_FIRST = _number(1e60)
DOUBLE, FLAG, INT8 = onnx.TensorProto.DOUBLE, onnx.TensorProto.INT32, onnx.TensorProto.INT8


@_graph
def Smallest(keys):
    """Where the smallest of each sample's keys ``(B, 1, n)`` is, as a mask."""
    index = op.ArgMin(keys, axis=2)
    count = op.Squeeze(op.Shape(keys, start=2, end=3))
    return op.Equal(index, op.Range(op.Constant(value_int=0), count, op.Constant(value_int=1)))


@_graph
def MostViolated(residuals, members, thresholds, bias):
    """The most violated inactive face, of the box if there is one, as a mask; and whether there is any."""
    inactive = op.ReduceMax(members, [1]) < op.Constant(value=ONE)
    violated = op.And(residuals < thresholds, inactive)
    keys = op.Where(violated, residuals + bias, op.Constant(value=INFINITY))
    found = op.ReduceMin(keys, [2]) < op.Constant(value=INFINITY)
    return op.Cast(op.And(Smallest(keys), found), to=DOUBLE), found


@_graph
def StepLength(gap, away, along, multipliers, vacant):
    """How far until the face holds, or until the multiplier of an active one is used up; infinite if neither."""
    infinity = op.Constant(value=INFINITY)
    square = op.ReduceSumSquare(away, [2])
    has_room = op.ReduceMax(vacant, [2]) > op.Constant(value=ZERO)
    independent = op.And(square > op.Constant(value=INDEPENDENT_SQUARE), has_room)
    full = op.Where(independent, gap / square, infinity)
    ratios = op.Where(along > op.Constant(value=CONTRIBUTES), multipliers / along, infinity)
    longest = op.ReduceMin(ratios, [2])
    return op.Min(full, longest), full <= longest, independent, ratios


@_graph
def Update(free, inverse, away, along, slot, joins, moves):
    """``free`` and ``inverse`` after a face joined in ``slot``, or after the one there left."""
    leaving = op.MatMul(inverse, op.Cast(op.Transpose(slot, perm=[0, 2, 1]), to=DOUBLE))
    column = op.Where(joins, op.Transpose(away, perm=[0, 2, 1]), leaving)
    row = op.Transpose(column, perm=[0, 2, 1])
    ray = column / op.Where(moves, op.ReduceSumSquare(column, [1]), op.Constant(value=ONE))
    share = op.Where(joins, along - op.Cast(slot, to=DOUBLE), op.MatMul(row, inverse))
    return free - ray * op.Where(joins, row, op.Neg(row)), inverse - ray * share


@_graph
def Grant(gap, along, incoming, members, sizes, is_row, floor):
    """Slack that the contradiction between the incoming and the active faces asks for, and the size of the faces."""
    zero = op.Constant(value=ZERO)
    pull = op.Max(op.Neg(along), zero)
    pulls = op.Cast(pull > op.Constant(value=CONTRIBUTES), to=DOUBLE)
    lifted = op.ReduceSum(is_row * (incoming + op.MatMul(pull, members)), [2])
    size = op.ReduceMax((incoming + op.MatMul(pulls, members)) * sizes, [2])
    grant = gap / op.Where(lifted > zero, lifted, op.Constant(value=ONE))
    return op.Max(grant, floor * size), size


@_graph
def UnitRows(rows, shifts, terms, unscale):
    """Rows as faces of unit normals, how large the terms are that cancel, and who has a row that nothing helps."""
    zero = op.Constant(value=ZERO)
    one = op.Constant(value=ONE)
    scaled = op.MatMul(rows, op.Transpose(unscale))
    largest = op.ReduceMax(op.Abs(scaled), [2])
    direction = scaled / op.Where(largest > zero, largest, one)
    length = op.ReduceL2(direction, [2])
    norm = op.Transpose(largest * length, perm=[0, 2, 1])
    divisor = op.Where(norm > zero, norm, one)
    offsets = op.Neg(shifts) / divisor
    plays = op.And(norm > zero, op.Abs(offsets) < op.Constant(value=INFINITY))
    units = direction / op.Where(length > zero, length, one)
    normals = op.Where(op.Transpose(plays, perm=[0, 2, 1]), units, zero)
    hopeless = op.ReduceMax(op.Cast(op.And(op.Not(plays), shifts < zero), to=FLAG), [2]) > 0
    return normals, op.Where(plays, offsets, op.Neg(one)), terms / divisor, hopeless


@_graph
def ActiveBounds(push, normals, row_normals, identity):
    """Bounds that hold the start, each in the slot of its action: members, inverse, free and vacant slots."""
    zero = op.Constant(value=ZERO)
    one = op.Constant(value=ONE)
    below = op.Cast(push > zero, to=DOUBLE)
    above = op.Cast(push < zero, to=DOUBLE)
    no_rows = zero * op.Transpose(row_normals, perm=[0, 2, 1])
    members = op.Concat(no_rows, identity * below, identity * above, axis=2)
    inverse = op.MatMul(members, normals)
    return members, inverse, identity - inverse * inverse, one - below - above


@_graph
def Solve(u, start, rows, shifts, terms, scale, unscale, box_normals, box_offsets, identity, is_row, limit):
    """Actions and statuses ``(B, 1, 1)`` from ``start``: the clipped action, from which bounds are active."""
    zero = op.Constant(value=ZERO)
    one = op.Constant(value=ONE)
    nothing = op.ReduceSum(u * zero, [2])
    row_normals, row_offsets, row_sizes, hopeless = UnitRows(rows, shifts, terms, unscale)
    normals = op.Concat(row_normals, box_normals + nothing, axis=1)
    offsets = op.Concat(row_offsets, box_offsets + nothing, axis=2)
    sizes = op.Concat(row_sizes, op.Abs(box_offsets) + nothing, axis=2)
    columns = op.Transpose(normals, perm=[0, 2, 1])
    thresholds = op.Constant(value=FEASIBILITY) * sizes
    bias = (is_row - one) * op.Constant(value=BOX_FIRST)

    v0 = op.MatMul(start, scale)
    multipliers0 = op.Abs(op.MatMul(start - u, scale))
    members0, inverse0, free0, vacant0 = ActiveBounds(start - u, normals, row_normals, identity)
    v = op.Identity(v0)
    multipliers = op.Identity(multipliers0)
    members = op.Identity(members0)
    inverse = op.Identity(inverse0)
    free = op.Identity(free0)
    vacant = op.Identity(vacant0)
    slack = op.Identity(nothing)
    size = op.Identity(nothing)
    floor = nothing + op.Constant(value=SLACK_FLOOR)
    gained = op.Identity(nothing)
    residuals = op.MatMul(v, columns) - offsets
    incoming, underway = MostViolated(residuals, members, thresholds, bias)

    for _ in range(limit):
        # How the incoming face pushes: freely along `away`, and at the expense of the active ones.
        gap = op.Neg(op.ReduceSum(incoming * residuals, [2]))
        normal = op.MatMul(incoming, normals)
        away = op.MatMul(normal, free)
        along = op.MatMul(normal, inverse)
        step, joins, independent, ratios = StepLength(gap, away, along, multipliers, vacant)
        moves = step < op.Constant(value=INFINITY)
        stuck = op.And(underway, op.Not(moves))
        motion = op.Where(moves, step, zero)
        gained = gained + motion
        stepped_v = v + op.Where(independent, motion, zero) * away
        paid = multipliers - motion * along

        # The slot that the face takes, or that of the face that gives way.
        slot = op.And(Smallest(op.Where(joins, op.Neg(vacant), ratios)), moves)
        slot_column = op.Transpose(slot, perm=[0, 2, 1])
        arrives = op.Cast(joins, to=DOUBLE)
        next_free, next_inverse = Update(free, inverse, away, along, slot, joins, moves)
        next_multipliers = op.Where(slot, arrives * gained, paid)
        next_vacant = op.Where(slot, one - arrives, vacant)
        next_members = op.Where(slot_column, arrives * incoming, members)

        if op.ReduceMax(op.Cast(stuck, to=FLAG)) > 0:
            # Faces contradict each other: grant the slack that this asks for, and start again.
            grant, granted_size = Grant(gap, along, incoming, members, sizes, is_row, floor)
            slack = op.Where(stuck, slack + grant, slack)
            size = op.Where(stuck, granted_size, size)
            floor = op.Where(stuck, floor + floor, floor)
            v = op.Where(stuck, v0, stepped_v)
            multipliers = op.Where(stuck, multipliers0, next_multipliers)
            members = op.Where(stuck, members0, next_members)
            inverse = op.Where(stuck, inverse0, next_inverse)
            free = op.Where(stuck, free0, next_free)
            vacant = op.Where(stuck, vacant0, next_vacant)
        else:
            slack = op.Identity(slack)
            size = op.Identity(size)
            floor = op.Identity(floor)
            v = op.Identity(stepped_v)
            multipliers = op.Identity(next_multipliers)
            members = op.Identity(next_members)
            inverse = op.Identity(next_inverse)
            free = op.Identity(next_free)
            vacant = op.Identity(next_vacant)

        residuals = op.MatMul(v, columns) - offsets + slack * is_row
        chosen, found = MostViolated(residuals, members, thresholds, bias)
        incoming = op.Where(joins, chosen, incoming)
        underway = op.Where(joins, op.Cast(found, to=FLAG), op.Cast(underway, to=FLAG)) > 0
        gained = op.Where(joins, zero, gained)
        everybody_arrived = op.ReduceMax(op.Cast(underway, to=FLAG)) < 1
        if everybody_arrived:
            break

    relaxed = op.Or(slack > op.Constant(value=RELAXED) * size, hopeless)
    touched = op.ReduceMax(op.ReduceMax(members, [1]) * is_row, [2])
    status = op.Where(relaxed, op.Cast(2, to=FLAG), op.Cast(touched, to=FLAG))
    # Outer products leave round-off on the active faces: once more onto them.
    off = op.MatMul(op.MatMul(residuals, op.Transpose(members, perm=[0, 2, 1])), op.Transpose(inverse, perm=[0, 2, 1]))
    return op.MatMul(v - off, unscale), op.Where(underway, op.Cast(3, to=FLAG), status)


@_graph
def Project(
    u_nom, A, c, low, high, backup, scale, unscale, box_normals, box_offsets, identity, is_row, is_diagonal, limit
):
    """Safe actions ``(B, M)`` and statuses ``(B,)`` for nominal actions ``(B, M)``, ``A (B, K, M)``, ``c (B, K)``."""
    zero = op.Constant(value=ZERO)
    # NaN and infinity survive a product with 0.
    spoilt = op.ReduceSum(A * zero, [1, 2], keepdims=0) + op.ReduceSum(c * zero, [1], keepdims=0)
    valid = op.Not(op.IsNaN(spoilt + op.ReduceSum(u_nom * zero, [1], keepdims=0)))
    keep = op.Unsqueeze(valid, [1])
    u = op.Unsqueeze(op.Where(keep, u_nom, zero), [1])
    rows = op.Where(op.Unsqueeze(keep, [2]), A, zero)
    shifts = op.Unsqueeze(op.Where(keep, c, op.Constant(value=ONE)), [1])

    clipped = op.Min(op.Max(u, low), high)
    start = op.Where(is_diagonal, clipped, u)
    columns = op.Transpose(rows, perm=[0, 2, 1])
    terms = op.MatMul(op.Max(op.Abs(low), op.Abs(high)), op.Abs(columns)) + op.Abs(shifts)
    broken = op.MatMul(clipped, columns) + shifts < op.Constant(value=FEASIBILITY) * terms
    outside = op.Not(op.Equal(start, clipped))
    if op.ReduceMax(op.Cast(op.Concat(broken, outside, axis=2), to=FLAG)) > 0:
        solved, status = Solve(
            u, start, rows, shifts, terms, scale, unscale, box_normals, box_offsets, identity, is_row, limit
        )
        action = op.Min(op.Max(solved, low), high)
    else:
        action = op.Identity(clipped)
        status = op.Cast(op.ReduceSum(u * zero, [2]), to=FLAG)
    safe = op.Where(keep, op.Squeeze(action, [1]), backup)
    return safe, op.Cast(op.Where(valid, op.Squeeze(status, [1, 2]), op.Cast(3, to=FLAG)), to=INT8)


FUNCTIONS = (Smallest, MostViolated, StepLength, Update, Grant, UnitRows, ActiveBounds, Solve, Project)
