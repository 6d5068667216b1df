"""A verdict with its evidence, its cause and its cure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from initium.records._remedies import Remedy, code_of

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        code: A slug that explains itself, such as ``vanishing-gradient``.
        severity: ``error`` (the network will hardly learn), ``warning`` (it learns worse than it could) or ``info``.
        layers: The qualified names of the weights that it speaks of, in execution order.
        message: The finding in one sentence.
        measured: The figure that was measured.
        expected: The figure that a healthy network of this shape shows.
        cause: The probable cause, with its own figures.
        cure: What to do.
        remedy: The same for a machine; ``None`` where no code says it.
        part_of: The code of the finding that leads the illness to which this one belongs; empty where it is that one.
        begins: The layer at which it begins, in the direction in which it travels; empty where that is the first of them.
    """

    code: str
    severity: Severity
    layers: tuple[str, ...]
    message: str
    measured: float
    expected: float
    cause: str
    cure: str
    remedy: Remedy | None = None
    part_of: str = ""
    begins: str = ""

    @property
    def fix(self) -> str:
        """The cure as code; empty where there is none."""
        return code_of(self.remedy)

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain lists, numbers and strings, ready for JSON; its cure as the code ``fix``."""
        told = dataclasses.asdict(self)
        del told["remedy"]
        return told | {"fix": self.fix}
