"""A student that hardly needs its filter, taught with the filter on."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.utils import LinearSchedule, obs_as_tensor
from torch.nn.functional import pad

from sb3_barriernet.barrier_ppo.barrier_ppo import BarrierPPO
from sb3_barriernet.barrier_ppo.finite import refuse_diverged
from sb3_barriernet.barrier_ppo.policies import BarrierActorCriticPolicy
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.rows import BARRIER_KEY, tightened

DEFAULT_MARGIN = 0.1
"""How far inside the rows the student is taught to stay, in half ranges of the action box."""

DEFAULT_NOISE = 0.1
"""Std of the student's actions while it gathers data, in half ranges of the action box."""

DEFAULT_CAPACITY = 200_000
"""Observations that are kept; the oldest make room for the newest."""

_TARGETS = "targets of the student"


def distill(
    model: BarrierPPO,
    env: GymEnv | None = None,
    total_timesteps: int = 800_000,
    *,
    margin: float = DEFAULT_MARGIN,
    noise: float = DEFAULT_NOISE,
    learning_rate: float = 1e-3,
    capacity: int = DEFAULT_CAPACITY,
    callback: MaybeCallback = None,
    log_interval: int = 1,
    progress_bar: bool = False,
) -> BarrierPPO:
    """Teach a policy to do by itself what its filter does to it.

    The student starts as the teacher. It acts, with a little noise and *through the filter*, so nothing is violated
    while it learns; where it comes by, it is told what the filter would have made of the teacher's mean action, and
    its own mean is regressed to that over everything gathered so far (DAgger, Ross, Gordon & Bagnell 2011). The rows
    are tightened for this by a margin, so that a student who errs a little is still not corrected.

    The result is a model like the teacher, filter included, which costs next to nothing when there is little to
    correct. :func:`~sb3_barriernet.without_filter` makes a PPO of it, where a filter cannot come along.

    :param model: a trained model, the teacher; it is not changed, except that it begins new episodes in an environment
        that both share
    :param env: environment to practise in; by default the model's own
    :param total_timesteps: environment steps of practice
    :param margin: how far every row is moved inwards, in half ranges of the action box
    :param noise: std of the student's actions while it practises, in half ranges
    :param learning_rate: at the start; it falls linearly to 0. Batch size, epochs and steps are the model's
    :param capacity: observations that are kept, in the memory of the model's device
    :param callback: as in SB3's ``learn``, like the next two
    :return: the student; its std, its value function and all settings are the teacher's
    :raises ConfigurationError: if an argument cannot work
    :raises InvalidRowsError: like the next, as ``learn`` does
    :raises DivergedError: if an observation or a reward is not finite
    """
    _check(model, env, margin, noise, capacity)
    distiller = _copy(Distiller, model, env, learning_rate=LinearSchedule(learning_rate, 0.0, 1.0))
    distiller.teach(model.policy, margin, noise, capacity)
    if distiller.get_env() is model.get_env():
        model._last_obs = None  # soon gone; should the teacher learn again, it begins new episodes
    distiller.learn(total_timesteps, callback, log_interval, "Distillation", progress_bar=progress_bar)
    student = _copy(type(model), distiller, env, learning_rate=model.learning_rate)
    student.policy.set_action_std(model.policy.action_std.cpu().numpy())
    student.num_timesteps += model.num_timesteps
    return student


