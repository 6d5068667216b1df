"""What a diagnosis says: findings and the signal that they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, final

from initium.errors import UnhealthyError
from initium.records import at_least, counted, finite
from initium.report._html import html
from initium.report._lines import lines
from initium.report._plot import plot
from initium.report._verdict import verdict
from initium.terminal import page, plain, show, speaks_unicode

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from initium.records import Finding, Severity, Signal
    from initium.terminal import Line


@final
@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """A verdict with its evidence.

    Printed, it is the verdict, a picture of signal and gradient by layer, and every finding with its cause and cure.

    Attributes:
        findings: What is wrong, the gravest first, the cause before its symptoms.
        signal: What was measured.
        title: The type name of the model.

    Example:
        >>> import torch, initium
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
        >>> report = initium.diagnose(net, torch.randn(64, 8))
        >>> report.verdict, report.healthy
        ('healthy', True)
    """

    findings: tuple[Finding, ...]
    signal: Signal
    title: str = ""

    @property
    def verdict(self) -> str:
        """The gravest finding in one word, such as ``vanishing``; ``healthy`` where none is worse than an info."""
        return verdict(self.findings)

    @property
    def healthy(self) -> bool:
        """True where no finding is an error or a warning."""
        return not self.at_least("warning")

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
                f"- {each.severity} {each.code}: {each.message} Cause: {each.cause} Cure: {each.cure} {each.fix}".rstrip()
                for each in found
            )
            raise UnhealthyError(f"{self.title} starts {self.verdict}: {counted(found)}.\n{told}")

    def to_dict(self) -> dict[str, Any]:
        """The report as plain lists, numbers and strings; what is not finite is ``None``, as JSON has no word for it.

        Returns:
            ``{"title", "verdict", "healthy", "findings", "signal"}``.
        """
        told = {"title": self.title, "verdict": self.verdict, "healthy": self.healthy}
        found = [finding.to_dict() for finding in self.findings]
        return {**told, "findings": finite(found), "signal": finite(self.signal.to_dict())}

    def lines(self, *, ascii_only: bool = False, width: int = 80) -> tuple[Line, ...]:
        """The report as styled lines, for :func:`initium.terminal.on_console`.

        Args:
            ascii_only: True where the reader's terminal knows nothing but ASCII.
            width: Columns, 60 or more.

        Returns:
            The lines.
        """
        return lines(self.findings, self.signal, self.title, width, ascii_only=ascii_only)

    def print(self, file: TextIO | None = None) -> None:
        """Shows the report: in colour and as wide as the terminal (60 to 80 columns), as plain text anywhere else.

        Args:
            file: Where to; ``None`` for standard output.
        """
        show(self._lines_for(file), file)

    def html(self, path: str | os.PathLike[str] | None = None, *, predicted: Signal | None = None) -> str:
        """The report as one HTML file: findings, figures over depth, and a table; it asks the network for nothing.

        Needs ``pip install 'initium[html]'``.

        Args:
            path: Where to write it; ``None`` writes nothing.
            predicted: What :func:`initium.predict` gives for the model, to be drawn beside what was measured.

        Returns:
            The page.

        Raises:
            ArgumentError: The extra is not installed.
        """
        page = html(self.findings, self.signal, self.title, predicted)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def plot(self, axes: Sequence[Axes] | None = None, *, predicted: Signal | None = None) -> Figure:
        """Signal and gradient by layer as a figure of matplotlib, the layers of the first finding marked.

        Needs ``pip install 'initium[plot]'``. No state of ``pyplot`` is read or changed: show the figure where you are, or
        ``figure.savefig("report.png")``.

        Args:
            axes: Two axes to draw in, for the signal and for the gradient; ``None`` for a new figure.
            predicted: What :func:`initium.predict` gives for the model, to be drawn beside what was measured.

        Returns:
            The figure.

        Raises:
            ArgumentError: The extra is not installed, or there are not two axes.
        """
        return plot(self.findings, self.signal, self.title, axes, predicted)

    def _lines_for(self, file: TextIO | None) -> tuple[Line, ...]:
        return self.lines(ascii_only=not speaks_unicode(file), width=page(file))

    def __str__(self) -> str:
        # As a table does: what is drawn is drawn for standard output.
        return plain(self._lines_for(None))

    def __repr__(self) -> str:
        return f"Report({self.title}: {self.verdict}, {counted(self.findings)})"
