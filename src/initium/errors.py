"""The exception tree: one root, and each leaf also a ``ValueError`` or a ``TypeError``.

A message says what was asked, what came (value, shape, name), and what to do.
"""


class InitiumError(Exception):
    """The root of every error that initium raises on purpose."""


class ArgumentError(InitiumError, ValueError):
    """A value that no rule allows: a negative std, reversed bounds, fans of a vector."""


class ArgumentTypeError(InitiumError, TypeError):
    """An argument of the wrong kind: a list where a tensor is needed, an integer destination."""


class UnknownNameError(InitiumError, ValueError):
    """A name that is in no table: an activation, a scheme, a statistic. The message lists the known ones."""


class BatchError(InitiumError, ValueError):
    """A batch that the model cannot take, or that holds what no verdict can rest on (NaN, nothing at all)."""


class LossError(InitiumError, ValueError):
    """A loss that is not one real number with a gradient."""


class TraceError(InitiumError, ValueError):
    """A model whose forward pass could not be turned into a graph."""


class PlanError(InitiumError, ValueError):
    """A plan that does not fit the model: a missing name, another shape, a parameter that must not be written."""


class UnhealthyError(InitiumError, ValueError):
    """Raised by ``Report.raise_if``: the report has findings at or above the severity that was named."""
