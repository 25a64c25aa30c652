"""Which hyperparameter file ``rl_zoo3`` reads when the user names none.

The YAML files live once, in ``hyperparams/`` at the top of the repository. A wheel carries them
as ``sb3_barriernet/hyperparams/``; an editable install reads them where they are.
"""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

import yaml

from sb3_barriernet.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "hyperparams", _PACKAGE.parent / "hyperparams")


def packaged_config(algo: str) -> Path | None:
    """Our YAML file for an algorithm, None if there is none.

    :param algo: the algorithm's name on the command line, for example ``barrierppo``
    """
    candidates = (folder / f"{algo}.yml" for folder in _FOLDERS)
    return next((path for path in candidates if path.is_file()), None)


def default_config(upstream: str, algo: str, env_id: str) -> str:
    """The file to read: ours where upstream has none, or where ours has a block for the environment.

    :param upstream: the file that ``rl_zoo3`` would read, which need not exist
    :param algo: the algorithm's name on the command line
    :param env_id: id of the Gymnasium environment
    """
    ours = packaged_config(algo)
    if ours is None:
        return upstream
    if Path(upstream).is_file() and env_id not in yaml.safe_load(ours.read_text(encoding="utf-8")):
        return upstream
    return str(ours)


def prefer_packaged_config(manager_class: type[Any]) -> None:
    """Let ``rl_zoo3``'s ``ExperimentManager`` default to our files; ``--conf-file`` always wins.

    :param manager_class: the class, changed in place
    :raises ConfigurationError: the constructor has no ``config`` parameter to respect
    """
    upstream_init = manager_class.__init__
    if hasattr(upstream_init, "prefers_packaged_config"):
        return
    signature = inspect.signature(upstream_init)
    if "config" not in signature.parameters:
        raise ConfigurationError(
            "rl_zoo3's ExperimentManager takes no argument 'config', which is where --conf-file "
            "arrives in the releases this package supports. Install rl_zoo3>=2.9.2,<3."
        )

    @functools.wraps(upstream_init)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        upstream_init(self, *args, **kwargs)
        if not signature.bind(self, *args, **kwargs).arguments.get("config"):
            self.config = default_config(self.config, self.algo, self.env_name.gym_id)

    init.prefers_packaged_config = True  # type: ignore[attr-defined]
    manager_class.__init__ = init
