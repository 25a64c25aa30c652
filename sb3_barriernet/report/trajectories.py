"""One pursuit-evasion episode, step by step, for pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from PIL import Image, ImageDraw
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper

from sb3_barriernet.envs.pursuit_evasion import PursuitEvasionEnv
from sb3_barriernet.evaluation.agents import Predictor, last_projection
from sb3_barriernet.projection import Status

MAX_COLORS = 64
"""Palette of an animation; flat drawings need no more, and it halves the file."""


@dataclass
class Trajectory:
    """An episode of ``T`` steps; positions in m, ``(T + 1, 2)``, flags ``(T,)``."""

    pursuer: np.ndarray
    evader: np.ndarray
    obstacles: np.ndarray
    corrected: np.ndarray
    violation: np.ndarray
    success: bool
    half_extent: float
    robot_radius: float
    frames: list[np.ndarray]


def find_game(env: VecEnv) -> PursuitEvasionEnv | None:
    """The pursuit-evasion game inside a vectorised environment of one, if it is one."""
    while isinstance(env, VecEnvWrapper):
        env = env.venv
    game = env.envs[0].unwrapped if isinstance(env, DummyVecEnv) else None
    return game if isinstance(game, PursuitEvasionEnv) else None


def record(predictor: Predictor, env: VecEnv) -> Trajectory:
    """Play the next episode of a vectorised environment of one; frames only if it renders ``rgb_array``."""
    game = find_game(env)
    assert game is not None
    observation = env.reset()
    simulation = game.simulation
    pursuer, evader = [simulation.pursuer[0, :2].copy()], [simulation.evader[0, :2].copy()]
    obstacles = simulation.obstacles[0].copy()
    corrected, violation, frames = [], [], []
    done, info = False, {}
    while not done:
        action, _ = predictor.predict(observation, deterministic=True)
        corrected.append(_show(predictor, game))
        observation, _, dones, infos = env.step(action)
        done, info = bool(dones[0]), infos[0]
        violation.append(info["violation"])
        if not done:  # the vectorised environment has begun the next episode already
            pursuer.append(simulation.pursuer[0, :2].copy())
            evader.append(simulation.evader[0, :2].copy())
            frame = game.render() if game.render_mode == "rgb_array" else None
            frames += [] if frame is None else [frame]
    steps = len(pursuer) - 1
    return Trajectory(
        pursuer=np.array(pursuer),
        evader=np.array(evader),
        obstacles=obstacles,
        corrected=np.array(corrected[:steps], dtype=bool),
        violation=np.array(violation[:steps], dtype=bool),
        success=bool(info["is_success"]),
        half_extent=game.settings.arena_size / 2.0,
        robot_radius=game.settings.robot_radius,
        frames=frames,
    )


def save_animation(frames: list[np.ndarray], path: Path, *, fps: int, every: int = 2, size: int = 480) -> None:
    """Write every ``every``-th frame as a GIF in real time.

    :param frames: ``(H, W, 3)`` images
    :param fps: frames per second of the environment
    :param size: longer side of the animation, pixels
    """
    images: list[Any] = []
    for frame in frames[::every]:
        image = Image.fromarray(frame)
        image.thumbnail((size, size), Image.Resampling.LANCZOS)
        images.append(image.quantize(MAX_COLORS, dither=Image.Dither.NONE))
    images[0].save(path, save_all=True, append_images=images[1:], duration=1000 * every // fps, loop=0)


def side_by_side(frames: Mapping[str, list[np.ndarray]]) -> list[np.ndarray]:
    """The same episode under several methods as one film; who has finished stands still.

    :param frames: of each method, under the title that is written above it; ``(H, W, 3)``, all of one size
    """
    films = [[_titled(frame, title) for frame in of_method] for title, of_method in frames.items()]
    length = max(map(len, films))
    return [np.concatenate([film[min(i, len(film) - 1)] for film in films], axis=1) for i in range(length)]


def _titled(frame: np.ndarray, title: str) -> np.ndarray:
    height = frame.shape[0] // 14
    image = Image.new("RGB", (frame.shape[1], frame.shape[0] + height), "white")
    image.paste(Image.fromarray(frame), (0, height))
    ImageDraw.Draw(image).text((height // 2, height // 6), title, fill="black", font_size=0.7 * height)
    return np.asarray(image)


def _show(predictor: Predictor, game: PursuitEvasionEnv) -> bool:
    """Hand the nominal action, clipped to the actuators, to the renderer; whether the filter corrected it."""
    last = last_projection(predictor)
    if last is None:
        return False
    nominal, projection = last
    assert isinstance(game.action_space, spaces.Box)
    game.show_nominal_action(np.clip(nominal[0], game.action_space.low, game.action_space.high))
    return int(projection.status[0]) >= Status.ACTIVE
