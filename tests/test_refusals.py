"""Every public function of the rooms below the models, given a zoo of wrong arguments: a lesson, and nothing written."""

import inspect
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from initium import gains, init, random
from initium.errors import InitiumError

STREAM = random.Stream(0).child("w")


class Odd:
    """What answers to nothing, and raises where it is asked for a number."""

    def __float__(self):
        raise ZeroDivisionError

    def __index__(self):
        raise OverflowError

    def __repr__(self):
        return "Odd()"


ZOO = [
    None,
    True,
    0,
    -1,
    3,
    10**400,
    2**63,
    0.5,
    -0.0,
    1e300,
    5e-324,
    float("nan"),
    float("inf"),
    -float("inf"),
    1j,
    Fraction(1, 3),
    Decimal("0.1"),
    Decimal("snan"),
    "",
    "relu",
    "fan_in",
    "uniform",
    "conv",
    "\ud800",
    b"relu",
    ["relu"],
    ("relu", 1),
    {"a": 1},
    {1, 2},
    range(3),
    (4, 4),
    [4, -4],
    np.int64(2),
    np.uint8(2),
    np.bool_(1),
    np.float16(0.5),
    np.complex64(1j),
    np.array([1, 2]),
    np.array(["a"]),
    np.array([], dtype=float),
    np.datetime64("2020-01-01"),
    np.str_("tanh"),
    torch.tensor(2),
    torch.tensor(0.5, requires_grad=True),
    torch.tensor([0.5, 0.2]),
    torch.empty(0),
    torch.empty((), device="meta"),
    torch.ones(2, 2, dtype=torch.int64),
    torch.ones(1, 3).expand(3, 3),
    torch.ones(9).as_strided((3, 3), (1, 1)),
    torch.ones(2, 2).to_sparse(),
    nn.Parameter(torch.ones(2)),
    nn.Linear(2, 2),
    nn.Linear,
    nn.LSTM(2, 2),
    nn.Softmax(),
    nn.LeakyReLU(0.3),
    F.leaky_relu,
    int,
    object,
    object(),
    Odd(),
    len,
    print,
    abs,
    np.tanh,
    lambda: 1,
    lambda x: x.sum(),
    lambda x: x.tanh(),
    torch.float32,
    torch.device("cpu"),
    torch.Generator(),
    random.Stream(0),
    STREAM,
    init.Fans(2, 3),
    gains.Activation("elu"),
]

CURRENT = [name for name in init.__all__ if f"{name}_" not in init.__all__]
PUBLIC = {
    **{f"init.{name}": getattr(init, name) for name in CURRENT},
    **{f"gains.{name}": getattr(gains, name) for name in gains.__all__ if callable(getattr(gains, name))},
    **{f"random.{name}": getattr(random, name) for name in random.__all__},
    "random.Stream.child": STREAM.child,
    "random.Stream.from_generator": random.Stream.from_generator,
}
# Values that functions give, and that nobody makes by hand.
for given_back in ("gains.Moments", "gains.Reach", "gains.Nonlinearity"):
    PUBLIC.pop(given_back, None)

# What a first argument of each kind may rightly be, so that the zoo comes to the others.
TENSORS = [lambda: torch.full((4, 4), 7.0), lambda: torch.full((4, 4, 3), 7.0), lambda: torch.full((4,), 7.0)]
# Arguments for which any size is lawful, and a large one is only too much for the machine.
SIZES = {("random.bits", "count"), ("random.permutation", "n")}


def calls(draw, name):
    """A tensor where one is filled, and animals for some of the rest, by name."""
    function = PUBLIC[name]
    parameters = list(inspect.signature(function).parameters.values())
    arguments, out = {}, None
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.name in {"tensor", "out"} and draw(st.booleans()):
            out = arguments[parameter.name] = draw(st.sampled_from(TENSORS))()
        elif parameter.name == "stream" and draw(st.booleans()):
            arguments["stream"] = STREAM
        elif parameter.default is parameter.empty or draw(st.booleans()):
            arguments[parameter.name] = draw(st.sampled_from(ZOO))
    lawful = {key: -1 if (name, key) in SIZES and large(value) else value for key, value in arguments.items()}
    return function, lawful, out


def large(value):
    """Whether it is a number that no memory holds so many words of."""
    return isinstance(value, int) and value > 1 << 20


@pytest.mark.parametrize("name", PUBLIC)
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors])
def test_a_wrong_argument_is_a_lesson_and_changes_nothing(name, data):
    function, arguments, out = calls(data.draw, name)
    before, state = None if out is None else out.clone(), torch.get_rng_state()
    with warnings.catch_warnings():
        # torch and scipy warn of what they are given; the lesson is ours.
        warnings.simplefilter("ignore")
        try:
            function(**arguments)
        except InitiumError as error:
            assert str(error)  # noqa: PT017  a call may be lawful too
            assert out is None or torch.equal(out, before)
            assert torch.equal(torch.get_rng_state(), state)


# Every function that takes an activation, with its other arguments lawful: no other refusal stands before its own.
ASKED = [
    gains.gain,
    gains.moments,
    gains.variance_slope,
    gains.describe,
    gains.recognise,
    gains.reach,
    lambda animal: gains.saturation(animal, 1.0),
    lambda animal: gains.Transformed(animal, 1.0, 0.0, 1.0, 0.0),
    lambda animal: gains.dks_activation(animal, 3),
    lambda animal: gains.tat_activation(animal, 3),
]
# Every argument of those that shape an activation, beside lawful others.
SHAPED = {
    "depth of dks": lambda animal: gains.dks_activation("tanh", animal),
    "slope": lambda animal: gains.dks_activation("tanh", 3, slope=animal),
    "depth of tat": lambda animal: gains.tat_activation("relu", animal),
    "curvature": lambda animal: gains.tat_activation("relu", 20, curvature=animal),
    "correlation": lambda animal: gains.tat_activation("relu", 20, correlation=animal),
    "alpha": lambda animal: gains.Transformed(torch.tanh, animal, 0.0, 1.0, 0.0),
    "delta": lambda animal: gains.Transformed(torch.tanh, 1.0, 0.0, 1.0, animal),
}


@pytest.mark.parametrize("animal", ZOO, ids=lambda animal: type(animal).__name__)
def test_no_animal_is_an_activation_by_a_raw_error(animal):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for ask in ASKED:
            try:
                ask(animal)
            except InitiumError as error:
                assert str(error)  # noqa: PT017  some are


@pytest.mark.parametrize("argument", SHAPED)
def test_no_animal_is_a_constant_of_a_shaped_activation_by_a_raw_error(argument):
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for animal in ZOO:
            try:
                SHAPED[argument](animal)
            except InitiumError as error:
                assert str(error)  # noqa: PT017  some are numbers
                refused += 1
    # What holds no single finite real number, the animals from text and containers to modules, is most of the zoo.
    assert refused > len(ZOO) / 2


def test_a_depth_that_nothing_has_is_refused_at_once():
    for shape in (gains.dks_activation, gains.tat_activation):
        with pytest.raises(InitiumError, match="100000 at most; got 100001"):
            shape("relu", 100_001)
        with pytest.raises(InitiumError, match="one of 16610 bits"):
            shape("relu", 10**5000)
        with pytest.raises(InitiumError, match="one of 16610 bits"):
            shape("relu", -(10**5000))


def test_an_activation_beyond_what_numbers_hold_cannot_be_shaped():
    with pytest.raises(InitiumError, match="no alpha and beta turn elu"):
        gains.dks_activation("elu", 3, alpha=1e300)
