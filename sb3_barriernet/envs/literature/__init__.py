"""Tasks of the literature, rebuilt from their papers' definitions, each with the barrier that keeps it safe."""

from typing import TYPE_CHECKING

from sb3_barriernet.lazy import lazy_exports

if TYPE_CHECKING:
    from sb3_barriernet.envs.literature.barriernet_robot import BarrierNetRobotBarrier, BarrierNetRobotEnv
    from sb3_barriernet.envs.literature.cheng_car_following import ChengCarFollowingBarrier, ChengCarFollowingEnv
    from sb3_barriernet.envs.literature.cheng_pendulum import ChengPendulumBarrier, ChengPendulumEnv
    from sb3_barriernet.envs.literature.emam_cars import EmamCarsBarrier, EmamCarsEnv
    from sb3_barriernet.envs.literature.emam_unicycle import EmamUnicycleBarrier, EmamUnicycleEnv

__all__ = [
    "BarrierNetRobotBarrier",
    "BarrierNetRobotEnv",
    "ChengCarFollowingBarrier",
    "ChengCarFollowingEnv",
    "ChengPendulumBarrier",
    "ChengPendulumEnv",
    "EmamCarsBarrier",
    "EmamCarsEnv",
    "EmamUnicycleBarrier",
    "EmamUnicycleEnv",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "BarrierNetRobotBarrier": "barriernet_robot",
        "BarrierNetRobotEnv": "barriernet_robot",
        "ChengCarFollowingBarrier": "cheng_car_following",
        "ChengCarFollowingEnv": "cheng_car_following",
        "ChengPendulumBarrier": "cheng_pendulum",
        "ChengPendulumEnv": "cheng_pendulum",
        "EmamCarsBarrier": "emam_cars",
        "EmamCarsEnv": "emam_cars",
        "EmamUnicycleBarrier": "emam_unicycle",
        "EmamUnicycleEnv": "emam_unicycle",
    },
)
