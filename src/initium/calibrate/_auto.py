"""A start from the whole network's predicted signal, and not from one layer at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from initium.calibrate._asked import asked
from initium.calibrate._balance import constant_of, walked
from initium.calibrate._first_way import first_way
from initium.calibrate._rates import FAR, NEAR, Told, cost, moved
from initium.calibrate._scales import Scales, scales_of
from initium.calibrate._written import HEAD, LAYER, silenced, written_out
from initium.records import Constant, Keep, Normal
from initium.schemes import Choice, Scheme, first_of, textbook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from initium.calibrate._balance import Round
    from initium.calibrate._streams import Line
    from initium.network import Network
    from initium.planning import Overrides, Prior

# Each round moves the sizes most of the way to where the rates are one, since what is linear in them is so only nearby; one
# that makes them less even is taken back, and the next goes half as far.
ROUNDS, STEP = 6, 0.8
# A walk that makes the sum smaller by less than this part of it is the last.
_LITTLE = 0.01
# Before that, walks in which tables that others follow come to their size.
SETTLED = 3
# This power of what is missing leaves a third of it, whether a table counts by itself or by its square.
_EITHER = 2 / 3
# A size that moved by less is as it was.
_SEEN = 0.01
# What an activation sees is as the weight gives it, but for sampling: a bias, a dropout, a pooling leave as much or more.
_APART = 0.1


def auto(
    model: nn.Module,
    batch: object,
    overrides: Overrides | None = None,
    *,
    prior: Prior | None = None,
    network: Network | None = None,
    seed: int = 0,
) -> Scheme:
    r"""The scheme that fits a network: unit pre-activations as predicted, and the rest so that all layers learn at one rate.

    Formula:
        Every weight has a size, the rms of its output (of a table its std), from which it may move, and a rate
        ``|g| / |w|``. The size is 1 into an activation (less into a steep one, such as sin(30 x)), 0.25 for an output (of
        what goes out, where several weights or tables give it together), ``stream * sqrt(0.25 / branches)`` for the last
        weight of a residual branch behind which no norm stands; 0.6 for the rows of a table that is looked up, by the time
        that constants have multiplied them, 0.02 for one that stands beside the data. Then, by the log10 of sizes y and of
        rates r, in a few walks over the graph: the y that minimise ``mean (r - mean r)^2`` and what moving costs, with r
        linear in y; a walk that finds the sum no smaller is taken back, and each tells the next how r has followed y.
        $\sigma$ is what gives each weight its size for the x that the layers before are predicted to give.

    Free to move, by up to 20 times, is what a later normalisation or weight makes up for: weights behind which a norm
    stands, or whose own size is divided out before they multiply, values of attention, linear factors of gates, tables
    beside the data. Their gradient falls as their size grows, so their size sets how fast they learn, and little else.
    Ends of branches follow what their stream begins as, and tables that are added to one another stay at one size, so that
    what they carry is not drowned. A stream on which no norm stands, with all that reads it, moves as a whole. Weights
    between activations move at a price that grows with the length of their chain: in one of a few they share the step
    down to the output, and in a long one stay near 1. Ends of branches behind whose sum a norm stands move at a price too.
    An output stays: a softmax of it is within 0.031 of guessing. Of several that are added, each may shrink.
    Queries and keys move with values beside them in one weight behind whose branch a norm stands, and else not at all.

    A LayerScale starts at ``min(0.1, 1 / branches)``, or at the zero that its author gave it, and the scale of a norm that
    nothing but outputs reads at 0.25, or by as much more or less as a mean or a sum behind it takes or gives, where the
    rates ask for it: the output's weights are as large as any other layer's, and learn no faster than the rest. The log of a
    factor, such as of a coupling, starts at 0.25 or below. A weight that is zero throughout at the end of a branch, at an
    output or in a factor, and one that is constant and no factor of the data itself, was written out on purpose and is kept,
    with a bias that is then all that it gives. So is a bias of an output, or before what opens a gate (sigmoid, softplus,
    exp; a forget gate packed with others, or in a recurrent layer), that lies on one side of zero and further off than
    ``1 / sqrt(fan_in)``: the log of odds, a rate of decay; and so is what the spread of noise is computed of.
    What a weight is made of together with other matrices (an LU decomposition, a low-rank update) is kept too.
    No other value of a parameter is used, and data only where there are some, so the model and the batch may be on ``meta``.
    Weights of recurrent layers, composed weights, all other biases and norms start as in ``textbook``.
    Overrides and priors are walked as they will be written, and the rest is fitted to them.

    Args:
        model: Any module that can be traced.
        batch: As for :func:`lsuv`; on ``meta`` too.
        overrides: Those that the plan will be made with: all else is fitted to them.
        prior: Likewise.
        network: The model as ``read`` with this batch, where the caller has it.
        seed: The seed with which the plan will be applied. Its own draws are walked, so that their sizes are exact; those
            of other seeds, and other data, wander with depth: by about ``sqrt(layers / width)`` where an activation keeps
            a signal's size, and by far more behind many layers that drive it apart (GELU, SiLU, Mish).

    Returns:
        A scheme for this network.

    Raises:
        BatchError: The batch is empty, holds NaN, or does not fit the model.
        PlanError: No batch, or as :func:`initium.planning.plan` for overrides and priors.
        TraceError: The model cannot be traced.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from initium.calibrate import auto
        >>> from initium.network import Batch, read
        >>> from initium.planning import plan
        >>> from initium.signal import measure
        >>> net = nn.Sequential(*(each for _ in range(50) for each in (nn.Linear(128, 128), nn.SiLU())), nn.Linear(128, 10))
        >>> x = torch.randn(64, 128, generator=torch.Generator().manual_seed(0))
        >>> made = plan(read(net, Batch((x,))), auto(net, x))
        >>> _ = made.apply(net, seed=0)
        >>> rows = measure(net, x).rows
        >>> round(rows[49].out_rms / rows[0].out_rms, 1)
        0.9

    Reference:
        He et al. (2015), eq. (10), layer by layer; Bingham & Miikkulainen (2023), AutoInit, for moments over a whole
        network; van Laarhoven (2017), on the effective learning rate, for the rate of scale-free weights; Touvron et al.
        (2021), on LayerScale, which has 0.1 in networks of up to 18 layers.

    Deviation:
        AutoInit knows means and variances of independent values; here values are walked, so that
        attention, pooling and repeated inputs count. No paper sets sizes by their rates.
    """
    given, network, others = asked("auto", model, batch, overrides, prior=prior, network=network)
    written = {name: why for name, why in written_out(model, network).items() if name not in others}
    silent = {name: why for name, why in silenced(model, network).items() if name not in others}
    scales = scales_of(network, others | dict.fromkeys(written, Keep()) | dict.fromkeys(silent, Constant(0.0)))
    found = walked(model, given, network, scales, seed=seed)
    arriving = _arriving(network, scales, found)
    # What a weight gives all its uses, and what is added to it, shows after a walk.
    if found.pooled or arriving != scales:
        scales, found = arriving, walked(model, given, network, arriving, seed=seed, before=found)
    for _ in range(SETTLED):
        followed = _joined(_followed(scales, found, begun=False), found)
        if followed == scales:
            break
        scales, found = followed, walked(model, given, network, followed, seed=seed, before=found)
    least, step, told = cost(scales, found), STEP, Told()
    for _ in range(ROUNDS if least else 0):
        tried = _moved(network, scales, found, step, told)
        walk = walked(model, given, network, tried, seed=seed, before=found)
        told.hear(network, (scales, found), (tried, walk))
        if walk.rates.keys() >= found.rates.keys() and (now := cost(tried, walk)) < least:
            gained, least, scales, found = least - now, now, tried, walk
            if gained < _LITTLE * least:
                break
        else:
            step /= 2
    # What a table gives is a power of its size that the graph does not tell, and no rate buys logits above guessing.
    for _ in range(SETTLED):
        if not _astray(scales, found):
            break
        scales = _followed(scales, found, begun=True)
        found = walked(model, given, network, scales, seed=seed, before=found)
    chosen = {name: _choice(name, scales, found) for name in found.stds}
    chosen |= {
        name: Choice(
            Constant(value), "LayerScale", f"multiplies the output of a residual branch: min({LAYER}, 1 / branches)"
        )
        for name, value in scales.layers.items()
    }
    chosen |= {name: Choice(Keep(), "keep", f"{why}: kept as it is") for name, why in (written | silent).items()}
    chosen |= {
        facts.name: Choice(
            Constant(constant_of(facts, scales)),
            "norm before the output",
            f"only outputs read it: {scales.size(facts.name):.3g} times the identity",
        )
        for facts in network.parameters
        if facts.name in scales.closing
    }
    return Scheme(
        "auto", first_of(lambda facts: chosen.get(facts.name), textbook().rule), "the predicted signal; He 2015"
    )


def _choice(name: str, scales: Scales, found: Round) -> Choice:
    std, (size, reason) = found.stds[name], {**scales.bound, **scales.free}[name]
    if found.inputs.get(name) == 0:
        return Choice(
            Normal(std), "LeCun normal", "nothing but zeros reached it, rounding aside: of the size for inputs of rms 1"
        )
    if name in scales.free:
        return Choice(Normal(std), "normal, at the network's rate", f"{reason}: of a size to learn like the rest")
    if name in scales.together:
        reason += ", of which it gives a share"
    if abs(size / scales.starts[name] - 1) > _SEEN:
        return Choice(Normal(std), "normal, near its output's size", f"{reason}, moved to learn like the rest")
    return Choice(Normal(std), f"normal, output of rms {size:.3g}", reason)


def _moved(network: Network, scales: Scales, found: Round, step: float, told: Told) -> Scales:
    """Sizes at which the rates are nearer to one another."""
    scales = _followed(scales, found, begun=True)
    new = {
        name: scales.size(name) ** (1 - step) * size**step for name, size in moved(network, scales, found, told).items()
    }
    return _resized(scales, new)


def _followed(scales: Scales, found: Round, *, begun: bool) -> Scales:
    """With tables that are the output's weight too at the size that the output needs, and others as they follow from it.

    Before sizes have begun to move, a stream is seen for what it begins as, too.
    """
    sizes = {name: (scales.bound[name][0], found.outputs.get(name, 0.0)) for name in scales.tied}
    # What a table gives is looked up and multiplied by it again: its square counts where no norm stands between, itself where
    # one does.
    tied = {
        name: scales.tied[name] * ((size / seen) ** _EITHER if seen > 0 else 1.0)
        for name, (size, seen) in sizes.items()
    }
    return _rescaled(
        replace(scales, tied=tied), _stretched(scales, found, tied, () if begun else scales.lines.values())
    )


def _astray(scales: Scales, found: Round) -> bool:
    """Whether a table that is the output's weight too gives an output of another size than it should."""
    seen = {name: found.outputs.get(name, 0.0) for name in scales.tied}
    return any(size > 0 and abs(size / scales.bound[name][0] - 1) > _APART for name, size in seen.items())


