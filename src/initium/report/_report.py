"""What a diagnosis says: findings and the signal that they rest on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, final

from initium.errors import ArgumentError, UnhealthyError
from initium.records import at_least, code_of, counted, finite
from initium.report._apart import lines as apart_lines
from initium.report._before_after import Side, Told, before_after
from initium.report._html import html
from initium.report._lines import lines
from initium.report._only import parted
from initium.report._plot import plot
from initium.report._schema import SCHEMA_VERSION
from initium.report._verdict import verdict
from initium.terminal import fitting, plain, show

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from initium.records import Finding, Ignore, Remedy, Severity, Signal, Suppressed
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
        course: What :meth:`cure` calls; ``None`` where the report was not made by :func:`initium.diagnose`.
        suppressed: Findings that are known of and accepted, with the reason; they count in no verdict.
        unused: What was to be accepted and was not found.
        asked: The codes and ignores of each call of :meth:`only` that led here, by which :meth:`cure` looks again.

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
    course: Callable[[Report, Any, int], Cured] | None = field(default=None, compare=False)
    suppressed: tuple[Suppressed, ...] = ()
    unused: tuple[Ignore, ...] = ()
    asked: tuple[tuple[tuple[str, ...], tuple[str | Ignore, ...]], ...] = field(default=(), compare=False)

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

    def cure(self, model: Any, *, seed: int = 0) -> Cured:  # noqa: ANN401 - a report knows no model
        """Gives the model what the findings ask for, and looks again after each remedy.

        The gravest illness's remedy comes first (through a plan or :func:`initium.lsuv`); one after which there are not
        fewer errors, or as many and fewer warnings, is taken back. Where none helps, ``textbook``, ``auto`` and ``lsuv``
        are tried. What only a change of the program can cure is left, with the code to write. What :meth:`only` set
        apart stays apart at every look, and is not treated. A call that fails, or is interrupted, leaves the weights as
        they were.

        Args:
            model: The model that was diagnosed; its weights are written.
            seed: Of every draw.

        Returns:
            The remedies, and the report before and after them: prints as both, layer by layer.

        Raises:
            ArgumentError: Another model than was diagnosed, or a report that was not made by :func:`initium.diagnose`.

        Example:
            >>> import torch, initium
            >>> net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
            >>> for parameter in net.parameters():
            ...     _ = torch.nn.init.zeros_(parameter)
            >>> cured = initium.diagnose(net, torch.randn(64, 8)).cure(net)
            >>> cured.before.verdict, cured.after.verdict, len(cured.steps)
            ('symmetric', 'healthy', 1)
        """
        if self.course is None:
            raise ArgumentError(
                "this report does not know the batch that it was made on, so it cannot look again: cure with a report that "
                "initium.diagnose(model, batch) has just made."
            )
        return self.course(self, model, seed)

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

    def only(self, select: Iterable[str] = (), ignore: Iterable[str | Ignore] = ()) -> Report:
        """The same report with findings set apart: told and counted by themselves, and no part of the verdict.

        Args:
            select: Codes; with any, findings of all others are set apart.
            ignore: Codes, or :class:`~initium.records.Ignore` with a reason and a glob over layers.

        Returns:
            A report. An ignore that covers nothing is in its ``unused``.

        Raises:
            UnknownNameError: A code is that of no check; the message lists them.

        Example:
            >>> import torch, initium
            >>> net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
            >>> for parameter in net.parameters():
            ...     _ = torch.nn.init.zeros_(parameter)
            >>> report = initium.diagnose(net, torch.randn(64, 8)).only(ignore=["symmetry"])
            >>> report.verdict, [each.finding.code for each in report.suppressed]
            ('healthy', ['symmetry'])
        """
        asked = (tuple(select), tuple(ignore))
        kept, apart, unused = parted(self.findings, *asked)
        return replace(
            self,
            findings=kept,
            suppressed=(*self.suppressed, *apart),
            unused=(*self.unused, *unused),
            asked=(*self.asked, asked),
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as plain lists, numbers and strings; what is not finite is ``None``, as JSON has no word for it.

        Returns:
            ``{"schema_version", "title", "verdict", "healthy", "findings", "suppressed", "unused", "signal"}``, in the form
            that :func:`initium.report.schema` publishes.
        """
        told = {
            "schema_version": SCHEMA_VERSION,
            "title": self.title,
            "verdict": self.verdict,
            "healthy": self.healthy,
            "findings": [finding.to_dict() for finding in self.findings],
            "suppressed": [each.to_dict() for each in self.suppressed],
            "unused": [asdict(each) for each in self.unused],
            "signal": self.signal.to_dict(),
        }
        return finite(told)

    def lines(self, *, ascii_only: bool = False, width: int = 80) -> tuple[Line, ...]:
        """The report as styled lines, for :func:`initium.terminal.on_console`.

        Args:
            ascii_only: True where the reader's terminal knows nothing but ASCII.
            width: Columns, 60 or more.

        Returns:
            The lines.
        """
        apart = tuple(apart_lines(self.suppressed, self.unused, width))
        return lines(self.findings, self.signal, self.title, width, apart, ascii_only=ascii_only)

    def print(self, file: TextIO | None = None) -> None:
        """Shows the report: in colour and as wide as the terminal (60 to 80 columns), as plain text anywhere else.

        Args:
            file: Where to; ``None`` for standard output.
        """
        show(fitting(self.lines, file), file)

    def html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        predicted: Signal | None = None,
        laws: Mapping[str, str] | None = None,
    ) -> str:
        """The report as one HTML file: findings, figures over depth, and a table; it asks the network for nothing.

        Needs ``pip install 'initium[html]'``.

        Args:
            path: Where to write it; ``None`` writes nothing.
            predicted: What :func:`initium.predict` gives for the model, to be drawn beside what was measured.
            laws: By weight, the law that its values look like, for the table: what ``initium.audit(model).laws`` has.

        Returns:
            The page.

        Raises:
            ArgumentError: The extra is not installed.
        """
        page = html(self.findings, self.signal, self.title, predicted, laws)
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

    def __str__(self) -> str:
        # As a table does: what is drawn is drawn for standard output.
        return plain(fitting(self.lines))

    def __repr__(self) -> str:
        return f"Report({self.title}: {self.verdict}, {counted(self.findings)})"


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One remedy that was given.

    Attributes:
        remedy: What was done.
        after: The report after it; where it did not help, the one before.
        told: What the call said, or why it was taken back.
        helped: False where the weights were put back.
    """

    remedy: Remedy
    after: Report
    told: str
    helped: bool = True


@final
@dataclass(frozen=True, slots=True, repr=False)
class Cured:
    """What :meth:`Report.cure` did, with the evidence.

    Printed, it is the verdict before and after, the remedies in their order, signal and gradient by layer before and after,
    and what only a change of the program can cure.

    Attributes:
        before: The report that asked for it.
        after: The same model, looked at again.
        steps: The remedies, those too that did not help and were taken back.
    """

    before: Report
    after: Report
    steps: tuple[Step, ...]

    @property
    def healed(self) -> bool:
        """True where nothing worse than an info is left."""
        return self.after.healthy

    @property
    def left(self) -> tuple[Finding, ...]:
        """What is left at a warning or an error: its ``cure`` and ``fix`` say what to write."""
        return self.after.at_least("warning")

    def to_dict(self) -> dict[str, Any]:
        """Both reports and the steps as plain lists, numbers and strings.

        Returns:
            ``{"healed", "steps", "before", "after"}``.
        """
        steps = [{"fix": code_of(step.remedy), "told": step.told, "helped": step.helped} for step in self.steps]
        return {"healed": self.healed, "steps": steps, "before": self.before.to_dict(), "after": self.after.to_dict()}

    def lines(self, *, ascii_only: bool = False, width: int = 80) -> tuple[Line, ...]:
        """The cure as styled lines.

        Args:
            ascii_only: True where the reader's terminal knows nothing but ASCII.
            width: Columns, 60 or more.

        Returns:
            The lines.
        """
        sides = Side(self.before.findings, self.before.signal), Side(self.after.findings, self.after.signal)
        steps = [Told(each.remedy, each.told, each.after.findings if each.helped else None) for each in self.steps]
        return before_after(self.before.title, sides, steps, width, ascii_only=ascii_only)

    def print(self, file: TextIO | None = None) -> None:
        """Shows the cure: in colour and as wide as the terminal (60 to 80 columns), as plain text anywhere else.

        Args:
            file: Where to; ``None`` for standard output.
        """
        show(fitting(self.lines, file), file)

    def __str__(self) -> str:
        return plain(fitting(self.lines))

    def __repr__(self) -> str:
        return f"Cured({self.before.title}: {self.before.verdict} -> {self.after.verdict}, {len(self.steps)} steps)"
