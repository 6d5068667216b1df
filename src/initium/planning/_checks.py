"""Whether a plan may be written into a model: every check before the first byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from initium.checks import writable
from initium.errors import ArgumentError, ArgumentTypeError, PlanError
from initium.network import WEIGHT_NORM, Held, held
from initium.planning._blocks import misfit
from initium.records import Keep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initium.records import PlanRow

MOST = 5


def matched(rows: Sequence[PlanRow], model: nn.Module) -> list[tuple[PlanRow, nn.Parameter]]:
    """Every row with its parameter.

    Raises:
        ArgumentTypeError: The model is no module.
        PlanError: The plan does not fit the model, or a parameter may not be written.
    """
    if not isinstance(model, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance] - checked at the door
        raise ArgumentTypeError(f"a plan is applied to a torch.nn.Module; got {type(model).__name__}.")
    parameters = held(model)
    title = type(model).__name__
    _check_names(rows, parameters, title)
    by_name = {one.name: one for one in parameters}
    pairs = [(row, by_name[row.name]) for row in rows]
    _raise_for(title, [(row, one, problem) for row, one in pairs if (problem := _problem(row, one))])
    _check_memory([one for row, one in pairs if not isinstance(row.fill, Keep)])
    return [(row, one.parameter) for row, one in pairs]


def _check_names(rows: Sequence[PlanRow], parameters: Sequence[Held], title: str) -> None:
    """The plan's names and ties are the model's."""
    planned, present = {row.name: set(row.names) for row in rows}, {one.name: set(one.names) for one in parameters}
    known = {name for names in present.values() for name in names}
    missing = [name for row in rows for name in row.names if name not in known]
    if missing:
        raise PlanError(f"{title} has no {_some(missing)}, which the plan names. {_ANEW}")
    named = {name for names in planned.values() for name in names}
    extra = [one.name for one in parameters if one.name not in named]
    if extra:
        raise PlanError(f"the plan does not name {_some(extra)} of {title}. {_ANEW}")
    if len(planned) < len(rows) or planned != present:
        apart = [name for name in dict.fromkeys([*planned, *present]) if planned.get(name) != present.get(name)]
        raise PlanError(f"ties differ between the plan and {title}, at {_some(apart)}. {_ANEW}")


def _check_memory(written: Sequence[Held]) -> None:
    """Two parameters on one piece of memory would overwrite each other."""
    sharing: dict[tuple[object, ...], list[Held]] = {}
    for one in written:
        memory = one.parameter.untyped_storage()
        sharing.setdefault((one.parameter.device, memory.data_ptr(), one.parameter.itemsize), []).append(one)
    for (_, place, _), several in sharing.items():
        if place and len(several) > 1:
            _check_apart(several)


def _check_apart(several: Sequence[Held]) -> None:
    """Every element of one memory is marked by the parameter that has it; parameters side by side may share it."""
    first = several[0].parameter
    marks = torch.full(
        (first.untyped_storage().nbytes() // first.itemsize,), -1, dtype=torch.int32, device=first.device
    )
    for place, one in enumerate(several):
        mine = marks.as_strided(one.parameter.shape, one.parameter.stride(), one.parameter.storage_offset())
        if (other := int(mine.max())) >= 0:
            raise PlanError(
                f"`{several[other].name}` and `{one.name}` are two parameters on one piece of memory: writing one would "
                "change the other. Tie them (assign one and the same Parameter), or leave one alone by "
                f'overrides={{"{one.name}": "keep"}}. Nothing was changed.'
            )
        mine.fill_(place)


_ANEW = "Make the plan from this model. Nothing was changed."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(f"`{name}`" for name in names[:MOST]) + more


# ---- what may not be written, the first that holds ----


def _lazy(row: PlanRow, one: Held) -> str:  # noqa: ARG001
    return "has no shape yet (lazy): run the model once on a batch" if is_lazy(one.parameter) else ""


def _shape(row: PlanRow, one: Held) -> str:
    shape = tuple(one.parameter.shape)
    return (
        f"has shape {shape} where the plan has {row.shape}: make the plan from this model" if shape != row.shape else ""
    )


def _meta(row: PlanRow, one: Held) -> str:  # noqa: ARG001
    return "is on meta, without memory: model.to_empty(device=...) first" if one.parameter.is_meta else ""


def _dtype(row: PlanRow, one: Held) -> str:  # noqa: ARG001
    kind = one.parameter.dtype
    if kind.is_floating_point or kind.is_complex:
        return ""
    return f"holds {str(kind).removeprefix('torch.')}, and random weights need a floating type: convert it, or {_KEEP}"


def _empty(row: PlanRow, one: Held) -> str:
    return "" if one.parameter.numel() else f"has no elements (shape {row.shape}): give the layer features, or {_KEEP}"


def _inference(row: PlanRow, one: Held) -> str:  # noqa: ARG001
    made = one.parameter.is_inference()
    return f"was made under torch.inference_mode() and cannot be written: make it outside, or {_KEEP}" if made else ""


def _shared(row: PlanRow, one: Held) -> str:  # noqa: ARG001
    try:
        writable(one.parameter)
    except (ArgumentError, ArgumentTypeError) as error:
        return f"cannot be written: {error} Otherwise {_KEEP}".rstrip(".")
    return ""


def _computed(row: PlanRow, one: Held) -> str:  # noqa: ARG001
    way = one.computed_by
    return (
        f"is turned into a weight by {way}, so writing it would not write the weight: initialise before {way}, "
        f"remove the parametrisation (torch.nn.utils.parametrize.remove_parametrizations), or {_KEEP}"
        if way and way != WEIGHT_NORM
        else ""
    )


def _frozen(row: PlanRow, one: Held) -> str:  # noqa: ARG001
    every = 'all that is frozen by overrides={initium.schemes.frozen: "keep"}'
    return (
        ""
        if one.parameter.requires_grad
        else f"is frozen (requires_grad is off): requires_grad_(True), or {_KEEP}; {every}"
    )


def _fit(row: PlanRow, one: Held) -> str:  # noqa: ARG001
    wrong = misfit(row.fill, row.shape)
    return f"does not take its fill: {wrong}" if wrong else ""


_KEEP = 'leave it alone by overrides={"NAME": "keep"}'
_ALWAYS = (_lazy, _shape)
_TO_WRITE: tuple[Callable[[PlanRow, Held], str], ...] = (
    _meta,
    _dtype,
    _empty,
    _inference,
    _shared,
    _computed,
    _frozen,
    _fit,
)


def _problem(row: PlanRow, one: Held) -> str:
    checks = _ALWAYS if isinstance(row.fill, Keep) else (*_ALWAYS, *_TO_WRITE)
    return next((problem for check in checks if (problem := check(row, one))), "").replace("NAME", row.name)


def _raise_for(title: str, problems: Sequence[tuple[PlanRow, Held, str]]) -> None:
    if not problems:
        return
    lines = [f"`{row.name}` ({type(one.module).__name__}) {problem}." for row, one, problem in problems]
    more = [f"... and {len(lines) - MOST} more."] if len(lines) > MOST else []
    raise PlanError("\n".join([f"the plan cannot be written into {title}; nothing was changed.", *lines[:MOST], *more]))
