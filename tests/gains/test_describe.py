"""One activation, one value: however it is held, and every activation of torch is known or refused with a reason."""

import functools
import inspect
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.nn.modules import activation as torch_activations

from initium.errors import ArgumentError, ArgumentTypeError, UnknownNameError
from initium.gains import ACTIVATIONS, Activation, describe, gain, known_activations, moments
from initium.gains._table import ALIASES, REFUSED


def elementwise_functions():
    """What torch.nn.functional offers that maps a vector to a vector of its shape, and needs nothing else."""
    for name in dir(F):
        function = getattr(F, name)
        if name.startswith("_") or name in {"Tensor", "DType"} or not callable(function) or inspect.isclass(function):
            continue
        x = torch.linspace(-2.013, 2.1, 12, dtype=torch.float64).reshape(3, 4)
        try:
            y = function(x.clone())
        except Exception:  # noqa: BLE001, S112  whatever a function of other arguments says
            continue
        if isinstance(y, torch.Tensor) and y.shape == x.shape and not torch.equal(x, y):
            yield name


# Of those, what is no activation: noise, and normalisation.
NOT_ACTIVATIONS = {
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "instance_norm",
    "normalize",
}
NEED_ARGUMENTS = {"glu", "prelu", "threshold", "threshold_"}


@pytest.mark.filterwarnings("ignore")
def test_every_nonlinear_function_of_torch_is_known_or_refused():
    names = (set(elementwise_functions()) | NEED_ARGUMENTS) - NOT_ACTIVATIONS
    assert len(names) > 30
    for name in sorted(names):
        arguments = {"threshold": 0.1, "value": 0.2} if "threshold" in name else {}
        try:
            described = describe(getattr(F, name), **arguments)
        except ArgumentError as error:
            assert "has no gain" in str(error), name  # noqa: PT017  either outcome is lawful
        else:
            assert described.name in ACTIVATIONS


def test_every_activation_module_of_torch_is_known_or_refused():
    special = {"Threshold": (0.1, 0.2), "MultiheadAttention": (4, 2)}
    for name in torch_activations.__all__:
        module = getattr(torch_activations, name)(*special.get(name, ()))
        try:
            found = moments(module)
        except ArgumentError as error:
            assert "has no gain" in str(error), name  # noqa: PT017  either outcome is lawful
        else:
            assert found.second > 0


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in torch_activations.__all__
        if n not in {"Threshold", "GLU", "RReLU", "PReLU", "MultiheadAttention"} and "oftm" not in n
    ],
)
def test_a_module_and_its_row_are_the_same_function(name):
    module = getattr(nn, name)()
    x = torch.linspace(-25.03, 25.07, 301, dtype=torch.float64)
    assert torch.allclose(module(x), describe(module).function(x), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (nn.LeakyReLU(0.2), "leaky_relu(0.2)"),
        (nn.LeakyReLU, "leaky_relu"),
        (functools.partial(F.leaky_relu, negative_slope=0.2), "leaky_relu(0.2)"),
        (functools.partial(F.leaky_relu, negative_slope=0.2, inplace=True), "leaky_relu(0.2)"),
        ("LeakyReLU", "leaky_relu"),
        (nn.GELU(), "gelu"),
        (nn.GELU("tanh"), "gelu_tanh"),
        (functools.partial(F.gelu, approximate="tanh"), "gelu_tanh"),
        ("swish", "silu"),
        ("relu^2".replace("^", ""), "squared_relu"),
        (nn.Hardtanh(-2, 3), "hardtanh(-2, 3)"),
        (nn.Hardtanh(0, 6), "relu6"),
        (functools.partial(nn.LeakyReLU, 0.2), "leaky_relu(0.2)"),
        (functools.partial(nn.GELU, approximate="tanh"), "gelu_tanh"),
        (nn.Softplus(2.0), "softplus(2)"),
        (nn.Threshold(0.1, 0.2), "threshold(0.1, 0.2)"),
        (nn.PReLU(init=0.1), "prelu(0.1)"),
        (nn.RReLU(), "rrelu"),
        (nn.RReLU(0.1, 0.3).eval(), "leaky_relu(0.2)"),
        (F.rrelu, "leaky_relu(0.229167)"),
        (nn.GLU(dim=1), "glu"),
        (nn.Identity(), "linear"),
        (torch.Tensor.tanh, "tanh"),
        (torch.relu_, "relu"),
        (Activation("elu", (("alpha", 2.0),)), "elu(2)"),
    ],
)
def test_an_activation_is_the_same_however_it_is_held(held, expected):
    assert str(describe(held)) == expected


