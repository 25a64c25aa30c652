"""The pursuit-evasion task as a Gymnasium environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_barriernet.envs.pursuit_settings import preset as preset_settings
from sb3_barriernet.envs.pursuit_simulation import PursuitSimulation
from sb3_barriernet.errors import ConfigurationError

if TYPE_CHECKING:
    from sb3_barriernet.envs.pursuit_rendering import PursuitRenderer


class PursuitEvasionEnv(gym.Env[np.ndarray, np.ndarray]):
    """
    ## Description

    A robot catches another one in a walled square with round obstacles. Both are unicycles: they drive
    forwards and turn. Touching a wall or an obstacle is a *violation*; it does not end the episode, since a
    learner should see what it costs, but it is reported and the robot is pushed out. Both robots move by
    explicit Euler steps of 0.05 s.

    ## Action space

    `Box(2,)`, float32. Values beyond the limits are clipped; NaN and infinity are refused.

    | Num | Action    | Min   | Max  | Unit  |
    |-----|-----------|-------|------|-------|
    | 0   | speed     | 0     | 1    | m/s   |
    | 1   | turn rate | -2.84 | 2.84 | rad/s |

    ## Observation space

    `Box(14 + 2 k,)`, float32, every number in [-1, 1], for the `k` nearest obstacles (`observed_obstacles`).
    Lengths are divided by the half side (positions) or the diagonal of the arena (distances), speeds by the
    greater of the two robots' limits, turn rates by their limit, bearings by pi.

    | Num             | Observation                                                            |
    |-----------------|------------------------------------------------------------------------|
    | 0, 1            | own position x, y                                                      |
    | 2, 3            | cosine and sine of the own heading                                     |
    | 4, 5            | own speed and turn rate in the last step                               |
    | 6 ... 11        | the same of the evader                                                 |
    | 12, 13          | distance of the centres, bearing of the evader                         |
    | 14+2i, 15+2i   | edge distance and bearing of the i-th nearest obstacle; 1, 0 if none   |

    ## Reward

    `distance_scale * (previous distance - distance) / diagonal` every step, `+ capture_reward` on capture,
    `- timeout_penalty` when time is up. Violations cost nothing: safety is not this reward's business.

    ## Starting state

    Obstacles, robots and headings are uniform over the arena, subject to: obstacles `obstacle_gap` clear of
    walls and of each other, both robots' edges `start_clearance` clear of everything, their distance within
    `initial_distance`. `reset(options={"elapsed": n})` starts the clock at step `n`, which keeps many games
    from running out of time together.

    ## Episode end

    Terminated when the centres are `capture_distance` apart or nearer; truncated after `max_steps` steps.

    ## Information

    Every step reports, without use of any barrier:

    - `clearance`: distance of the pursuer's edge to the nearest wall or obstacle [m], before any push-out;
    - `violation`: whether that is negative, or the robots overlap; `violation_steps`: how often so far;
    - `is_success`: whether the evader is caught.

    ## Arguments

    :param preset: `"open"` (20 x 20 m, 2 obstacles, random evader) or `"clutter"` (10 x 10 m, 6 to 8
        obstacles, evader fleeing at 0.8 m/s)
    :param render_mode: `"rgb_array"`, `"human"` or nothing
    :param changes: any setting that shall differ from the preset, for example `evader="greedy"`,
        `evader_speed=0.9`, `arena_size=15.0`, `obstacles=(3, 5)`, `distance_scale=10`, `timeout_penalty=50`;
        :class:`~sb3_barriernet.envs.pursuit_settings.PursuitSettings` lists all of them
    :raises ConfigurationError: for an unknown name or a value that makes no sense
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, preset: str = "open", *, render_mode: str | None = None, **changes: Any) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigurationError(
                f"Found render_mode={render_mode!r}; expected one of {self.metadata['render_modes']} or None."
            )
        self.settings = preset_settings(preset).updated(**changes)
        self.simulation = PursuitSimulation(1, self.settings)
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": round(1.0 / self.settings.dt)}
        self._renderer: PursuitRenderer | None = None
        s = self.settings
        self.action_space = spaces.Box(
            np.array([0.0, -s.max_turn_rate], dtype=np.float32),
            np.array([s.max_speed, s.max_turn_rate], dtype=np.float32),
        )
        shape = self.simulation.observation.shape[1:]
        self.observation_space = spaces.Box(-1.0, 1.0, shape=shape, dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; see :meth:`gymnasium.Env.reset`."""
        super().reset(seed=seed)
        self.simulation.reset(0, self.np_random)
        elapsed = (options or {}).get("elapsed")
        if elapsed is not None:
            self._start_clock(elapsed)
        if self.render_mode == "human":
            self.render()
        return self.simulation.observation[0].copy(), self.simulation.infos()[0]

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Play one step; see :meth:`gymnasium.Env.step`.

        :param action: speed [m/s] and turn rate [rad/s]
        :raises InvalidActionError: for another shape, NaN or infinity
        """
        simulation = self.simulation
        simulation.step(np.asarray(action)[np.newaxis])
        if self.render_mode == "human":
            self.render()
        return (
            simulation.observation[0].copy(),
            float(simulation.reward[0]),
            bool(simulation.terminated[0]),
            bool(simulation.truncated[0]),
            simulation.infos()[0],
        )

    def _start_clock(self, elapsed: int) -> None:
        if not 0 <= elapsed < self.settings.max_steps:
            raise ConfigurationError(
                f"Found the reset option elapsed={elapsed}; expected 0 to {self.settings.max_steps - 1}, "
                "a step before the time limit."
            )
        self.simulation.place(0, elapsed=elapsed)

    def show_nominal_action(self, action: np.ndarray) -> None:
        """Draw what the policy wanted beside what the robot does, in the picture after the next step.

        :param action: speed [m/s] and turn rate [rad/s] before any safety filter
        """
        self._rendering().show_nominal_action(self.simulation, action)

    def render(self) -> np.ndarray | None:
        """Draw the game: a picture ``(H, W, 3)`` uint8 for ``"rgb_array"``, a window for ``"human"``."""
        if self.render_mode is None:
            gym.logger.warn(
                "render() draws nothing without a render mode: make the task with "
                'render_mode="rgb_array" for pictures or "human" for a window.'
            )
            return None
        if self.render_mode == "human":
            self._rendering().show(self.simulation, self.metadata["render_fps"])
            return None
        return self._rendering().draw(self.simulation)

    def _rendering(self) -> PursuitRenderer:
        """The renderer, imported when first wanted: training needs no drawing library."""
        if self._renderer is None:
            from sb3_barriernet.envs.pursuit_rendering import PursuitRenderer

            self._renderer = PursuitRenderer(self.settings)
        return self._renderer

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
