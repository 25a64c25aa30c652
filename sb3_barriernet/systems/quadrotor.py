"""The planar quadrotor."""

from __future__ import annotations

import sympy as sp

from sb3_barriernet.systems.control_affine import ControlAffineSystem, Integrator


def planar_quadrotor(
    *,
    mass: float = 1.0,
    inertia: float = 0.02,
    gravity: float = 9.81,
    max_thrust: float = 20.0,
    max_torque: float = 1.0,
    max_tilt: float = 1.0,
    dt: float = 0.02,
    integrator: Integrator = "rk4",
) -> ControlAffineSystem:
    """State ``[x, z, phi, v_x, v_z, omega]`` in m, m, rad, m/s, m/s, rad/s; action ``[thrust, torque]`` in N, N m.

    :param mass: kg
    :param inertia: about the axis out of the plane, kg m^2
    :param max_thrust: of all rotors, N
    :param max_tilt: bound of ``|phi|`` that the task keeps, rad
    """
    x, z, phi, vx, vz, omega, thrust, torque = sp.symbols("x z phi v_x v_z omega thrust torque", real=True)
    return ControlAffineSystem(
        (x, z, phi, vx, vz, omega),
        (thrust, torque),
        f=[vx, vz, omega, 0, -gravity, 0],
        g=[[0, 0], [0, 0], [0, 0], [-sp.sin(phi) / mass, 0], [sp.cos(phi) / mass, 0], [0, 1 / inertia]],
        action_low=[0.0, -max_torque],
        action_high=[max_thrust, max_torque],
        dt=dt,
        integrator=integrator,
        bounds={phi: (-max_tilt, max_tilt)},
        units={x: "m", z: "m", phi: "rad", vx: "m/s", vz: "m/s", omega: "rad/s", thrust: "N", torque: "N m"},
        name="planar quadrotor",
        source="Mellinger & Kumar 2011, restricted to the plane",
    )
