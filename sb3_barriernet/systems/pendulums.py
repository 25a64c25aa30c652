"""The inverted pendulum and the cart-pole."""

from __future__ import annotations

import math

import sympy as sp

from sb3_barriernet.systems.control_affine import ControlAffineSystem, Integrator


def inverted_pendulum(
    *,
    gravity: float = 10.0,
    mass: float = 1.0,
    length: float = 1.0,
    max_torque: float = 2.0,
    max_speed: float = 8.0,
    dt: float = 0.05,
    integrator: Integrator = "semi_implicit",
) -> ControlAffineSystem:
    """A rod on a pivot, ``[theta, omega]`` in rad from upright, rad/s; action: torque in N m.

    ``omega' = 3 g / (2 l) sin(theta) + 3 / (m l^2) torque``. The defaults are Gymnasium's ``Pendulum-v1``, step for
    step as long as the speed limit is not reached.

    :param gravity: m/s^2
    :param mass: of the rod, kg
    :param length: of the rod, m
    :param max_torque: N m
    :param max_speed: rad/s
    """
    theta, omega, torque = sp.symbols("theta omega torque", real=True)
    return ControlAffineSystem(
        (theta, omega),
        (torque,),
        f=[omega, 1.5 * gravity / length * sp.sin(theta)],
        g=[[0], [3.0 / (mass * length**2)]],
        action_low=-max_torque,
        action_high=max_torque,
        dt=dt,
        integrator=integrator,
        bounds={theta: (-math.pi, math.pi), omega: (-max_speed, max_speed)},
        units={theta: "rad", omega: "rad/s", torque: "N m"},
        name="inverted pendulum",
        source="gymnasium/envs/classic_control/pendulum.py",
    )


def cart_pole(
    *,
    cart_mass: float = 1.0,
    pole_mass: float = 0.1,
    half_length: float = 0.5,
    gravity: float = 9.8,
    max_force: float = 10.0,
    max_angle: float = 1.0,
    dt: float = 0.02,
    integrator: Integrator = "rk4",
) -> ControlAffineSystem:
    """Cart and pole, ``[x, v, theta, omega]`` in m, m/s, rad from upright, rad/s; action: force in N.

    :param half_length: from the pivot to the middle of the pole, m
    :param max_angle: bound of ``|theta|`` that the task keeps, rad; at a right angle the force turns nothing
    """
    x, v, theta, omega, force = sp.symbols("x v theta omega force", real=True)
    total = cart_mass + pole_mass
    sin, cos = sp.sin(theta), sp.cos(theta)
    inertia = half_length * (sp.Rational(4, 3) - pole_mass * cos**2 / total)
    pull = pole_mass * half_length * omega**2 * sin / total
    turn, turn_by_force = (gravity * sin - cos * pull) / inertia, -cos / (total * inertia)
    coupling = pole_mass * half_length * cos / total
    return ControlAffineSystem(
        (x, v, theta, omega),
        (force,),
        f=[v, pull - coupling * turn, omega, turn],
        g=[[0], [1 / total - coupling * turn_by_force], [0], [turn_by_force]],
        action_low=-max_force,
        action_high=max_force,
        dt=dt,
        integrator=integrator,
        bounds={theta: (-max_angle, max_angle)},
        units={x: "m", v: "m/s", theta: "rad", omega: "rad/s", force: "N"},
        name="cart-pole",
        source="Barto, Sutton & Anderson 1983; Florian 2007, without friction",
    )
