"""Reset options that hold for every episode."""

from __future__ import annotations

from typing import Any

import gymnasium as gym


class ResetOptions(gym.Wrapper):
    """Passes the same options to every ``reset``, also to those that a vectorised environment makes by itself.

    A barrier keeps a safe set and does not enter one; where an environment takes its start from options, this lets
    every episode start inside: ``ResetOptions(gym.make("Pendulum-v1"), x_init=0.1, y_init=0.1)``.

    :param env: the environment
    :param options: given to its ``reset``; options of the caller come on top
    """

    def __init__(self, env: gym.Env, **options: Any):
        super().__init__(env)
        self.options = options

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return self.env.reset(seed=seed, options={**self.options, **(options or {})})
