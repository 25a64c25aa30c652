"""Proximal policy optimisation behind a control-barrier-function projection."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv

from sb3_barriernet.atomic_file import replacing
from sb3_barriernet.barrier_ppo.buffers import BarrierRolloutBuffer
from sb3_barriernet.barrier_ppo.checks import check_env, explained_mismatch
from sb3_barriernet.barrier_ppo.correction_cost import CorrectionCost, check_correction_cost, cost_of_corrections
from sb3_barriernet.barrier_ppo.correction_loss import CorrectionLoss
from sb3_barriernet.barrier_ppo.extractor import RowEncoding
from sb3_barriernet.barrier_ppo.finite import refuse_diverged, refuse_invalid
from sb3_barriernet.barrier_ppo.gains import (
    DEFAULT_GAIN_RANGE,
    DEFAULT_GAIN_STD,
    GainRange,
    GainSettings,
    check_restoring,
    gain_settings,
)
from sb3_barriernet.barrier_ppo.model_file import check_archive, file_to_replace
from sb3_barriernet.barrier_ppo.policies import (
    BarrierActorCriticCnnPolicy,
    BarrierActorCriticPolicy,
    BarrierMultiInputActorCriticPolicy,
)
from sb3_barriernet.barrier_ppo.rollout_statistics import summarise
from sb3_barriernet.barrier_ppo.schedules import coefficient_schedule
from sb3_barriernet.errors import ConfigurationError
from sb3_barriernet.rows import BARRIER_KEY

SelfBarrierPPO = TypeVar("SelfBarrierPPO", bound="BarrierPPO")


class BarrierPPO(PPO):
    """PPO whose actions pass a control-barrier-function projection, in training as in ``predict``.

    The policy proposes ``u_nom ~ N(mu(obs), diag(sigma^2))`` with a fixed ``sigma``; the closest
    action ``u_safe`` that satisfies every barrier row and the action box reaches the environment.
    The buffer records ``u_nom``, so the update is plain PPO on the *filtered* decision process:
    its likelihood is exact and no QP is solved or differentiated (Gros, Zanon & Bemporad 2020;
    Markgraf et al. 2025).

    Observations must carry barrier rows, see :class:`~sb3_barriernet.BarrierObservation`. All
    parameters of SB3's ``PPO`` keep their meaning and default; these come on top:

    :param action_std: std of the nominal action in action units, a number or one per action
        dimension; by default half of each actuator's half range
    :param observe_rows: whether the network sees the rows, as bounded features in normalised action units
    :param row_encoding: how it sees them: ``"listed"`` in the order of the barrier; ``"sorted"``, the nearest first;
        ``"pooled"`` as a set, through a small network of their own. With the last two the order means nothing
    :param projection_weight: ``W`` of the projection, ``(M,)`` or ``(M, M)``; by default every actuator is
        measured by its own range
    :param projection_backend: name of the projection backend
    :param backup_action: ``(M,)``, taken by ``predict`` where rows or nominal action are not finite; by
        default the action of the box closest to zero
    :param correction_coef: what being corrected costs, subtracted from the reward that the algorithm sees (Monitor
        and evaluation keep the task's): the coefficient times ``correction_cost``. A number, a schedule of the
        remaining progress, or ``"lin_1.0"`` (from 1 to 0), ``"ramp_1.0"`` (0 until 30 % of training, 1 from 60 %
        on: from the start it slows learning)
    :param correction_cost: ``"squared"`` charges ``|(u_safe - clip(u_nom)) / half_range|^2``; ``"constant"`` charges
        1 for every correction, however small (Krasowski et al. 2023)
    :param correction_loss_coef: coefficient of :class:`~sb3_barriernet.barrier_ppo.CorrectionLoss`, which draws the
        policy's mean towards its own projection; given as ``correction_coef`` is
    :param learn_gains: whether the policy chooses how cautious its barriers are: it samples ``log kappa`` beside the
        action, and rows read ``a . u + drift + kappa * restoring >= 0``. Any ``kappa`` in the range keeps the same
        set safe. Worth it where ``alpha`` is chosen badly
    :param gain_range: smallest and largest ``kappa``; the largest must keep ``kappa * alpha * dt <= 1``
    :param gain_std: fixed std of ``log kappa``, a number or one per gain
    :param gain_groups: for each row the index of the gain that it takes; by default all rows share one
    :raises ConfigurationError: (a subclass) if the environment or a setting cannot work
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": BarrierActorCriticPolicy,
        "CnnPolicy": BarrierActorCriticCnnPolicy,
        "MultiInputPolicy": BarrierMultiInputActorCriticPolicy,
    }
    policy: BarrierActorCriticPolicy
    rollout_buffer: BarrierRolloutBuffer

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule = 3e-4,
        n_steps: int = 2048,
        batch_size: int = 64,
        n_epochs: int = 10,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        clip_range: float | Schedule = 0.2,
        clip_range_vf: float | Schedule | None = None,
        normalize_advantage: bool = True,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        rollout_buffer_class: type[RolloutBuffer] | None = None,
        rollout_buffer_kwargs: dict[str, Any] | None = None,
        target_kl: float | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        action_std: float | list[float] | np.ndarray | None = None,
        observe_rows: bool = True,
        row_encoding: RowEncoding = "listed",
        projection_weight: Any = None,
        projection_backend: str | None = None,
        backup_action: Any = None,
        correction_coef: float | str | Schedule = 0.0,
        correction_cost: CorrectionCost = "squared",
        correction_loss_coef: float | str | Schedule = 0.0,
        learn_gains: bool = False,
        gain_range: GainRange = DEFAULT_GAIN_RANGE,
        gain_std: float | Sequence[float] = DEFAULT_GAIN_STD,
        gain_groups: Sequence[int] | None = None,
        _init_setup_model: bool = True,
    ):
        self.action_std = action_std
        self.observe_rows = observe_rows
        self.row_encoding = row_encoding
        self.projection_weight = projection_weight
        self.projection_backend = projection_backend
        self.backup_action = backup_action
        self.correction_coef = correction_coef
        self.correction_cost = correction_cost
        self.correction_loss_coef = correction_loss_coef
        self.learn_gains = learn_gains
        self.gain_range = gain_range
        self.gain_std = gain_std
        self.gain_groups = gain_groups
        super().__init__(
            # As a class: SB3 refuses the name "MlpPolicy" for dictionaries, which here always hold the rows.
            self._get_policy_from_name(policy) if isinstance(policy, str) else policy,  # type: ignore[arg-type]
            env,
            learning_rate=learning_rate,
            n_steps=n_steps,
            batch_size=batch_size,
            n_epochs=n_epochs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            clip_range=clip_range,
            clip_range_vf=clip_range_vf,
            normalize_advantage=normalize_advantage,
            ent_coef=ent_coef,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,
            use_sde=use_sde,
            sde_sample_freq=sde_sample_freq,
            rollout_buffer_class=rollout_buffer_class,
            rollout_buffer_kwargs=rollout_buffer_kwargs,
            target_kl=target_kl,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=False,
        )
        if self.env is not None:
            check_env(self.env)
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        if not issubclass(self.policy_class, BarrierActorCriticPolicy):
            raise ConfigurationError(
                f"Found the policy {self.policy_class.__name__}; expected a BarrierActorCriticPolicy, which projects "
                "what it proposes. A trained agent of another algorithm gets its filter by `SafetyFilter(model)`."
            )
        if self.rollout_buffer_class is None:
            self.rollout_buffer_class = BarrierRolloutBuffer
        if not issubclass(self.rollout_buffer_class, BarrierRolloutBuffer):
            raise ConfigurationError(
                f"Found rollout_buffer_class={self.rollout_buffer_class.__name__}; expected a subclass of "
                "BarrierRolloutBuffer, which records nominal and safe actions. Derive yours from it."
            )
        # The barrier settings are flat keywords of the algorithm because the Zoo's tuner replaces `policy_kwargs`
        # as a whole; policy and buffer take them for the moment of their construction only, so that saved models
        # compare equal.
        policy_kwargs, buffer_kwargs = self.policy_kwargs, self.rollout_buffer_kwargs
        gains = self._checked_gains(self.observation_space)
        if gains is not None:
            self.rollout_buffer_kwargs = {"num_gains": gains.num_gains, **buffer_kwargs}
        self.policy_kwargs = {
            "action_std": self.action_std,
            "observe_rows": self.observe_rows,
            "row_encoding": self.row_encoding,
            "projection_weight": self.projection_weight,
            "projection_backend": self.projection_backend,
            "backup_action": self.backup_action,
            "learn_gains": self.learn_gains,
            "gain_range": self.gain_range,
            "gain_std": self.gain_std,
            "gain_groups": self.gain_groups,
            **policy_kwargs,
        }
        super()._setup_model()
        self.policy_kwargs, self.rollout_buffer_kwargs = policy_kwargs, buffer_kwargs
        self.correction_schedule = coefficient_schedule("correction_coef", self.correction_coef)
        self.correction_loss_schedule = coefficient_schedule("correction_loss_coef", self.correction_loss_coef)
        check_correction_cost(self.correction_cost)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        env = self._wrap_env(env, self.verbose)
        check_env(env)
        self._checked_gains(env.observation_space)
        with explained_mismatch():
            super().set_env(env, force_reset)

    @classmethod
    def load(
        cls: type[SelfBarrierPPO],
        path: str | pathlib.Path | io.BufferedIOBase,
        env: GymEnv | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> SelfBarrierPPO:
        """Load a model as SB3 does; an ``action_std`` or ``gain_std`` given here replaces the saved one.

        :raises CheckpointError: if the file is damaged, or holds no model
        :raises RowShapeError: if the environment publishes another number of rows than the model was trained on
        :raises ActionSpaceError: if it has other actions
        :raises GainError: if gains were learned in a range that the environment's barrier does not permit
        """
        check_archive(path)
        with explained_mismatch():
            model = super().load(path, env, *args, **kwargs)
        gains = model._checked_gains(model.observation_space if model.env is None else model.env.observation_space)
        if kwargs.get("action_std") is not None:
            model.policy.set_action_std(kwargs["action_std"])
        if kwargs.get("gain_std") is not None and gains is not None:
            assert model.policy.gain_head is not None
            model.policy.gain_head.set_std(gains.std)
        return model

    def save(
        self,
        path: str | pathlib.Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Save as SB3 does, except that a file of that name is replaced by a whole one or not at all.

        :raises OSError: if that was not possible; the file is as it was then
        """
        target = file_to_replace(path)
        if target is None:
            super().save(path, exclude, include)
            return
        with replacing(target) as file:
            super().save(file, exclude, include)

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        total_timesteps, callback = super()._setup_learn(*args, **kwargs)
        # SB3 leaves the last run's progress standing until after the first rollout, which is charged by it here.
        self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
        if self.learn_gains:
            assert isinstance(self._last_obs, dict)
            check_restoring(self._last_obs[BARRIER_KEY])
        return total_timesteps, callback

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer with decisions of the policy while the environment receives safe actions.

        Follows ``OnPolicyAlgorithm.collect_rollouts`` of SB3 2.9 line by line, except that the
        projection takes the place of the clip to the action box, corrections may cost reward, and
        a callback that stops leaves the last observation behind, not the one before.
        ``tests/barrier_ppo/test_parity.py`` fails when upstream changes.
        """
        assert isinstance(rollout_buffer, BarrierRolloutBuffer)
        assert self._last_obs is not None, "No previous observation was provided"
        self.policy.set_training_mode(False)

        n_steps = 0
        violations = 0.0
        rollout_buffer.reset()
        callback.on_rollout_start()

        while n_steps < n_rollout_steps:
            with th.no_grad():
                obs_tensor = obs_as_tensor(self._last_obs, self.device)  # type: ignore[arg-type]
                actions, values, log_probs = self.policy(obs_tensor)
                projection = self.policy.project(obs_tensor, actions)
            actions = actions.cpu().numpy()
            safe_actions, status = projection.action.cpu().numpy(), projection.status.cpu().numpy()
            refuse_invalid(status, self._last_obs)  # type: ignore[arg-type]  # a dictionary, as checked

            new_obs, rewards, dones, infos = env.step(safe_actions.copy())  # some environments write into theirs

            self.num_timesteps += env.num_envs

            callback.update_locals(locals())
            if not callback.on_step():
                # The next `learn` may go on from here, and old rows would not certify its first action.
                self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]  # SB3 leaves tuples out
                return False

            self._update_info_buffer(infos, dones)
            n_steps += 1
            violations += _count_violations(infos)

            for idx, done in enumerate(dones):
                if (
                    done
                    and infos[idx].get("terminal_observation") is not None
                    and infos[idx].get("TimeLimit.truncated", False)
                ):
                    terminal_obs = self.policy.obs_to_tensor(infos[idx]["terminal_observation"])[0]
                    with th.no_grad():
                        terminal_value = self.policy.predict_values(terminal_obs)[0]
                    rewards[idx] += self.gamma * terminal_value

            rollout_buffer.add(
                self._last_obs,
                actions,
                self._charge(rewards, actions, safe_actions, status),
                self._last_episode_starts,
                values,
                log_probs,
                projection=projection,
            )
            self._last_obs = new_obs  # type: ignore[assignment]
            self._last_episode_starts = dones

        with th.no_grad():
            values = self.policy.predict_values(obs_as_tensor(new_obs, self.device))  # type: ignore[arg-type]

        rollout_buffer.compute_returns_and_advantage(last_values=values, dones=dones)

        self._record_rollout(rollout_buffer, violations)
        callback.update_locals(locals())
        callback.on_rollout_end()

        return True

    def train(self) -> None:
        refuse_diverged(self.rollout_buffer)
        coef = self.correction_loss_schedule(self._current_progress_remaining)
        self.policy.correction_loss = CorrectionLoss(coef) if coef > 0.0 else None
        if self.policy.row_features is not None:
            self.rollout_buffer.look_at_rows(self.policy.row_features)
        super().train()
        if self.policy.correction_loss is not None:
            self.logger.record("train/correction_loss", self.policy.correction_loss.mean)
            self.policy.correction_loss = None
        for i, std in enumerate(self.policy.action_std.tolist()):
            self.logger.record(f"train/std_{i}", std)

    def learn(
        self: SelfBarrierPPO,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "BarrierPPO",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfBarrierPPO:
        """Learn as SB3 does.

        With ``reset_num_timesteps=False`` the first action is certified by the rows that were seen last, so nobody else
        must have stepped or reset the environment meanwhile: evaluate on one of its own.

        :raises InvalidRowsError: if a row, an observation or the policy's output is not finite
        :raises DivergedError: if a reward or a value is not finite; nothing was learned from it
        :raises EOFError: if a worker process has died, like ``OSError``; the note on it says what to do
        """
        try:
            return super().learn(
                total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
            )
        except BaseException as error:
            self._last_obs = None  # the environment may be a step ahead of it, so a next `learn` begins new episodes
            if isinstance(error, EOFError | ConnectionError):
                error.add_note(
                    "A worker process of the environment has ended: it was killed, ran out of memory, or met an error, "
                    "which it has printed. Make the environment anew and go on from the last saved model; "
                    "ResumableTraining does that when the same script is run again."
                )
            raise

    def _checked_gains(self, observation_space: spaces.Space) -> GainSettings | None:
        """Settings of the learned gains on rows of this space; None without any."""
        if not self.learn_gains:
            return None
        assert isinstance(observation_space, spaces.Dict)
        return gain_settings(observation_space, self.gain_range, self.gain_std, self.gain_groups)

    def _charge(self, rewards: np.ndarray, decisions: np.ndarray, safe: np.ndarray, status: np.ndarray) -> np.ndarray:
        """Rewards less what the corrections cost."""
        coef = self.correction_schedule(self._current_progress_remaining)
        if coef <= 0.0:
            return rewards
        return rewards - coef * self._cost(decisions[:, : safe.shape[1]], safe, status)

    def _cost(self, nominal: np.ndarray, safe: np.ndarray, status: np.ndarray) -> np.ndarray:
        assert isinstance(self.action_space, spaces.Box)
        return cost_of_corrections(self.correction_cost, nominal, safe, status, self.action_space)

    def _record_rollout(self, rollout_buffer: BarrierRolloutBuffer, violations: float) -> None:
        assert isinstance(self.action_space, spaces.Box)
        statistics = summarise(rollout_buffer, self.action_space)
        for name, value in vars(statistics).items():
            self.logger.record(f"rollout/{name}", value)
        coef = self.correction_schedule(self._current_progress_remaining)
        cost = self._cost(rollout_buffer.nominal_actions, rollout_buffer.safe_actions, rollout_buffer.status)
        self.logger.record("rollout/correction_cost", coef * float(cost.mean()))
        for name, value in self._mean_gains(rollout_buffer).items():
            self.logger.record(f"rollout/{name}", value)
        if not np.isnan(violations):  # unknown, unless the environment reports it
            self.logger.record("rollout/violation_rate", violations / rollout_buffer.status.size)

    def _mean_gains(self, rollout_buffer: BarrierRolloutBuffer) -> dict[str, float]:
        """Mean ``kappa`` of the rollout, of each group if there are groups; empty if no gains are learned."""
        if self.policy.gain_head is None:
            return {}
        kappa = self.policy.gain_head.kappa(th.as_tensor(rollout_buffer.log_kappa)).mean(dim=(0, 1)).tolist()
        if self.gain_groups is None:
            return {"kappa_mean": kappa[0]}
        return {f"kappa_mean_{group}": value for group, value in enumerate(kappa)}


def _count_violations(infos: list[dict[str, Any]]) -> float:
    """Environments whose last step violated the task's geometry; NaN if one does not report it."""
    try:
        return sum(map(itemgetter("violation"), infos))
    except KeyError:
        return np.nan