# transformers' ACT2FN, timm's table, torch's classes, Keras's and Megatron's names: (name, the row).
IN_USE = """
    gelu gelu, gelu_10 gelu_10, gelu_fast gelu_tanh, gelu_new gelu_tanh, gelu_python gelu, gelu_python_tanh gelu_tanh,
    gelu_pytorch_tanh gelu_tanh, gelu_accurate gelu_tanh, laplace laplace, leaky_relu leaky_relu, linear linear,
    mish mish, quick_gelu quick_gelu, relu relu, relu2 squared_relu, relu6 relu6, sigmoid sigmoid, silu silu, swish silu,
    tanh tanh, prelu prelu, hard_sigmoid hardsigmoid, hard_swish hardswish, hard_mish hard_mish, identity linear,
    elu elu, celu celu, selu selu, gelu_tanh gelu_tanh, Hardswish hardswish, Hardsigmoid hardsigmoid, LogSigmoid logsigmoid,
    Softplus softplus, hard_silu hardswish, hard_tanh hardtanh, hard_shrink hardshrink, soft_shrink softshrink,
    tanh_shrink tanhshrink, log_sigmoid logsigmoid, softsign softsign, exponential exp, squared-relu squared_relu,
    openai-gelu gelu_tanh, swiglu swiglu, geglu geglu, reglu reglu, glu glu
"""


@pytest.mark.parametrize("pair", IN_USE.split(","), ids=str.strip)
def test_a_name_in_use_is_known(pair):
    name, row = pair.split()
    assert describe(name).name == row


def test_equal_functions_are_equal_values_and_keys():
    assert Activation("leaky_relu") == Activation("leaky_relu", (("negative_slope", 0.01),)) == describe(nn.LeakyReLU())
    assert len({Activation("swish"), describe(nn.SiLU()), describe(F.silu)}) == 1
    assert dict(describe("hardtanh", max_val=2).parameters) == {"min_val": -1.0, "max_val": 2.0}
    assert describe(Activation("elu"), alpha=3).parameters == (("alpha", 3.0),)


@given(slope=st.floats(-10, 10))
def test_slopes_are_read_from_every_kind_of_number(slope):
    held = (slope, np.float64(slope), torch.tensor(slope, dtype=torch.float64))
    assert {describe("leaky_relu", negative_slope=value) for value in held} == {describe(nn.LeakyReLU(slope))}


def test_a_prelu_of_many_channels_averages_the_squares_of_its_slopes():
    module = nn.PReLU(3).double()
    module.weight.data = torch.tensor([0.1, -0.4, 0.9], dtype=torch.float64)
    assert moments(module).second == pytest.approx((1 + (0.01 + 0.16 + 0.81) / 3) / 2, rel=1e-13)
    assert moments(module).mean == pytest.approx((1 - 0.2) / (2 * torch.pi) ** 0.5, rel=1e-13)


def test_a_subclass_is_judged_by_what_it_computes():
    class Doubled(nn.ReLU):
        def forward(self, x):
            return 2 * super().forward(x)

    assert moments(Doubled()).second == pytest.approx(2, rel=1e-10)


def test_an_unknown_name_lists_the_known_and_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Did you mean `leaky_relu`\?.*tanhshrink"):
        gain("leaky_rleu")