def _stretched(scales: Scales, found: Round, tied: Mapping[str, float], lines: Iterable[Line]) -> dict[str, float]:
    """By table and end of a branch, by how much the size that it follows has turned out to be another."""
    ratios = dict[str, float]()
    for name, others in scales.anchors.items():
        ratios[name] = max((tied[each] / scales.tied[each] for each in others if each in tied), default=1.0)
    for line in lines:
        seen = next((found.inputs[name] for name in line.readers if found.inputs.get(name, 0.0) > 0), 1.0)
        for name in line.feed if not line.met else ():
            followed = scales.anchors.get(name)
            if name in scales.tables and followed is not None and not any(each in scales.tied for each in followed):
                ratios[name] = 1.0 / seen  # a constant may stand between the table and the stream
    return ratios


def _arriving(network: Network, scales: Scales, found: Round) -> Scales:
    """With what an activation sees at the size that each of the weights was to give it that are added before it.

    Likewise what goes out, which a temperature or a mean may have made another size.
    """
    ratios = dict[str, float]()
    for facts in first_way(network).parameters:
        inner = facts.residual is None or facts.residual.place == "inside"
        answers = facts.head and facts.name in scales.bound
        seen = found.arrived.get(facts.name, 0.0)
        if seen > 0 and ((facts.name in scales.soft and inner) or answers):
            ratio = min(max(scales.size(facts.name) / seen, 0.0 if answers else 1 / NEAR), NEAR)
            if abs(ratio - 1) > _APART:
                ratios[facts.name] = ratio
    return _rescaled(scales, ratios) if ratios else scales