class Distiller(BarrierPPO):
    """BarrierPPO that learns from a teacher instead of rewards; made by :func:`distill`.

    Only the update differs: rollouts, callbacks and logs are those of BarrierPPO.
    """

    teacher: BarrierActorCriticPolicy
    margin: float
    lessons: Lessons

    def teach(self, teacher: BarrierActorCriticPolicy, margin: float, noise: float, capacity: int) -> None:
        """Take a teacher, see :func:`distill`."""
        self.teacher, self.margin = teacher, margin
        self.lessons = Lessons(capacity)
        self.policy.set_action_std(noise * self.policy.action_half_range.cpu().numpy())

    def train(self) -> None:
        """As many minibatches as PPO's update would take, out of everything gathered so far."""
        refuse_diverged(self.rollout_buffer)
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        visited = {key: value.reshape(-1, *value.shape[2:]) for key, value in self.rollout_buffer.observations.items()}
        observations = obs_as_tensor(visited, self.device)
        assert isinstance(observations, dict)
        self.lessons.add(observations, self._targets(observations))
        num_batches = self.n_epochs * -(-self.rollout_buffer.status.size // self.batch_size)
        losses = [self._regress(*self.lessons.draw(self.batch_size)) for _ in range(num_batches)]
        self._n_updates += self.n_epochs
        self.logger.record("train/distillation_loss", float(np.mean(losses)))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    @th.no_grad()
    def _targets(self, observations: dict[str, th.Tensor]) -> th.Tensor:
        """What the student should decide: the teacher's mean decision, its action projected onto tightened rows."""
        teacher = self.teacher
        decisions = teacher.get_distribution(observations).mode()
        rows = tightened(observations[BARRIER_KEY], self.margin * teacher.action_half_range)
        safe = teacher.project({**observations, BARRIER_KEY: rows}, decisions).action
        return th.cat([safe, decisions[:, safe.shape[1] :]], dim=1)

    def _regress(self, observations: dict[str, th.Tensor], targets: th.Tensor) -> float:
        """One step down the squared distance in half ranges; log gains, which have none, count as they are."""
        half_range = self.policy.action_half_range
        scale = pad(half_range, (0, targets.shape[1] - len(half_range)), value=1.0)
        mean = self.policy.get_distribution(observations).mode()
        loss = ((mean - targets) / scale).square().sum(dim=1).mean()
        self.policy.optimizer.zero_grad()
        loss.backward()
        self.policy.optimizer.step()
        return loss.item()

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "teacher", "margin", "lessons"]


class Lessons:
    """Observations and what should have been decided there, the newest ``capacity`` of them.

    :param capacity: how many are kept
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.tensors: dict[str, th.Tensor] = {}
        self.count = 0

    def add(self, observations: dict[str, th.Tensor], targets: th.Tensor) -> None:
        """Add a batch; it takes the place of the oldest when there is no more room."""
        places = (self.count + th.arange(len(targets), device=targets.device)) % self.capacity
        for key, batch in {**observations, _TARGETS: targets}.items():
            if key not in self.tensors:
                self.tensors[key] = batch.new_zeros((self.capacity, *batch.shape[1:]))
            self.tensors[key][places] = batch
        self.count += len(targets)

    def draw(self, batch_size: int) -> tuple[dict[str, th.Tensor], th.Tensor]:
        """A uniform minibatch, with replacement."""
        device = self.tensors[_TARGETS].device
        chosen = th.randint(min(self.count, self.capacity), (batch_size,), device=device)
        batch = {key: tensor[chosen] for key, tensor in self.tensors.items()}
        return batch, batch.pop(_TARGETS)


def _copy(kind: type[Any], model: BarrierPPO, env: GymEnv | None, **changes: Any) -> Any:
    """A model of the given kind with the settings and weights of another."""
    saved = io.BytesIO()
    model.save(saved)
    saved.seek(0)
    return kind.load(saved, env=model.get_env() if env is None else env, device=model.device, **changes)


def _check(model: Any, env: GymEnv | None, margin: float, noise: float, capacity: int) -> None:
    if not isinstance(model, BarrierPPO):
        raise ConfigurationError(
            f"Found a {type(model).__name__} to distill; expected a BarrierPPO, whose filter is what the student "
            "learns. An agent of another kind can be filtered with `SafetyFilter(model)`."
        )
    if env is None and model.get_env() is None:
        raise ConfigurationError(
            "Found a model without an environment; the student has to practise somewhere. Pass one: "
            "`distill(model, env)`."
        )
    if not (margin >= 0.0 and noise > 0.0 and capacity >= 1):
        raise ConfigurationError(
            f"Found margin={margin}, noise={noise} and capacity={capacity}; expected margin >= 0 and noise > 0, both "
            f"in half ranges of the action box, and room for at least one observation. Try {DEFAULT_MARGIN}, "
            f"{DEFAULT_NOISE} and {DEFAULT_CAPACITY}."
        )
