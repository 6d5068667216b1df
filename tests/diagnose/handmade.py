"""Hand-made networks and signals: what a perceptron of independent layers does on average, written down."""

import math
from dataclasses import replace

from initium.gains import Activation, moments
from initium.network import Facts, Neighbour, Network, Use
from initium.records import Signal, SignalRow


def acting(name: str) -> Neighbour:
    return Neighbour("activation", name, Activation(name, ()))


INPUT, OUTPUT, RELU = Neighbour("input", "input"), Neighbour("output", "output"), acting("relu")


def perceptron(depth: int, width: int, activation: str = "relu", *, normalised: bool = False) -> Network:
    """``depth`` weights of one width; the last one answers."""
    between = acting(activation)
    uses = tuple(
        Use(
            node=f"linear_{place}",
            name=f"{place}.weight",
            op="linear",
            index=0,
            layout="out_in",
            fan_in=width,
            fan_out=width,
            unit_axis=-1,
            parts=1,
            axis=0,
            bias=None,
            before=INPUT if place == 0 else between,
            after=OUTPUT if place == depth - 1 else between,
            activated="",
            normalised=normalised and place < depth - 1,
            direct=True,
            sources=frozenset({f"linear_{place - 1}" if place else "x"}),
        )
        for place in range(depth)
    )
    return Network(tuple(map(facts, uses)), uses, None, (), "Handmade")


def facts(use: Use) -> Facts:
    return Facts(
        name=use.name,
        names=(use.name,),
        shape=(int(use.fan_out), int(use.fan_in)),
        role="weight",
        owner=object,
        layout=use.layout,
        fan_in=use.fan_in,
        fan_out=use.fan_out,
        parts=1,
        axis=0,
        before=use.before,
        after=use.after,
        uses=1,
        normalised=use.normalised,
        assumed=False,
        frozen=False,
        computed_by="",
    )


def row(use: Use, **figures: object) -> SignalRow:
    """A healthy row, but for the figures that are given."""
    healthy = SignalRow(
        name=use.name,
        op=use.op,
        use=0,
        after=str(use.after),
        out_mean=0.0,
        out_std=1.0,
        out_rms=1.0,
        unit_std=1.0,
        dead=0.0,
        saturated=0.0,
        grad_rms=1e-3,
        weight_std=math.sqrt(2 / use.fan_in),
        weight_rms=math.sqrt(2 / use.fan_in),
        bias_rms=0.0,
        bias_median=0.0,
        weight_grad_norm=1e-2,
        weight_grad_mean_abs=1e-4,
        distinct=1.0,
        finite=True,
    )
    return replace(healthy, **figures)


def travelled(network: Network, gain: float, activation: str = "relu") -> Signal:
    """The signal at one gain: ``gain^2 * E[phi'^2]`` a layer, forwards and backwards."""
    factor = gain * math.sqrt(moments(activation).slope_second)
    depth = len(network.uses)
    return Signal(
        tuple(
            row(
                use,
                out_rms=factor**place,
                out_std=factor**place,
                unit_std=factor**place,
                grad_rms=1e-3 * factor ** (depth - 1 - place),
                weight_rms=gain / math.sqrt(use.fan_in),
                weight_std=gain / math.sqrt(use.fan_in),
            )
            for place, use in enumerate(network.uses)
        )
    )


def healthy(network: Network, **figures: object) -> Signal:
    return Signal(tuple(row(use) for use in network.uses), **figures)


def with_rows(signal: Signal, places: range, **figures: object) -> Signal:
    rows = tuple(replace(each, **figures) if place in places else each for place, each in enumerate(signal.rows))
    return replace(signal, rows=rows)