def _joined(scales: Scales, found: Round) -> Scales:
    """With what several weights give together, and goes out, at the size of an output: each has its share."""
    ratios = dict[str, float]()
    for node, joint in scales.joints.items():
        seen, goal = found.joint.get(node, 0.0), HEAD / math.sqrt(joint.terms)
        if seen > 0 and math.isfinite(seen) and abs(goal / seen - 1) > _APART:
            # What weighs the rows may be made of the table, too.
            share = min(max(goal / seen, 1 / FAR), FAR) ** ((_EITHER if joint.weighed else 1.0) / joint.degree)
            ratios |= {name: min(share, ratios.get(name, math.inf)) for name in joint.names}
    beside = scales.tables & scales.anchors.keys() - ratios.keys()  # on its stream, and no larger
    followed = {name: [ratios[each] for each in scales.anchors[name] if each in ratios] for name in beside}
    ratios |= {name: min(several) for name, several in followed.items() if several}
    return _rescaled(scales, ratios) if ratios else scales


def _rescaled(scales: Scales, ratios: Mapping[str, float]) -> Scales:
    starts = {name: start * ratios.get(name, 1.0) for name, start in scales.starts.items()}
    return _resized(replace(scales, starts=starts), {name: scales.size(name) * ratio for name, ratio in ratios.items()})


def _resized(scales: Scales, new: Mapping[str, float]) -> Scales:
    bound, free = (
        {name: (new.get(name, size), why) for name, (size, why) in group.items()}
        for group in (scales.bound, scales.free)
    )
    closing = {name: new.get(name, size) for name, size in scales.closing.items()}
    return replace(scales, bound=bound, free=free, closing=closing)
