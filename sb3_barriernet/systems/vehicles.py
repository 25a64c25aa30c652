"""Wheeled robots and cars."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sympy as sp

from sb3_barriernet.systems.control_affine import ControlAffineSystem, Integrator


def unicycle_with_velocity(
    *, max_speed: float = 1.0, max_turn_rate: float = 2.84, dt: float = 0.05, integrator: Integrator = "euler"
) -> ControlAffineSystem:
    """State ``[x, y, theta]`` in m, m, rad; action ``[v, omega]``, ``v >= 0``, in m/s, rad/s.

    The position alone has no turn rate in its derivative: state barriers at a point ahead of the centre, or use
    :class:`~sb3_barriernet.barriers.virtual_point.VirtualPointBarrier`, whose margins are proven.
    """
    x, y, theta, v, omega = sp.symbols("x y theta v omega", real=True)
    return ControlAffineSystem(
        (x, y, theta),
        (v, omega),
        f=[0, 0, 0],
        g=[[sp.cos(theta), 0], [sp.sin(theta), 0], [0, 1]],
        action_low=[0.0, -max_turn_rate],
        action_high=[max_speed, max_turn_rate],
        dt=dt,
        integrator=integrator,
        bounds={theta: (-math.pi, math.pi)},
        units={x: "m", y: "m", theta: "rad", v: "m/s", omega: "rad/s"},
        name="unicycle",
        source="Cortez & Dimarogonas 2019",
    )


def unicycle_with_acceleration(
    *,
    max_turn_rate: float = 1.0,
    max_acceleration: float = 2.0,
    speeds: tuple[float, float] = (0.1, 4.0),
    dt: float = 0.1,
    integrator: Integrator = "rk4",
) -> ControlAffineSystem:
    """State ``[x, y, theta, v]`` in m, m, rad, m/s; action ``[omega, a]`` in rad/s, m/s^2.

    :param speeds: range of ``v`` that the task keeps, m/s; a robot at rest cannot steer away, so barriers on the
        position ask for a range that leaves zero out
    """
    x, y, theta, v, omega, a = sp.symbols("x y theta v omega a", real=True)
    return ControlAffineSystem(
        (x, y, theta, v),
        (omega, a),
        f=[v * sp.cos(theta), v * sp.sin(theta), 0, 0],
        g=[[0, 0], [0, 0], [1, 0], [0, 1]],
        action_low=[-max_turn_rate, -max_acceleration],
        action_high=[max_turn_rate, max_acceleration],
        dt=dt,
        integrator=integrator,
        bounds={theta: (-math.pi, math.pi), v: speeds},
        units={x: "m", y: "m", theta: "rad", v: "m/s", omega: "rad/s", a: "m/s^2"},
        name="unicycle with acceleration",
        source="Xiao et al. 2023 (BarrierNet), 2D robot",
    )


def kinematic_bicycle(
    *,
    wheelbase: float = 2.5,
    max_steering: float = 0.6,
    max_acceleration: float = 4.0,
    speeds: tuple[float, float] = (0.1, 15.0),
    dt: float = 0.05,
    integrator: Integrator = "rk4",
) -> ControlAffineSystem:
    """Rear axle ``[x, y, theta, v]`` in m, m, rad, m/s; action ``[tan_delta, a]``, the second in m/s^2.

    The steering angle ``delta`` enters through its tangent, which is the action here, so the model is affine
    without any small-angle approximation: drive with ``delta = atan(tan_delta)``.

    :param wheelbase: distance of the axles, m
    :param max_steering: ``|delta| <= max_steering``, rad
    :param speeds: range of ``v`` that the task keeps, m/s
    """
    x, y, theta, v, tan_delta, a = sp.symbols("x y theta v tan_delta a", real=True)
    limit = math.tan(max_steering)
    return ControlAffineSystem(
        (x, y, theta, v),
        (tan_delta, a),
        f=[v * sp.cos(theta), v * sp.sin(theta), 0, 0],
        g=[[0, 0], [0, 0], [v / wheelbase, 0], [0, 1]],
        action_low=[-limit, -max_acceleration],
        action_high=[limit, max_acceleration],
        dt=dt,
        integrator=integrator,
        bounds={theta: (-math.pi, math.pi), v: speeds},
        units={x: "m", y: "m", theta: "rad", v: "m/s", tan_delta: "1", a: "m/s^2"},
        name="kinematic bicycle",
        source="Rajamani 2012, Vehicle Dynamics and Control, ch. 2",
    )


def car_following(
    num_cars: int = 3,
    *,
    controlled: int | None = None,
    desired_speed: float = 30.0,
    speed_gains: Sequence[float] | float = 4.0,
    max_acceleration: float = 50.0,
    dt: float = 0.02,
    integrator: Integrator = "euler",
) -> ControlAffineSystem:
    """Cars in one lane, the first in front: state ``[p_0.., v_0..]`` in m, m/s; action ``[a]`` in m/s^2.

    Every car tracks the desired speed, ``v_i' = k_i (v_d - v_i)``; the controlled one (the last unless given)
    adds its action.

    :param num_cars: number of cars
    :param controlled: index of the controlled car
    :param desired_speed: ``v_d``, m/s
    :param speed_gains: ``k_i``, 1/s
    """
    p = sp.symbols(f"p0:{num_cars}", real=True)
    v = sp.symbols(f"v0:{num_cars}", real=True)
    a = sp.Symbol("a", real=True)
    gains = [speed_gains] * num_cars if isinstance(speed_gains, int | float) else list(speed_gains)
    driven = num_cars - 1 if controlled is None else controlled
    return ControlAffineSystem(
        (*p, *v),
        (a,),
        f=[*v, *(k * (desired_speed - speed) for k, speed in zip(gains, v, strict=True))],
        g=[[0]] * num_cars + [[int(i == driven)] for i in range(num_cars)],
        action_low=-max_acceleration,
        action_high=max_acceleration,
        dt=dt,
        integrator=integrator,
        units={**dict.fromkeys(p, "m"), **dict.fromkeys(v, "m/s"), a: "m/s^2"},
        name=f"chain of {num_cars} cars",
        source="Cheng et al. 2019, car following, without its emergency braking",
    )
