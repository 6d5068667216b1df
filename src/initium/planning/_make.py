"""A network, a scheme and exceptions to a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network import WEIGHT_NORM
from initium.planning._normed import with_magnitudes
from initium.planning._overrides import overriding
from initium.planning._plan import Plan
from initium.planning._prior import priors
from initium.records import Constant, Keep
from initium.schemes import Choice, Scheme, first_of, rows
from initium.schemes import scheme as named_scheme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Facts, Network
    from initium.planning._overrides import Overrides
    from initium.planning._prior import Prior
    from initium.records import PlanRow
    from initium.schemes import Rule


def plan(
    network: Network,
    scheme: Scheme | str = "textbook",
    overrides: Overrides | None = None,
    prior: Prior | None = None,
) -> Plan:
    """Which law for every parameter, and why; nothing is written.

    Args:
        network: What :func:`initium.network.read` made of a model.
        scheme: A scheme, its name, or a call such as ``"normal(0.02)"``.
        overrides: Exceptions, see :data:`~initium.planning.Overrides`; a later one wins over an earlier one.
        prior: Class frequencies for the biases of outputs, see :data:`~initium.planning.Prior`; it wins over both.

    Returns:
        The plan: one row for every parameter. What is frozen, what holds integers and what a parametrisation turns into a
        weight is kept and noted, unless an override says otherwise, which ``apply`` may refuse; under weight_norm the
        direction has the weight's law and the magnitude its norm.

    Raises:
        UnknownNameError: No scheme has that name.
        ArgumentError: The scheme's arguments do not fit, or a prior is no frequency.
        ArgumentTypeError: An override or a prior of the wrong kind.
        PlanError: An override or a prior that matches nothing or does not fit, or a weight with no elements.

    Example:
        >>> import torch
        >>> from initium.network import read
        >>> from initium.planning import plan
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
        >>> plan(read(net), overrides={"*.bias": 0.1})["0.bias"].law
        'constant(0.1)'
    """
    base, asked = named_scheme(scheme), asking(network, overrides, prior)
    made = rows(network, Scheme(base.name, first_of(asked, _left_alone, base.rule), base.source))
    made = with_magnitudes(
        made, network.parameters, {facts.name for facts in network.parameters if asked(facts) is not None}
    )
    return Plan(base.name, network.title, made, tuple(_notes(network, made)))


def asking(network: Network, overrides: Overrides | None, prior: Prior | None) -> Rule:
    """What is asked for beside a scheme, as a rule; it wins over the scheme's. Errors are those of :func:`plan`."""
    exceptions = overriding(overrides, network.parameters) if overrides else first_of()
    return first_of(priors(prior, network) if prior is not None else first_of(), exceptions)


def _left_alone(facts: Facts) -> Choice | None:
    """What is not for a scheme to fill unless an override says so: frozen, whole numbers, or turned into a weight."""
    if facts.frozen:
        return Choice(Keep(), "keep", f"a frozen {facts.role} was filled on purpose: kept as it is")
    if facts.computed_by and facts.computed_by != WEIGHT_NORM:
        way = f"{facts.computed_by} turns it into a weight, so writing it would not write the weight: kept as it is"
        return Choice(Keep(), "keep", way)
    if facts.whole and facts.role in {"weight", "recurrent", "embedding"}:
        return Choice(Keep(), "keep", "holds integers, which no law is drawn into: kept as it is")
    if 0 in facts.shape and facts.role not in {"weight", "recurrent"}:
        return Choice(Keep(), "keep", f"the {facts.role} has no elements")
    return None


def _notes(network: Network, made: tuple[PlanRow, ...]) -> Iterator[str]:
    """Everything unknown, guessed or left alone (law 4)."""
    if network.assumed:
        yield "no batch was given: roles and neighbours are read from the modules alone, so every row is assumed"
    yield from network.strange
    for facts, row in zip(network.parameters, made, strict=True):
        yield from (f"`{facts.name}`: {note}" for note in _parameter_notes(facts, row))


def _parameter_notes(facts: Facts, row: PlanRow) -> Iterator[str]:
    yield from (note for note in facts.notes if note not in row.reason)
    if len(facts.names) > 1:
        yield f"tied: also called {', '.join(f'`{name}`' for name in facts.names[1:])}; written once, under the first name"
    if facts.padding is not None and row.fill not in {Keep(), Constant(0.0)}:
        yield (
            f"row {facts.padding} is padding (padding_idx): it is filled like the others, and its lookups give it no gradient; "
            f'set it to zero afterwards: model.get_parameter("{facts.name}").data[{facts.padding}] = 0'
        )
    if isinstance(row.fill, Keep):
        yield f"left alone: {row.reason}"
    elif facts.computed_by and facts.computed_by != WEIGHT_NORM:
        yield f"feeds {facts.computed_by}: apply refuses to write it; keep it, or plan before {facts.computed_by}"
    elif facts.whole:
        yield (
            "holds integers, which no law is drawn into and which have no gradient: apply refuses to write it; keep it, or "
            "convert it, .to(torch.float32)"
        )
    elif facts.frozen:
        yield "frozen: apply refuses to write it; keep it, or set requires_grad first"
