"""BarrierPPO: extractor, policies, buffer, algorithm."""

from sb3_barriernet.barrier_ppo.action_std_schedule import ActionStdSchedule
from sb3_barriernet.barrier_ppo.barrier_ppo import BarrierPPO
from sb3_barriernet.barrier_ppo.buffers import BarrierRolloutBuffer
from sb3_barriernet.barrier_ppo.correction_loss import CorrectionLoss
from sb3_barriernet.barrier_ppo.distillation import distill
from sb3_barriernet.barrier_ppo.export import without_filter
from sb3_barriernet.barrier_ppo.extractor import BarrierExtractor, RowFeatures
from sb3_barriernet.barrier_ppo.nominal_policy import NominalActorCriticPolicy
from sb3_barriernet.barrier_ppo.policies import (
    BarrierActorCriticCnnPolicy,
    BarrierActorCriticPolicy,
    BarrierMultiInputActorCriticPolicy,
)
from sb3_barriernet.barrier_ppo.resumable_training import ResumableTraining

MlpPolicy = BarrierActorCriticPolicy
CnnPolicy = BarrierActorCriticCnnPolicy
MultiInputPolicy = BarrierMultiInputActorCriticPolicy

__all__ = [
    "ActionStdSchedule",
    "BarrierActorCriticCnnPolicy",
    "BarrierActorCriticPolicy",
    "BarrierExtractor",
    "BarrierMultiInputActorCriticPolicy",
    "BarrierPPO",
    "BarrierRolloutBuffer",
    "CnnPolicy",
    "CorrectionLoss",
    "MlpPolicy",
    "MultiInputPolicy",
    "NominalActorCriticPolicy",
    "ResumableTraining",
    "RowFeatures",
    "distill",
    "without_filter",
]
