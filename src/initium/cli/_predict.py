"""``initium predict``: what a model would measure, expected from moments."""

import json as text
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer
from torch import nn

from initium import _front
from initium.cli import _target
from initium.cli._errors import told
from initium.cli._libraries import library_of
from initium.cli._losses import said
from initium.cli._options import BatchTarget, Json, Loss, Seed, Shape, Target
from initium.cli._output import check_writable, say_written
from initium.errors import ArgumentError
from initium.planning import Plan
from initium.records import Signal, SignalRow, finite
from initium.terminal import Span, columns, paragraph, plain, table, write

_NO_DATA = "a prediction needs an input to start from: --shape 32,64, or --batch file.py:name."
_RANGED = ("use", "out rms", "grad rms", "|grad W|/|W|")
_SUPPOSED = (
    "the weights have no values (the model is large and was built without memory), so each is supposed to have the law "
    "that suits its role. --scheme supposes a plan's."
)


@told
def predict(
    target: Target,
    shape: Shape = None,
    batch: BatchTarget = None,
    *,
    scheme: Annotated[
        str | None,
        typer.Option(
            help="Suppose this start: textbook, normal(0.02) ..., or a plan's .json file; else the weights' own."
        ),
    ] = None,
    loss: Loss = None,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """What a model would measure, expected from the laws of its weights; no data.

    The gradient is that of --loss; without one, of output.loss where there
    is one, or of the one number that the model gives; else of random values of variance 1 at the output.

    \b
    out rms       of the output of a weight's operation
    grad rms      of the gradient there
    |grad W|/|W|  where layers agree, they learn at one rate

    \b
    initium predict models.py:build --shape 32,64
    initium predict models.py:build --shape 32,64 \\
        --scheme he_normal
    initium predict models.py:build --shape 32,64 \\
        --loss cross_entropy
    initium predict shop.models:build \\
        --batch shop.data:batch --json signal.json
    """  # noqa: D301 - a backspace tells click to keep the lines
    if batch is None and shape is None and library_of(target) is None:
        raise ArgumentError(_NO_DATA)
    check_writable(json, "--json")
    _target.seeded(seed)
    model, function = _target.model(target, planned=True), _target.loss(loss, seed)
    given = _target.batch(batch, shape, seed, (target, model))
    if given is None:
        raise ArgumentError(_NO_DATA)
    supposed = _supposed(model, given, scheme, seed)
    signal = said(_front.predict(model, given, supposed, function, seed=seed), function)
    if json is not None:
        json.write_text(text.dumps(finite(signal.to_dict()), indent=2, allow_nan=False), encoding="utf-8")
        say_written(json)
    write(_shown(model, signal, scheme))


def _supposed(model: nn.Module, given: object, scheme: str | None, seed: int) -> Plan | None:
    if scheme is None:
        return None
    return Plan.load(scheme) if scheme.endswith(".json") else _front.plan(model, given, scheme, seed=seed)


def _shown(model: nn.Module, signal: Signal, scheme: str | None) -> str:
    reused = any(row.use for row in signal.rows)
    ways = len({row.by for row in signal.rows}) > 1
    heads = ("weight", *(("use",) if reused else ()), "op", "out rms", "grad rms", "|grad W|/|W|", "after")
    heads = (*heads, "by") if ways else heads
    sizes = {name: each.numel() for name, each in model.named_parameters(remove_duplicate=False)}
    rows = [(*_cells(row, sizes, reused=reused), *((row.by,) if ways else ())) for row in signal.rows]
    title = f"{type(model).__name__}: predicted with {scheme or 'the weights as they are'}"
    return "\n".join([table(heads, rows, title=title, ranged=_RANGED), *_notes(model, signal, scheme)])


def _cells(row: SignalRow, sizes: Mapping[str, int], *, reused: bool) -> Iterator[str]:
    yield row.name
    if reused:
        yield str(row.use)
    yield row.op
    yield f"{row.out_rms:.3g}"
    yield f"{row.grad_rms:.3g}"
    size = row.weight_rms * sizes.get(row.name, 0) ** 0.5
    yield f"{row.weight_grad_norm / size:.3g}" if size else "-"
    yield row.after


def _notes(model: nn.Module, signal: Signal, scheme: str | None) -> Iterator[str]:
    loss = "" if signal.loss is None else f"loss {signal.loss:.4g}; "
    hollow = scheme is None and any(each.is_meta for each in model.parameters())
    notes = [
        *([f"{loss}{signal.objective}"] if signal.objective else []),
        *signal.notes,
        *([_SUPPOSED] if hollow else []),
    ]
    room = columns()
    for place, note in enumerate(notes):
        told = f"note: {note}" if room is None else plain(paragraph(Span("note:"), note, room, len("note: ")))
        yield told if place else f"\n{told}"
