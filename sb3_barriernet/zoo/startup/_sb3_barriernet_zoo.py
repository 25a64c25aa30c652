"""Start-up hook of sb3-barriernet: ``rl_zoo3`` knows BarrierPPO the moment it is imported.

``sb3_barriernet_zoo.pth`` calls :func:`install` in every interpreter (from Python 3.15 on its
PEP 829 twin ``sb3_barriernet_zoo.start`` does), because ``rl_zoo3`` reads its table of
algorithms before it looks at any plug-in option. The hook stays asleep until one of four
``rl_zoo3`` modules is imported, lets Python load that module as always, and then hands it to
:mod:`sb3_barriernet.zoo.registration`. A failure there is a warning: ``rl_zoo3`` goes on.

This module is installed beside the package, not inside it, so that it can be imported without
importing the package. It costs every interpreter start, so it imports only ``os`` and ``sys``,
which are always loaded by then; even ``__future__`` and ``typing`` would be too much.

The environment variable ``SB3_BARRIERNET_ZOO=0`` turns the hook off.
"""

import os
import sys

TYPE_CHECKING = False  # Type checkers read this name as true; importing it would load typing.
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

OPT_OUT = "SB3_BARRIERNET_ZOO"
"""Environment variable that turns the hook off when it is ``0``."""

EXTENDED_MODULES = frozenset({"rl_zoo3.utils", "rl_zoo3.hyperparams_opt", "rl_zoo3.exp_manager", "rl_zoo3.import_envs"})
"""The modules that :data:`sb3_barriernet.zoo.registration.EXTENSIONS` knows how to extend."""


def install() -> None:
    """Put the finder first on ``sys.meta_path``, once, unless the user opted out."""
    if _enabled() and not any(isinstance(finder, ZooFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, ZooFinder())


def _enabled() -> bool:
    return os.environ.get(OPT_OUT) != "0"


class ZooFinder:
    """Finds nothing itself: asks the other finders and wraps the loader of what they found."""

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Spec of one of the extended modules, None for every other name."""
        if name not in EXTENDED_MODULES or not _enabled():
            return None
        for finder in sys.meta_path:
            if not isinstance(finder, ZooFinder) and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return _with_extension(spec)
        return None


def _with_extension(spec: "ModuleSpec") -> "ModuleSpec":
    # A loader from before PEP 451 has no exec_module; it keeps the module to itself.
    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
        spec.loader = ExtendingLoader(spec.loader)  # type: ignore[assignment]
    return spec


class ExtendingLoader:
    """Loads a module with the loader that it wraps, then extends it."""

    def __init__(self, loader: "Loader") -> None:
        self.wrapped = loader

    def __getattr__(self, name: str) -> "Any":
        return getattr(self.wrapped, name)

    def exec_module(self, module: "ModuleType") -> None:
        """Execute the module as if this loader had never been there, then extend it."""
        module.__loader__ = self.wrapped
        if module.__spec__ is not None:
            module.__spec__.loader = self.wrapped
        self.wrapped.exec_module(module)
        _extend(module)


def _extend(module: "ModuleType") -> None:
    try:
        from sb3_barriernet.zoo.registration import extend

        extend(module)
    except Exception as error:
        import warnings

        warnings.warn(
            f"sb3-barriernet could not extend {module.__name__} ({type(error).__name__}: {error}). "
            "rl_zoo3 works on without this extension. Reinstall sb3-barriernet, or set "
            f"{OPT_OUT}=0 to keep it out of rl_zoo3 and to silence this warning.",
            RuntimeWarning,
            stacklevel=2,
        )
