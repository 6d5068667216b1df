"""``nonfinite``: NaN or infinity in a weight, an activation or a gradient, and where it begins.

Theory: one NaN spoils every sum that it enters, so the first row in execution order that is not finite names the place; the
weight there says whether it brought the NaN or only met it. Where the weights are all finite, the numbers overflowed.

Limits: none; a single value is enough.

Not a fault: minus infinity in an attention mask, which no row measures.

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    >>> batch = torch.randn(256, 64)
    >>> model[0].weight.data[0, 0] = torch.nan
    >>> initium.diagnose(model, batch).findings[0].code
    'nonfinite'
    >>> _ = initium.initialize(model, batch, "textbook", seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import several, shown
from initium.diagnose._words import Because
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal, SignalRow


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for everything that is not finite."""
    bad = [row for row in signal.rows if not row.finite]
    if not bad:
        if signal.loss is not None and not math.isfinite(signal.loss):
            yield _finding((), f"The loss is {signal.loss}", _of_loss())
        elif not signal.output_finite:
            yield _finding((), "The model's output holds NaN or infinity", _of_output())
        elif signal.overflowed:
            yield _finding((), "An infinity on the way leaves no weight a gradient", _of_overflow(signal.overflowed))
        return
    where = f"{several(len(bad), 'use')} of weights of {len(signal.rows)} in {network.title}"
    yield _finding(
        tuple(dict.fromkeys(row.name for row in bad)), f"NaN or infinity at {where}", _reason(network, signal, bad)
    )


def of_batch(what: str) -> Finding:
    """The finding for a batch that is not finite, with which nothing can be measured.

    Args:
        what: Which tensor holds what, in words.

    Returns:
        An error of ``nonfinite``.

    Example:
        >>> from initium.diagnose import of_batch
        >>> of_batch("`args[0]` holds 1 NaN or infinite values of 64, the first at index [0, 1]").code
        'nonfinite'
    """
    reason = Because(
        f"{what}: with it every sum that reads it is NaN, and so is the loss, whatever the weights are.",
        "Look at how the data are prepared: (x - mean) / std of a column that is constant, log(0), missing values of a table. Keep a small number "
        "in the divisor and in the logarithm, and fill or drop what is missing.",
        None,
    )
    return _finding((), "The batch holds NaN or infinity: nothing was measured", reason)


def _reason(network: Network, signal: Signal, bad: list[SignalRow]) -> Because:
    """A parameter that holds it, else the first value on the way forward, else the first gradient on the way back."""
    if signal.broken:
        parameters = {name for each in network.parameters for name in each.names}
        return _of_parameter(signal.broken[0]) if signal.broken[0] in parameters else _of_buffer(signal.broken[0])
    first = next((row for row in bad if not math.isfinite(row.out_rms)), None)
    if first is not None:
        return _of_values(first, signal)
    return _of_loss() if signal.loss is not None and not math.isfinite(signal.loss) else _of_gradient(bad[-1])


def _finding(layers: tuple[str, ...], message: str, reason: Because) -> Finding:
    return Finding(
        code="nonfinite",
        severity="error",
        layers=layers,
        message=f"{message}.",
        measured=float(max(1, len(layers))),
        expected=0.0,
        cause=reason.cause,
        cure=reason.cure,
        remedy=reason.remedy,
        part_of=reason.code,
    )


def _of_buffer(name: str) -> Because:
    return Because(
        f"the buffer `{name}` holds NaN or infinity: the statistics of a step that diverged, or memory that was never "
        "initialised.",
        f"Set `{name}` anew (a normalisation's statistics: its reset_running_stats()); no initialisation writes buffers.",
        None,
    )


def _of_parameter(name: str) -> Because:
    return Because(
        f"`{name}` itself holds NaN or infinity: memory that was never initialised (torch.empty), a diverged checkpoint, "
        "or a division by zero in an initialiser.",
        f"Initialise the parameters, `{name}` first.",
    )


def _of_gradient(last: SignalRow) -> Because:
    return Because(
        f"every weight and every activation is finite; on its way back from the loss the gradient is first not finite at the "
        f"output of `{last.name}` ({last.op}).",
        f"Look between `{last.name}` and the loss for sqrt or a norm at 0, a power, division or log of what may be 0; scale "
        "the loss down where its dtype overflows.",
        None,
    )


def _of_values(first: SignalRow, signal: Signal) -> Because:
    before = [row.out_rms for row in signal.rows if math.isfinite(row.out_rms)]
    blind = next((row.blind for row in signal.masks if row.blind), "")
    if blind:
        return Because(
            f"every weight is finite; the first value that is not appears at `{first.name}` ({first.op}), and an attention shows "
            f"{'no query' if blind == 'every' else f'its {blind} query no'} key in any sample: a softmax over nothing is NaN.",
            "Show each query at least itself: triu(diagonal=1) is what a causal mask hides.",
            None,
        )
    grown = f" The signal had reached {shown(max(before))} elsewhere." if before else ""
    return Because(
        f"every weight is finite; the first value that is not appears at `{first.name}` ({first.op}).{grown}",
        "Scale the weights so that the signal keeps its size; look for log, division or exp of what may be 0 or large.",
    )


def _of_output() -> Because:
    return Because(
        "every weight and every product with one is finite: what the model does after them is not.",
        "Look behind the last weight for log, sqrt, division or exp of what may be 0, negative or large.",
        None,
    )


def _of_overflow(op: str) -> Because:
    return Because(
        f"half precision holds nothing above 65504 (float16): {op} makes an infinity of finite numbers, and what is divided by it is zero.",
        "Take sums of squares, norms and variances in float32, or scale what goes into them down.",
        None,
    )


def _of_loss() -> Because:
    return Because(
        "every activation is finite: the loss itself divides by zero or takes the log of one.",
        "Compute the loss from logits (F.cross_entropy, F.binary_cross_entropy_with_logits).",
        None,
    )
