"""The verbs: each composes the rooms in a few lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from initium._front._cure import Course
from initium._front._look import look
from initium._front._planned import WALKED, planned
from initium.audit import audit as audited
from initium.diagnose import of_batch
from initium.errors import BatchError
from initium.network import as_batch, read, spoiled
from initium.planning import law_of_fill
from initium.records import Signal
from initium.report import Report
from initium.signal import predict as predicted

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from initium.audit import Audit
    from initium.network import Network
    from initium.planning import Overrides, Plan, Prior, Undo
    from initium.records import Receipt
    from initium.schemes import Scheme


def plan(
    model: nn.Module,
    batch: object = None,
    scheme: Scheme | str = "textbook",
    overrides: Overrides | None = None,
    *,
    prior: Prior | None = None,
    seed: int = 0,
) -> Plan:
    """Which law for every parameter of a model, and why; nothing is written.

    Args:
        model: Any module; on ``meta`` no memory is needed.
        batch: A tensor, a tuple of positional arguments, a dict of keyword arguments, or :class:`~initium.Batch`: the model
            is traced with it, and what precedes and follows each weight is read from the data flow. Without one it is
            guessed from the modules, and every row says so.
        scheme: The name of a scheme (``textbook``, ``he_normal`` ...), a call (``"normal(0.02)"``), or a scheme; ``auto`` and
            ``autoinit`` fit the whole network's predicted signal, see :func:`initium.calibrate.auto`.
        overrides: Exceptions by glob on the name, by module type or by role; one that matches nothing is an error.
        prior: For the bias of an output, how often each class comes: ``{"head.bias": [900, 100]}``, counts or shares for a
            softmax, a probability or one for each unit for sigmoids. The row says which formula was taken, and why.
        seed: Of ``auto`` and ``autoinit`` alone: the seed with which the plan will be applied, for whose draws the sizes are exact.

    Returns:
        The plan: prints as a table, saves to JSON, compares with another, applies.

    Raises:
        BatchError: The batch is empty, holds NaN, or does not fit the model.
        TraceError: The model cannot be traced.
        UnknownNameError: No scheme has that name.
        PlanError: An override or a prior that matches nothing or does not fit.
        ArgumentError: A prior that is zero, negative or not finite; a zero is cured by smoothing.

    Example:
        >>> import torch, initium
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
        >>> initium.plan(net, torch.randn(2, 8))["0.weight"].law
        'He normal, fan_in'
    """
    return planned(model, batch, _read(model, batch), scheme, overrides, prior=prior, seed=seed)


def initialize(
    model: nn.Module,
    batch: object = None,
    scheme: Scheme | str = "textbook",
    overrides: Overrides | None = None,
    *,
    prior: Prior | None = None,
    seed: int = 0,
    undo: Undo = True,
) -> Receipt:
    """Plans a model and applies the plan: all of it, or, on any error, nothing.

    Args:
        model: A module with real tensors.
        batch: As for :func:`plan`.
        scheme: As for :func:`plan`.
        overrides: As for :func:`plan`.
        prior: As for :func:`plan`.
        seed: The same seed gives the same weights on any device, in any order.
        undo: Where all that is overwritten is kept until the call has succeeded: ``True`` in a temporary file, ``"memory"`` in
            memory, ``False`` nowhere, as for :meth:`Plan.apply`.

    Returns:
        What was written, parameter by parameter.

    Raises:
        BatchError: As for :func:`plan`.
        TraceError: As for :func:`plan`.
        UnknownNameError: As for :func:`plan`.
        ArgumentError: As for :func:`plan`.
        PlanError: As for :func:`plan`; or a parameter that must not be written (frozen, computed, integer, on ``meta``).

    Example:
        >>> import torch, initium
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
        >>> initium.initialize(net, torch.randn(2, 8), seed=0).action
        'apply textbook'
    """
    return plan(model, batch, scheme, overrides, prior=prior, seed=seed).apply(model, seed=seed, undo=undo)


def predict(
    model: nn.Module,
    batch: object,
    plan: Plan | None = None,
    loss: Callable[..., object] | None = None,
    *,
    moments: tuple[float, float] | None = None,
    seed: int = 0,
) -> Signal:
    """What a model would measure, expected from moments: no data is used and no weight's value, and it may be on ``meta``.

    Args:
        model: Any module, with or without memory.
        batch: As for :func:`diagnose`; of floating inputs only the second moments are used. On ``meta`` it has none, and is
            taken as N(0, 1) and indices drawn evenly.
        plan: The laws to suppose, as :func:`plan` made them; without one, each weight's own mean and std.
        loss: As for :func:`diagnose`.
        moments: Mean and std of every floating input instead of the batch's own.
        seed: Of the draws that stand for the laws.

    Returns:
        The signal, as :func:`measure` gives one, with ``source`` ``predicted``.

    Raises:
        BatchError: The batch is empty, holds NaN, or does not fit the model.
        LossError: The loss is not one real number with a gradient.
        TraceError: The model cannot be traced.

    Example:
        >>> import torch, initium
        >>> with torch.device("meta"):
        ...     net = torch.nn.Sequential(torch.nn.Linear(400, 400), torch.nn.ReLU(), torch.nn.Linear(400, 10))
        >>> batch = torch.empty(50, 400, device="meta")
        >>> signal = initium.predict(net, batch, initium.plan(net, batch))
        >>> round(signal.rows[0].out_rms, 1), round(2**0.5, 1)
        (1.4, 1.4)
    """
    laws = {row.name: law for row in plan or () if (law := law_of_fill(row.fill, row.shape)) is not None}
    return predicted(model, batch, laws, loss, moments=moments, seed=seed)


def diagnose(model: nn.Module, batch: object, loss: Callable[..., object] | None = None) -> Report:
    """Whether a model starts healthy; if not, which layers, why, and what to do.

    One forward and one backward pass are measured and compared with what the weights and the activations predict. The
    model is left as it was.

    Args:
        model: Any module with real tensors, in the mode in which it will be trained.
        batch: A tensor, a tuple of positional arguments, a dict of keyword arguments, or :class:`~initium.Batch`. A few
            dozen samples of real data, prepared as for training.
        loss: ``loss(output)``, or ``loss(output, target)`` where the batch has a target. Without it ``output.loss`` where
            there is one, or the one number that the model gives, else a fixed random gradient at the output.

    Returns:
        The report: prints as a picture with findings, and ``raise_if("error")`` makes it a test.

    Raises:
        BatchError: The batch is empty, or does not fit the model. One that holds NaN is a finding.
        LossError: The loss is not one real number with a gradient.
        TraceError: The model cannot be traced.

    Example:
        >>> import torch, initium
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
        >>> _ = torch.nn.init.zeros_(net[0].weight)
        >>> _ = torch.nn.init.zeros_(net[0].bias), torch.nn.init.zeros_(net[2].weight)
        >>> report = initium.diagnose(net, torch.randn(64, 8))
        >>> report.verdict, report.findings[0].code
        ('symmetric', 'symmetry')
    """
    try:
        given = as_batch(batch)
    except BatchError:
        if not (broken := spoiled(batch)):
            raise
        return Report((of_batch(broken),), Signal(()), type(model).__name__)
    return replace(look(model, given, loss), course=Course(given, loss))


def audit(
    weights: nn.Module | Mapping[str, Tensor] | str | os.PathLike[str],
    scheme: Scheme | Plan | str | None = None,
    batch: object = None,
    *,
    seed: int = 0,
) -> Audit:
    """From weights alone, the law that every parameter's values look like; against a plan, where the two differ.

    Args:
        weights: An ``nn.Module``, a state dict, or the path of a ``.safetensors`` or ``.pt`` file, of the ``.index.json`` of
            a checkpoint in several files, or of its folder, see :func:`initium.audit.audit`.
        scheme: What was meant: a scheme as :func:`plan` takes it, ``auto`` and ``autoinit`` too, for a module; or a plan.
        batch: The batch with which a module is traced for its true fans.
        seed: Of ``auto`` and ``autoinit`` alone: the seed with which the weights were written.

    Returns:
        One row a parameter, and the findings.

    Raises:
        InitiumError: As :func:`initium.audit.audit` lists them.
        PlanError: One of those without a batch.

    Example:
        >>> import torch, initium
        >>> net, x = torch.nn.Linear(64, 64), torch.randn(32, 64)
        >>> _ = initium.initialize(net, x, "auto", seed=0)
        >>> initium.audit(net, "auto", x).findings
        ()
    """
    if not (isinstance(scheme, str) and scheme in WALKED and isinstance(weights, nn.Module)):
        return audited(weights, scheme, batch)
    network = _read(weights, batch)
    return audited(weights, planned(weights, batch, network, scheme, seed=seed), batch, network=network)


def _read(model: nn.Module, batch: object) -> Network:
    return read(model) if batch is None else read(model, as_batch(batch))
