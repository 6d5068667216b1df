"""``report.cure(model)``: the remedies of a report, given one after the other, and looked at again after each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initium._front._look import look
from initium._front._treat import Target, can, treat
from initium.errors import ArgumentError, InitiumError
from initium.planning import all_or_nothing
from initium.records import Calibrate, Reinitialize
from initium.report import Cured, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from initium.network import Batch
    from initium.records import Remedy
    from initium.report import Report

# Where a report's own remedies do not heal: the start for the architecture, for the whole network, and on its data.
_FURTHER: tuple[Remedy, ...] = (Reinitialize(), Reinitialize("auto"), Calibrate())


class _NoBetterError(InitiumError):
    """A remedy did not help: what it wrote is taken back."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a report needs to be acted on.

    Attributes:
        batch: What was diagnosed on.
        loss: With which loss.
    """

    batch: Batch
    loss: Callable[..., object] | None

    def __call__(self, report: Report, model: nn.Module, seed: int) -> Cured:
        """Treats the model until nothing is worse than an info, or nothing helps.

        Args:
            report: What was found.
            model: The model.
            seed: Of every draw.

        Returns:
            What was done and what came of it.

        Raises:
            ArgumentError: The model is another one than was diagnosed.
        """
        _check_same(report, model)
        target, steps, now = Target(model, self.batch, seed), list[Step](), report
        with all_or_nothing() as opened:
            _open(model, opened)
            while not now.healthy and (step := self._step(now, target, steps)) is not None:
                steps.append(step)
                now = step.after if step.helped else now
        return Cured(report, now, tuple(steps))

    def _step(self, now: Report, target: Target, done: list[Step]) -> Step | None:
        """The first remedy that was not tried on what is found now."""
        tried = {step.remedy for step in done if not step.helped} | {step.remedy for step in done[-1:]}
        remedy = next((each for each in _offered(now) if each not in tried and can(each, target)), None)
        return None if remedy is None else self._tried(remedy, now, target)

    def _tried(self, remedy: Remedy, now: Report, target: Target) -> Step:
        """Gives a remedy and looks again; what does not help, or fails, leaves the weights as they were."""
        after, reason = now, ""
        try:
            with all_or_nothing() as opened:
                _open(target.model, opened)
                receipt = treat(remedy, target)
                after = self._looked(target.model, now)
                errors, warnings = gravity = _gravity(after)
                if gravity >= _gravity(now):
                    raise _NoBetterError(f"it leaves {errors} errors and {warnings} warnings")
                return Step(remedy, after, receipt.action)
        except InitiumError as error:
            reason = str(error)
        return Step(remedy, after, f"taken back: {reason}", helped=False)

    def _looked(self, model: nn.Module, now: Report) -> Report:
        """The next report, in which what was set apart in this one is apart again."""
        after = replace(look(model, self.batch, self.loss), course=self)
        for select, ignore in now.asked:
            after = after.only(select, ignore)
        return after


def _offered(report: Report) -> Iterator[Remedy]:
    yield from (each.remedy for each in report.at_least("warning") if each.remedy is not None)
    yield from _FURTHER


def _gravity(report: Report) -> tuple[int, int]:
    """Errors, then warnings: illnesses, not their symptoms."""
    leading = [each for each in report.findings if not each.part_of]
    errors, warnings = (sum(each.severity == severity for each in leading) for severity in ("error", "warning"))
    return errors, warnings


def _open(model: nn.Module, opened: Callable[..., object]) -> None:
    """Keeps every parameter that has values of its own, so that whatever a remedy writes can be taken back."""
    for parameter in model.parameters():
        if not parameter.is_meta and parameter.numel():
            opened(parameter)


def _check_same(report: Report, model: nn.Module) -> None:
    names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    missing = next((row.name for row in report.signal.rows if row.name not in names), None)
    if missing is not None:
        raise ArgumentError(
            f"the report speaks of `{missing}`, which this {type(model).__name__} has not: cure the model that was "
            "diagnosed, or diagnose this one first."
        )
