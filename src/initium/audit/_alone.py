"""What is wrong with weights whatever was planned: not finite, outliers, copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.audit._found import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from initium.audit._law import Law
    from initium.audit._repeated import Repeated
    from initium.records import Severity

_REDRAW = "draw it anew"
_LEAST = 64  # fewer values than that may agree in what is compared here


def alone(name: str, role: str, law: Law, copies: Repeated | None) -> Iterator[Found]:
    """The findings of one parameter by itself."""
    if law.kind == "nonfinite":
        cause = "memory that was never filled, or a run that diverged"
        yield Found("nonfinite", "error", name, f"is not finite: {law.evidence}", 0.0, 0.0, cause, _REDRAW)
    for note in law.notes:
        if note.startswith("outliers"):
            cause = "values outside the truncation, memory that was never filled, or an edit"
            yield Found("outliers", "warning", name, f"has {note}", 0.0, 0.0, cause, _REDRAW)
    written = law.kind == "constant" and _severity(role) == "info"  # a vector of decays or steps has no units
    if copies is not None and not written:
        cause = (
            "one part was copied into the others: every shard drew from the same seed"
            if copies.first[0] == 0 and copies.of % copies.first[1] == 0 and copies.count >= copies.of // 2
            else "units that were copied get the same gradient, and stay the same"
        )
        yield Found(
            f"identical-{copies.what}",
            _severity(role),
            name,
            copies.text,
            float(copies.count),
            0.0,
            cause,
            "draw each unit by itself; with shards, fill the whole tensor or give each shard its own seed",
        )


def _severity(role: str) -> Severity:
    if role in {"weight", "recurrent"}:
        return "error"
    return "warning" if role in {"", "embedding"} else "info"


def digest(tensor: torch.Tensor, law: Law) -> tuple[object, ...] | None:
    """Equal for equal tensors of random values; ``None`` where equal values mean nothing."""
    if not law.random or tensor.numel() < _LEAST:
        return None
    flat = tensor.detach().reshape(-1)
    flat = torch.view_as_real(flat.resolve_conj()).reshape(-1) if flat.is_complex() else flat
    ends = torch.cat([flat[: _LEAST // 2], flat[-_LEAST // 2 :]]).float().tolist()
    return (tuple(tensor.shape), law.std, law.low, *ends)


def cloned(groups: Iterable[list[str]]) -> Iterator[Found]:
    """Parameters that hold the same random values, and are not tied."""
    for names in groups:
        for name in names[1:]:
            yield Found(
                "identical-layers",
                "warning",
                name,
                f"holds the values of `{names[0]}`",
                1.0,
                0.0,
                "a layer was copied (copy.deepcopy) after it had been drawn, or one seed was set before each",
                "draw each layer by itself; share the parameter where they are meant to be one",
            )
