"""From a tensor to the law that its values look like."""

from __future__ import annotations

import math

import torch

from initium.audit._drawn import drawn
from initium.audit._exact import blocks, constant, identity, ramp, zero_rows
from initium.audit._law import Law, number
from initium.audit._orthogonal import orthogonal
from initium.audit._repeated import Repeated, repeated
from initium.audit._values import Values, deviate, values_of

_SHOWN = 3
_WIDE = (torch.float32, torch.float64)


def identify(tensor: torch.Tensor, parts: int, level: float) -> tuple[Law, Repeated | None]:
    """The law, and what is there twice.

    Args:
        tensor: The values.
        parts: How many matrices it packs, as far as is known.
        level: The chance of an error that this tensor may have.

    Returns:
        The law, and copies among rows or columns, ``None`` for none.
    """
    tensor = tensor.detach()
    unfit = _unfit(tensor)
    if unfit:
        return unfit, None
    tensor = tensor.to_dense() if tensor.layout != torch.strided else tensor
    wide = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    wide = wide if wide.dtype in _WIDE else wide.float()
    values = values_of(wide.reshape(-1), torch.finfo(tensor.dtype).eps)
    if not math.isfinite(values.low - values.high):  # a NaN is the least and the greatest
        missing = wide.numel() - int(torch.isfinite(wide).sum())
        told = f"{missing} of {wide.numel()} values are NaN or infinite"
        return Law("nonfinite", "not finite", evidence=told, notes=(told,)), None
    return _finite(wide, values, parts, level)


def _unfit(tensor: torch.Tensor) -> Law | None:
    if tensor.is_meta:
        return Law("empty", "on meta: no values")
    if not tensor.numel():
        return Law("empty", "no values")
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return Law("integers", "integers", evidence=f"{tensor.dtype} holds no weights that were drawn")
    return None


def _finite(wide: torch.Tensor, values: Values, parts: int, level: float) -> tuple[Law, Repeated | None]:
    exact = constant(values) or blocks(wide, values) or ramp(wide, values) or identity(wide, values)
    if exact:
        copied = _equal_rows(wide) if exact.kind == "constant" and values.low else None
        return exact, copied
    copies = repeated(wide, values, level)
    law = orthogonal(wide, values, parts, level)
    if law is None and copies:
        once = _once(wide, copies)
        law = _spread(once, values_of(once.reshape(-1), values.step), level)
    law = law or _spread(wide, values, level)
    if values.rounded and values.step > torch.finfo(torch.float32).eps:
        law = law.noting(f"rounded to {values.rounded}")
    return law, copies


def _once(wide: torch.Tensor, copies: Repeated) -> torch.Tensor:
    """Each row, or column, once: copies are no evidence."""
    lines = wide if copies.what == "rows" else wide.transpose(0, 1)
    return torch.unique(lines.reshape(len(lines), -1), dim=0)


def _equal_rows(wide: torch.Tensor) -> Repeated | None:
    """Of a matrix of one number every row is the first."""
    if min(wide.shape[:2], default=0) < 2 or wide.ndim < 2:  # noqa: PLR2004 - a matrix of two rows
        return None
    return Repeated("rows", len(wide) - 1, len(wide), (0, 1))


def _spread(wide: torch.Tensor, values: Values, level: float) -> Law:
    """Independent values; zeros among them are looked at apart."""
    zeros = values.count - int(wide.count_nonzero())
    # Rounding makes zeros too, and a generator of few bits: one a step.
    if zeros <= values.count * values.step + 5:
        return _all_known(drawn(values, level), values, level)
    rows = zero_rows(wide)
    if len(rows) and wide[0].numel() > 1:
        kept = torch.ones(len(wide), dtype=torch.bool, device=wide.device)
        kept[rows.to(wide.device)] = False
        rest = wide[kept]
        law = _spread(rest, values_of(rest.reshape(-1), values.step), level) if rest.numel() else drawn(values, level)
        shown = ", ".join(map(str, rows[:_SHOWN].tolist())) + (" ..." if len(rows) > _SHOWN else "")
        return law.noting(f"zero rows: {len(rows)} of {len(wide)} ({shown})")
    return _sparse(wide, zeros, values, level)


def _sparse(wide: torch.Tensor, zeros: int, values: Values, level: float) -> Law:
    inner = drawn(values_of(wide[wide != 0], values.step), level)
    share = zeros / values.count
    if inner.kind == "other":
        return drawn(values, level).noting(f"zeros: {share:.3g} of all values")
    return Law(
        kind="sparse",
        text=f"{share:.3g} zeros, else {inner.text}",
        std=inner.std,
        low=inner.low,
        high=inner.high,
        value=share,
        ties=inner.ties,
        evidence=f"{zeros} of {values.count} values are 0; of the others: {inner.evidence}",
        notes=inner.notes,
    )


def _all_known(law: Law, values: Values, level: float) -> Law:
    """The sample's law held against the ends of all values."""
    if not law.random or any(note.startswith("outliers") for note in law.notes):
        return law
    far = max(values.high - law.mean, law.mean - values.low)
    if far <= _reach(law, values, level):
        return law
    return law.noting(f"outliers: a value of {number(far)}, {number(far / law.std)} std from the mean")


def _reach(law: Law, values: Values, level: float) -> float:
    """How far the farthest of all values may be."""
    if law.kind == "normal":
        return law.high * deviate(level / values.count)
    edge = law.value if law.kind == "uniform" else law.value * _cut(law)
    return edge * law.high / law.std * (1 + values.step)


def _cut(law: Law) -> float:
    return float(law.text.split("cut at ")[1].split()[0])
