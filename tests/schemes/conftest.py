"""Networks made by hand: a scheme needs facts, and no model."""

import pytest
from torch import nn

from initium.gains import Activation
from initium.network import Facts, Neighbour, Network, Residual


def neighbour(what):
    """A neighbour from an activation, or from a kind."""
    if isinstance(what, Neighbour):
        return what
    return Neighbour("activation", str(what), what) if isinstance(what, Activation) else Neighbour(what, what)


def facts_of(role="weight", shape=(24, 6), after="output", before="input", **others):
    """Facts of one parameter; fans of a weight are those of (out, in)."""
    fans = (shape[1], shape[0]) if role in {"weight", "recurrent"} and len(shape) > 1 else (None, None)
    plain = {
        "name": role,
        "owner": nn.Module,
        "layout": "out_in" if role == "weight" else "",
        "fan_in": fans[0],
        "fan_out": fans[1],
        "parts": 1,
        "axis": 0,
        "uses": 1,
        "normalised": False,
        "assumed": False,
        "frozen": False,
        "computed_by": "",
        "residual": Residual("stream"),
    }
    given = {**plain, **others}
    names = given.pop("names", (given["name"],))
    return Facts(names=names, shape=shape, role=role, before=neighbour(before), after=neighbour(after), **given)


def network_of(*parameters):
    """A network that was read from no model."""
    return Network(tuple(parameters), (), None, (), "Made")


@pytest.fixture(scope="session")
def facts():
    return facts_of


@pytest.fixture(scope="session")
def network():
    return network_of


@pytest.fixture(scope="session")
def everything():
    """One parameter of each kind that a network has."""
    return network_of(
        facts_of(name="first", after=Activation("leaky_relu", (("negative_slope", 0.2),))),
        facts_of(name="conv", shape=(8, 4, 3, 3), layout="conv", fan_in=36, fan_out=18, after=Activation("relu")),
        facts_of(name="fused", shape=(96, 32), fan_in=32, fan_out=32, parts=3, after="attention"),
        facts_of(name="experts", shape=(4, 16, 8), layout="batched", fan_in=16, fan_out=8, parts=4, after="linear"),
        facts_of(name="vector", shape=(7,), fan_in=7, fan_out=1),
        facts_of(name="gates", shape=(40, 5), layout="gates", fan_in=5, fan_out=10, parts=4, after="gates"),
        facts_of("recurrent", (40, 10), "gates", name="state", layout="gates", fan_out=10, parts=4),
        facts_of("embedding", (100, 16), name="tokens", layout="lookup", fan_in=1, fan_out=16),
        facts_of("embedding", (1, 9, 16), name="positions", layout="added"),
        facts_of("bias", (24,)),
        facts_of("scale", (24,)),
        facts_of("shift", (24,)),
        facts_of("other", (24,), notes=("used by mul",)),
        facts_of(name="lost", shape=(3, 3), fan_in=None, fan_out=None),
    )
