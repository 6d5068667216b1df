"""What somebody knows of and accepts, with the reason; and the findings that it sets apart."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from initium.errors import ArgumentError

if TYPE_CHECKING:
    from initium.records._finding import Finding


@dataclass(frozen=True, slots=True)
class Ignore:
    """A kind of finding that is known of and accepted, and why.

    Attributes:
        code: The code of the findings.
        reason: Why they are accepted, for whoever reads the report next.
        layers: A glob that every layer of a finding has to match.
        source: Where this was said, such as ``pyproject.toml``.

    Raises:
        ArgumentError: The reason is empty.

    Example:
        >>> Ignore("dead-units", "the mixture of experts is sparse on purpose", layers="experts.*").code
        'dead-units'
    """

    code: str
    reason: str
    layers: str = "*"
    source: str = ""

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ArgumentError(
                f"an ignore of {self.code!r} has no reason: say why it is accepted, for whoever reads the report next."
            )

    def covers(self, finding: Finding) -> bool:
        """Whether it sets a finding apart: of that code, and none of its layers is outside of the glob."""
        return finding.code == self.code and all(
            fnmatchcase(layer, self.layers) for layer in finding.layers or ("",)
        )  # one that names no layer speaks of the whole network: only a glob for everything covers it


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that is told apart from the others, because it is known of.

    Attributes:
        finding: The finding.
        ignore: What covers it.
    """

    finding: Finding
    ignore: Ignore

    def to_dict(self) -> dict[str, Any]:
        """Both as plain values, ready for JSON: ``{"finding", "reason", "source"}``."""
        return {"finding": self.finding.to_dict(), "reason": self.ignore.reason, "source": self.ignore.source}
