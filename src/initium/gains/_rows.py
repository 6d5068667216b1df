"""What a row of the table of activations holds, and the checks that its parameters share."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from initium.errors import ArgumentError
from initium.gains._law import Law


@dataclass(frozen=True, slots=True)
class Row:
    """One activation: its formula, its parameters with their defaults (None: must be given), and its law."""

    formula: str
    law: Callable[..., Law]
    parameters: tuple[tuple[str, float | None], ...] = ()


def demand(name: str, value: float, *, at_least: float = -math.inf, above: float = -math.inf) -> float:
    """The parameter, which must be finite and in range."""
    if math.isfinite(value) and value >= at_least and value > above:
        return value
    wanted = f" above {above:g}" if above > -math.inf else f" of at least {at_least:g}" if at_least > -math.inf else ""
    message = f"`{name}` must be a finite number{wanted}; got {value!r}."
    raise ArgumentError(message)


def demand_order(low_name: str, low: float, high_name: str, high: float) -> None:
    """Two bounds must be finite and in order."""
    demand(low_name, low)
    demand(high_name, high)
    if low > high:
        message = f"`{low_name}` must not exceed `{high_name}`; got {low!r} and {high!r}. Exchange them."
        raise ArgumentError(message)
