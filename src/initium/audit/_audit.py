"""The audit: a value that can be read, saved, and made a test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from initium.audit._show import shown
from initium.errors import UnhealthyError, UnknownNameError
from initium.records import at_least, counted, finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.audit._row import AuditRow
    from initium.records import Finding, Severity


@final
@dataclass(frozen=True, slots=True, repr=False)
class Audit:
    """What the weights of a model look like, and where that is not what was meant.

    Printed, it is a table and the findings.

    Attributes:
        title: What was audited.
        scheme: The scheme that it was held against; empty for none.
        rows: One row a parameter.
        findings: What is wrong, the gravest first.
        notes: Everything guessed or left out.

    Example:
        >>> import torch
        >>> from initium.audit import audit
        >>> audit(torch.nn.Linear(64, 64))
        Audit(Linear: 2 parameters, no findings)
    """

    title: str
    scheme: str
    rows: tuple[AuditRow, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> AuditRow:
        """The row of a parameter, by any of its names."""
        for row in self.rows:
            if name in row.names:
                return row
        known = ", ".join(row.name for row in self.rows[:8])
        raise UnknownNameError(f"the audit has no parameter {name!r}; it has {len(self.rows)}: {known} ...")

    def __iter__(self) -> Iterator[AuditRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return shown(self.title, self.scheme, self.rows, self.findings, self.notes)

    def __repr__(self) -> str:
        return f"Audit({self.title}: {len(self.rows)} parameters, {counted(self.findings)})"

    @property
    def laws(self) -> dict[str, str]:
        """By every name of every parameter, the law that its values look like in a few words: the recipe where one is known."""
        return {name: row.recipes[0] if row.recipes else row.law for row in self.rows for name in row.names}

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of a severity and all graver ones.

        Args:
            severity: ``error``, ``warning`` or ``info``.

        Returns:
            The findings.

        Raises:
            UnknownNameError: No severity has that name.
        """
        return at_least(self.findings, severity)

    def raise_if(self, severity: Severity = "error") -> None:
        """Raises where there is a finding of this severity or a graver one; for tests and training scripts.

        Args:
            severity: ``error``, ``warning`` or ``info``.

        Raises:
            UnhealthyError: There is one; the message holds them all.
            UnknownNameError: No severity has that name.
        """
        found = self.at_least(severity)
        if found:
            told = "\n".join(
                f"- {each.severity} {each.code}: {each.message} Cause: {each.cause}. Cure: {each.cure}. {each.fix}".rstrip()
                for each in found
            )
            raise UnhealthyError(f"the weights of {self.title} are not as they should be: {counted(found)}.\n{told}")

    def to_dict(self) -> dict[str, Any]:
        """The audit as plain lists, numbers and strings; what is not finite is ``None``, as JSON has no word for it.

        Returns:
            ``{"title", "scheme", "rows", "findings", "notes"}``.
        """
        return {
            "title": self.title,
            "scheme": self.scheme,
            "rows": [row.to_dict() for row in self.rows],
            "findings": [finite(finding.to_dict()) for finding in self.findings],
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """The audit as JSON text.

        Returns:
            The text of :meth:`to_dict`.
        """
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)
