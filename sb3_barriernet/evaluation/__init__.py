"""Episodes -> records -> metrics. Nothing here reuses a barrier: violations come from the environment's geometry."""

from sb3_barriernet.evaluation.agents import WithoutFilter
from sb3_barriernet.evaluation.episodes import EpisodeRecords, run_episodes
from sb3_barriernet.evaluation.metrics import evaluate, summarise_episodes
from sb3_barriernet.evaluation.training_record import TrainingRecorder

__all__ = [
    "EpisodeRecords",
    "TrainingRecorder",
    "WithoutFilter",
    "evaluate",
    "run_episodes",
    "summarise_episodes",
]
