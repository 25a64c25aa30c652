"""Pictures of a game of pursuit and evasion, as arrays or in a window."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np

from sb3_barriernet.envs.pursuit_canvas import (
    BLUE,
    FLOOR,
    GREEN,
    INK,
    MARGIN,
    PURPLE,
    QUIET,
    SIDE,
    VERMILION,
    Canvas,
    Point,
)
from sb3_barriernet.envs.pursuit_settings import PursuitSettings
from sb3_barriernet.envs.pursuit_simulation import PursuitSimulation

TRAIL_LENGTH = 240
"""Points of a trail, one a picture."""

FLASH_STEPS = 8
"""Steps during which a violation lights up the walls."""

HEADLIGHT_SPREAD = 0.42
"""Half angle of the cone that shows where a robot is heading [rad]."""

CLEARANCE_SCALE = 1.0
"""Clearance that fills the gauge [m]."""

ARROW_LENGTH = 0.075
"""Length of an arrow for full speed, as a share of the arena's side."""

ARROW_PIECES = 24

VISIBLE_CHANGE = 0.02
"""Least change of an action, as a share of its limit, that gets an arrow of its own."""


class PursuitRenderer:
    """Draws a game: arena, robots with heading and trail, capture circle, actions, clearance.

    It looks at the simulation only when asked, so it works for single and for batched games alike.

    :param settings: constants of the task
    """

    def __init__(self, settings: PursuitSettings) -> None:
        self.settings = settings
        self._background: tuple[bytes, Canvas] | None = None
        self._trails = tuple(deque[Point](maxlen=TRAIL_LENGTH) for _ in ("pursuer", "evader"))
        self._last_step = -1
        self._violations = 0
        self._flash_from = -math.inf
        self._nominal: tuple[int, np.ndarray] | None = None
        self._window: Any = None
        self._closed_by_user = False
        self._shown: bytes | None = None

    def show_nominal_action(self, simulation: PursuitSimulation, action: np.ndarray) -> None:
        """Draw what the policy wants now, in pictures until the step after the next one.

        :param action: speed [m/s], turn rate [rad/s]
        """
        self._nominal = int(simulation.elapsed[0]), np.asarray(action, dtype=np.float64).reshape(2)

    def draw(self, simulation: PursuitSimulation) -> np.ndarray:
        """The picture ``(H, W, 3)`` uint8 of a simulation of one game."""
        canvas = self._arena(simulation)
        self._remember(simulation)
        for trail, colour in zip(self._trails, (BLUE, VERMILION), strict=True):
            canvas.trail(list(trail), colour)
        self._draw_robots(canvas, simulation)
        self._draw_actions(canvas, simulation)
        self._draw_events(canvas, simulation)
        self._draw_strip(canvas, simulation)
        return canvas.pixels()

    def show(self, simulation: PursuitSimulation, fps: int) -> None:
        """The picture in a window, at most ``fps`` of them a second; closing it ends the drawing only.

        A game that has not moved since costs no time, so a caller may ask for it as often as it likes.
        """
        state = simulation.elapsed.tobytes() + simulation.pursuer.tobytes() + simulation.evader.tobytes()
        if self._closed_by_user or state == self._shown:
            return
        self._shown = state
        import pygame

        if self._window is None:
            pygame.display.init()
            pygame.display.set_caption("Pursuit and evasion")
            self._window = pygame.display.set_mode(Canvas.size), pygame.time.Clock()
        screen, clock = self._window
        picture = self.draw(simulation)
        screen.blit(pygame.image.frombuffer(picture.tobytes(), Canvas.size, "RGB"), (0, 0))
        pygame.display.flip()
        clock.tick(fps)
        if any(event.type == pygame.QUIT for event in pygame.event.get()):
            self.close()
            self._closed_by_user = True

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            import pygame

            pygame.display.quit()
            self._window = None

    def _arena(self, simulation: PursuitSimulation) -> Canvas:
        """Floor and obstacles, which stay the same for a whole episode."""
        obstacles = sorted(map(tuple, simulation.obstacles[0].tolist()))
        key = np.array(obstacles).tobytes()
        if self._background is None or self._background[0] != key:
            canvas = Canvas(self.settings.arena_size)
            canvas.floor()
            for x, y, radius in obstacles:
                if radius >= 0.0:
                    canvas.stone(x, y, radius)
            self._background = key, canvas
            self._forget()
        return self._background[1].copy()

    def _forget(self) -> None:
        for trail in self._trails:
            trail.clear()
        self._last_step, self._violations, self._flash_from = -1, 0, -math.inf

    def _remember(self, simulation: PursuitSimulation) -> None:
        step, violations = int(simulation.elapsed[0]), int(simulation.violation_steps[0])
        if step < self._last_step:
            self._forget()
        if step != self._last_step:
            for trail, pose in zip(self._trails, (simulation.pursuer[0], simulation.evader[0]), strict=True):
                trail.append((float(pose[0]), float(pose[1])))
        if violations > self._violations:
            self._flash_from = step
        self._last_step, self._violations = step, violations

    def _draw_robots(self, canvas: Canvas, simulation: PursuitSimulation) -> None:
        s = self.settings
        beam = max(4.0 * s.robot_radius, 0.035 * s.arena_size)
        x, y, _ = simulation.evader[0]
        canvas.wedge(x, y, 0.0, s.capture_distance, math.pi, (*VERMILION, 26))
        canvas.dashed_ring(x, y, s.capture_distance, VERMILION)
        robots = ((simulation.evader[0], VERMILION), (simulation.pursuer[0], BLUE))
        for (x, y, heading), colour in robots:
            canvas.wedge(x, y, 0.0, 1.9 * s.robot_radius, math.pi, (*colour, 34))
            for share in (1.0, 0.8, 0.6):
                canvas.wedge(x, y, heading, share * beam, HEADLIGHT_SPREAD, (*colour, 45))
        for (x, y, heading), colour in robots:
            canvas.disc(x, y, s.robot_radius, colour)
            canvas.wedge(x, y, heading, s.robot_radius, HEADLIGHT_SPREAD, FLOOR)

    def _draw_actions(self, canvas: Canvas, simulation: PursuitSimulation) -> None:
        nominal = self._current_nominal(simulation)
        if nominal is None:
            return
        pose, driven = simulation.pursuer[0], simulation.pursuer_action[0]
        canvas.arrow(self._path(pose, driven), GREEN, dashed=False)
        limits = (self.settings.max_speed, self.settings.max_turn_rate)
        if np.max(np.abs(nominal - driven) / limits) > VISIBLE_CHANGE:
            canvas.arrow(self._path(pose, nominal), PURPLE, dashed=True)

    def _current_nominal(self, simulation: PursuitSimulation) -> np.ndarray | None:
        """The wanted action, if it was wanted for the step just made."""
        if self._nominal is None or simulation.elapsed[0] != self._nominal[0] + 1:
            return None
        return self._nominal[1]

    def _path(self, pose: np.ndarray, action: np.ndarray) -> list[Point]:
        """Where an action leads if it is kept up; around the robot if it only turns."""
        s = self.settings
        length = ARROW_LENGTH * s.arena_size
        horizon = length / s.max_speed
        x, y, heading = pose
        speed, turn = action
        reach = abs(speed) * horizon
        least = 0.25 * length
        if reach < least and abs(turn) * horizon > 0.2:
            angles = heading + np.linspace(0.0, turn * horizon, ARROW_PIECES + 1)
            radius = s.robot_radius + least
            return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
        piece = max(reach, 0.4 * least) / ARROW_PIECES * math.copysign(1.0, speed)
        path = [(x + s.robot_radius * math.cos(heading), y + s.robot_radius * math.sin(heading))]
        for _ in range(ARROW_PIECES):
            heading += turn * horizon / ARROW_PIECES
            path.append((path[-1][0] + piece * math.cos(heading), path[-1][1] + piece * math.sin(heading)))
        return path

    def _draw_events(self, canvas: Canvas, simulation: PursuitSimulation) -> None:
        age = int(simulation.elapsed[0]) - self._flash_from
        if age < FLASH_STEPS:
            strength = 1.0 - age / FLASH_STEPS
            canvas.glow(VERMILION, strength)
            x, y, _ = simulation.pursuer[0]
            ring = self.settings.robot_radius * (1.6 + 0.35 * age)
            canvas.ring(x, y, ring, (*VERMILION, round(255 * strength)), width=2.5)
        if simulation.terminated[0]:
            x, y, _ = simulation.evader[0]
            canvas.ring(x, y, self.settings.capture_distance, GREEN, width=3.0)

    def _draw_strip(self, canvas: Canvas, simulation: PursuitSimulation) -> None:
        s, step = self.settings, int(simulation.elapsed[0])
        canvas.text(MARGIN, f"{step * s.dt:5.2f} s")
        canvas.text(MARGIN + 72, f"step {step} / {s.max_steps}", QUIET, 13)
        clearance, violations = float(simulation.clearance[0]), int(simulation.violation_steps[0])
        touching = bool(simulation.violation[0])
        canvas.text(MARGIN + 196, "clearance", QUIET, 13)
        canvas.gauge(MARGIN + 266, 90, clearance / CLEARANCE_SCALE, VERMILION if clearance < 0.1 else BLUE)
        canvas.text(MARGIN + 424, f"{clearance:.2f} m", VERMILION if touching else INK, anchor="rm")
        noun = "violation" if violations == 1 else "violations"
        canvas.text(MARGIN + 450, f"{violations} {noun}", VERMILION if violations else QUIET, 13)
        if simulation.terminated[0]:
            canvas.badge("caught", GREEN)
        elif simulation.truncated[0]:
            canvas.badge("time is up", QUIET)
        elif self._current_nominal(simulation) is not None:
            end = canvas.sample(SIDE + MARGIN - 166, PURPLE, dashed=True)
            end = canvas.text(end + 6, "wanted", QUIET, 13)
            end = canvas.sample(end + 14, GREEN, dashed=False)
            canvas.text(end + 6, "driven", QUIET, 13)
