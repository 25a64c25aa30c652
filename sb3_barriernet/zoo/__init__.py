"""RL Baselines3 Zoo knows BarrierPPO: the only part of the package that touches ``rl_zoo3``.

Two doors lead to the same registration:

- implicit: a start-up hook (``startup/``) extends ``rl_zoo3`` whenever it is imported, so
  ``python -m rl_zoo3.train --algo barrierppo --env PursuitEvasion-v0`` works as it stands;
- explicit: ``python -m sb3_barriernet.zoo train --algo barrierppo ...`` or :func:`register`,
  for those who switched the hook off with ``SB3_BARRIERNET_ZOO=0``.
"""

from sb3_barriernet.zoo.registration import register

__all__ = ["register"]
