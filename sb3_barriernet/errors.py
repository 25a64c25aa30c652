"""Every error and warning of the package.

::

    BarrierNetError
    |-- ConfigurationError (ValueError)      something was put together wrongly
    |   |-- MissingRowsError                 the environment publishes no barrier rows
    |   |-- RowShapeError                    rows of the wrong shape, width or dtype
    |   |-- ActionSpaceError                 actions that no box-constrained QP can filter
    |   |-- NormalizedRowsError              VecNormalize would rescale the rows
    |   |-- GainError                        a class-K gain that sampling cannot honour
    |   `-- BackendError                     an unknown projection backend
    |-- InvalidRowsError (ValueError)        NaN or infinity where a row should be
    |-- InvalidActionError (ValueError)      NaN, infinity or a wrong shape where an action should be
    |-- UnsafeStartError (ValueError)        an episode starts outside the safe set
    |-- CheckpointError (ValueError)         a saved model is damaged, or is not what is wanted
    |-- DivergedError (ArithmeticError)      NaN or infinity where a reward, a value or a weight should be
    `-- MissingPackageError (ImportError)    an optional dependency is not installed

    UnsafeActionWarning (UserWarning)        an action that breaks a row leaves ``predict()``

Errors are advice: each message says what was found, what was expected and what to do.
Numerical outcomes are not errors: an infeasible row set is a
:class:`~sb3_barriernet.projection.Status` that is returned and logged.
"""


class BarrierNetError(Exception):
    """Base class of every error that this package raises on purpose."""


class ConfigurationError(BarrierNetError, ValueError):
    """Parts were put together in a way that cannot work."""


class MissingRowsError(ConfigurationError):
    """The environment publishes no barrier rows."""


class RowShapeError(ConfigurationError):
    """Barrier rows have the wrong shape, width or dtype."""


class ActionSpaceError(ConfigurationError):
    """The action space is not a bounded one-dimensional ``Box``."""


class NormalizedRowsError(ConfigurationError):
    """``VecNormalize`` would rescale the barrier rows."""


class GainError(ConfigurationError):
    """A class-K gain is not positive or too large for the sampling period."""


class BackendError(ConfigurationError):
    """No projection backend of that name is registered."""


class InvalidRowsError(BarrierNetError, ValueError):
    """A barrier row holds NaN or infinity."""


class InvalidActionError(BarrierNetError, ValueError):
    """An action holds NaN or infinity, or has the wrong shape."""


class UnsafeStartError(BarrierNetError, ValueError):
    """An episode starts outside the set that the barrier keeps invariant."""


class CheckpointError(BarrierNetError, ValueError):
    """A file of a saved model is damaged, or holds something else than is wanted."""


class DivergedError(BarrierNetError, ArithmeticError):
    """NaN or infinity among rewards, values or weights: learning from it would destroy the policy."""


class MissingPackageError(BarrierNetError, ImportError):
    """An optional dependency is needed and not installed."""


class UnsafeActionWarning(UserWarning):
    """An action that breaks a barrier row leaves ``predict()``."""
