"""Pictures show what is there, and looking changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sb3_barriernet.envs.pursuit_canvas import BLUE, FLOOR, GREEN, PURPLE, STONE, VERMILION, Canvas
from sb3_barriernet.envs.pursuit_evasion import PursuitEvasionEnv


@pytest.fixture
def env() -> PursuitEvasionEnv:
    env = PursuitEvasionEnv("clutter", render_mode="rgb_array")
    env.reset(seed=0)
    env.simulation.place(0, pursuer=(0.0, 0.25, 0.0), evader=(3.0, 3.25, 0.0), obstacles=[(-2.0, 2.0, 1.0)])
    return env


@pytest.fixture
def window_env(monkeypatch: pytest.MonkeyPatch) -> Iterator[PursuitEvasionEnv]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = PursuitEvasionEnv("clutter", render_mode="human", dt=0.01)
    yield env
    env.close()


def pixel(env: PursuitEvasionEnv, picture: np.ndarray, x: float, y: float) -> tuple[int, int, int]:
    column, row = Canvas(env.settings.arena_size).at(x, y)
    return tuple(int(value) for value in picture[round(row / 2), round(column / 2)])


def shows(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(picture.astype(int) - colour).sum(axis=-1) < 6).any())


def test_a_picture_has_the_things_where_they_are(env: PursuitEvasionEnv) -> None:
    picture = env.render()
    width, height = Canvas.size
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    assert pixel(env, picture, -0.08, 0.25) == BLUE
    assert pixel(env, picture, 2.92, 3.25) == VERMILION
    red, green, blue = pixel(env, picture, -2.0, 2.7)
    assert np.abs(np.array((red, green, blue)) - STONE).max() < 40
    assert pixel(env, picture, 2.25, -2.25) == FLOOR


def test_drawing_changes_neither_the_game_nor_the_next_picture(env: PursuitEvasionEnv) -> None:
    before = [array.tobytes() for array in env.simulation._games]
    first, second = env.render(), env.render()
    np.testing.assert_array_equal(first, second)
    assert [array.tobytes() for array in env.simulation._games] == before


def test_robots_leave_trails_which_a_new_episode_wipes_away(env: PursuitEvasionEnv) -> None:
    env.render()
    for _ in range(40):
        env.step(np.array([1.0, 0.0]))
        picture = env.render()
    assert pixel(env, picture, 1.5, 0.25) != FLOOR
    env.simulation.place(0, pursuer=(0.0, 0.25, 0.0), elapsed=0)
    assert pixel(env, env.render(), 1.5, 0.25) == FLOOR


def test_wanted_and_driven_action_appear_only_when_told_and_only_for_their_step(
    env: PursuitEvasionEnv,
) -> None:
    driven = np.array([1.0, -2.0])
    env.step(driven)
    assert not shows(env.render(), PURPLE)
    env.show_nominal_action(np.array([1.0, 2.0]))
    env.step(driven)
    picture = env.render()
    assert shows(picture, PURPLE)
    assert shows(picture, GREEN)
    env.step(driven)
    assert not shows(env.render(), PURPLE)


def test_an_action_that_was_not_changed_is_drawn_once(env: PursuitEvasionEnv) -> None:
    action = np.array([1.0, 1.0])
    env.show_nominal_action(action)
    env.step(action)
    arena = env.render()[:768]
    assert shows(arena, GREEN)
    assert not shows(arena, PURPLE)


def test_a_violation_lights_up_the_walls_for_a_moment(env: PursuitEvasionEnv) -> None:
    quiet = pixel(env, env.render(), -5.0, -4.0)
    env.simulation.place(0, pursuer=(4.84, 0.0, 0.0))
    env.step(np.array([1.0, 0.0]))
    lit = pixel(env, env.render(), -5.0, -4.0)
    assert lit[0] - lit[2] > 100 > abs(quiet[0] - quiet[2])
    for _ in range(10):
        env.step(np.array([0.0, 0.0]))
        picture = env.render()
    assert pixel(env, picture, -5.0, -4.0) == quiet


def test_a_window_shows_every_step_and_repeats_cost_no_time(window_env: PursuitEvasionEnv) -> None:
    import pygame

    window_env.reset(seed=0)
    first = pygame.surfarray.array3d(pygame.display.get_surface())
    window_env.step(np.array([1.0, 0.0]))
    second = pygame.surfarray.array3d(pygame.display.get_surface())
    assert first.shape[:2] == Canvas.size
    assert not np.array_equal(first, second)
    start = pygame.time.get_ticks()
    for _ in range(200):
        assert window_env.render() is None
    assert pygame.time.get_ticks() - start < 1000, "200 pictures at 100 a second would take two seconds"


def test_closing_the_window_ends_the_drawing_but_not_the_game(window_env: PursuitEvasionEnv) -> None:
    import pygame

    window_env.reset(seed=0)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    for _ in range(3):
        window_env.step(np.array([1.0, 0.0]))
    assert window_env.simulation.elapsed[0] == 3
    assert not pygame.display.get_init()


def test_rendering_without_a_mode_tells_what_to_do() -> None:
    env = PursuitEvasionEnv()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match='render_mode="rgb_array"'):
        assert env.render() is None