@pytest.mark.parametrize("name", REFUSED)
def test_a_softmax_says_why_it_has_no_gain_and_what_to_do(name):
    with pytest.raises(ArgumentError, match=r"has no gain: .*gain 1"):
        gain(name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gain("relu", slope=0.1), "no parameter `slope`; it takes none"),
        (lambda: gain("leaky_relu", slope=0.1), "it takes `negative_slope`"),
        (lambda: gain("threshold"), "needs `threshold=`"),
        (lambda: gain(nn.Threshold), "needs `threshold=`"),
        (lambda: gain("gelu", approximate="erf"), "'none' or 'tanh'"),
        (lambda: gain("leaky_relu", negative_slope=float("nan")), "finite number"),
        (lambda: gain("softplus", beta=0), "above 0"),
        (lambda: gain("hardtanh", min_val=2), "must not exceed"),
        (lambda: gain("hardshrink", lambd=-1), "at least 0"),
        (lambda: gain(nn.PReLU(device="meta")), "meta"),
        (lambda: describe(lambda x: x), "recognise"),
        (lambda: Activation("swiglu").function, "not one function of one number"),
    ],
)
def test_a_wrong_argument_is_refused_with_a_lesson(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


@pytest.mark.parametrize("held", [3, None, int, nn.Linear, [1.0]])
def test_what_is_no_activation_is_refused(held):
    with pytest.raises(ArgumentTypeError):
        gain(held)


def test_a_parameter_that_is_no_number_is_refused():
    with pytest.raises(ArgumentTypeError, match="real number"):
        gain("leaky_relu", negative_slope="0.2")


def test_every_alias_leads_to_a_row_and_hides_none():
    assert set(ALIASES.values()) <= set(ACTIVATIONS)
    assert not set(ALIASES) & set(ACTIVATIONS)
    assert not set(REFUSED) & (set(ACTIVATIONS) | set(ALIASES))
    assert known_activations() == tuple(sorted(ACTIVATIONS))


def test_the_room_is_entered_without_scipy():
    script = "import sys, initium.gains; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("weight", [[0.1, -0.4, 0.9], np.array([0.1, -0.4, 0.9]), (0.1, Fraction(-2, 5), 0.9)])
def test_the_slopes_of_a_prelu_are_read_from_every_kind_of_sequence(weight):
    assert gain("prelu", weight=weight) == pytest.approx(gain("prelu", weight=[0.1, -0.4, 0.9]), rel=1e-15)


@pytest.mark.parametrize("weight", [[0.1, "a"], [None], "0.1", [[0.1, 0.2]], [True], np.array(["a"]), {0.1}])
def test_what_is_no_slope_is_refused(weight):
    with pytest.raises(ArgumentTypeError, match="weight"):
        gain("prelu", weight=weight)


def test_a_fake_prelu_has_no_slopes():
    with FakeTensorMode(), pytest.raises(ArgumentError, match="no values"):
        gain(nn.PReLU())


@pytest.mark.parametrize("name", [["relu"], {"relu": 1}, None, 5, b"relu", nn.ReLU, torch.relu])
def test_what_is_no_text_is_no_name(name):
    with pytest.raises(ArgumentTypeError, match="text"):
        Activation(name)


@pytest.mark.parametrize("parameters", ["ab", 5, None, ["alpha"], [(1, 2.0)], {1: 2.0}])
def test_what_are_no_pairs_are_no_parameters(parameters):
    with pytest.raises(ArgumentTypeError, match="pairs"):
        Activation("elu", parameters)


@pytest.mark.parametrize(
    "value", ["0.2", None, True, 1j, [0.2], np.bool_(1), torch.ones(2), torch.ones((), device="meta")]
)
def test_a_parameter_is_one_real_number(value):
    with pytest.raises(ArgumentTypeError, match="negative_slope"):
        gain("leaky_relu", negative_slope=value)
    with pytest.raises(ArgumentTypeError, match="variance"):
        moments("relu", variance=value)


class Demanding(nn.Module):
    """A class that cannot be made without a word."""

    def __init__(self):
        raise RuntimeError


def test_a_class_that_cannot_be_made_is_refused():
    with pytest.raises(ArgumentTypeError, match="Demanding"):
        gain(Demanding)
