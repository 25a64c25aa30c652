"""What algorithms of SB3 and sb3-contrib need beside a :class:`~sb3_barriernet.FilteredEnv`: nothing, or these."""

from typing import TYPE_CHECKING

from sb3_barriernet.lazy import lazy_exports

if TYPE_CHECKING:
    from sb3_barriernet.any_algorithm.filter_log import FilterLog
    from sb3_barriernet.any_algorithm.replay_buffers import SafeActionDictReplayBuffer, SafeActionReplayBuffer

__all__ = ["FilterLog", "SafeActionDictReplayBuffer", "SafeActionReplayBuffer"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "FilterLog": "filter_log",
        "SafeActionDictReplayBuffer": "replay_buffers",
        "SafeActionReplayBuffer": "replay_buffers",
    },
)
