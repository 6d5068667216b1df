"""Fans are counted, not guessed: against the operation's own Jacobian, and by the signal through real layers."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from initium import init
from initium.errors import ArgumentError, ArgumentTypeError, InitiumError, UnknownNameError
from initium.gains import Activation, gain
from initium.init import Fans, fans

CONVOLUTIONS = [
    (nn.Conv1d(6, 4, 3, padding=1), "conv"),
    (nn.Conv2d(4, 8, 3, stride=1, groups=2), "conv"),
    (nn.Conv2d(8, 8, 3, groups=8), "conv"),
    (nn.Conv2d(3, 5, 4, stride=2), "conv"),
    (nn.Conv2d(3, 4, (2, 6), stride=(1, 3)), "conv"),
    (nn.ConvTranspose1d(3, 4, 4, stride=2), "conv_transpose"),
    (nn.ConvTranspose2d(4, 6, 4, stride=2, groups=2), "conv_transpose"),
    (nn.ConvTranspose2d(3, 4, 3), "conv_transpose"),
]


def taps(layer):
    """Products summed into one output, and outputs that one input reaches, on the average over places."""
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.zero_()
    axes = layer.weight.dim() - 2
    x = torch.ones(1, layer.in_channels, *(36,) * axes, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    return middle(y.detach()), middle(x.grad)


def middle(x):
    """The mean over six places in the middle of each axis: whole periods of strides 1, 2 and 3, far from the border."""
    inner = tuple(slice(size // 2 - 3, size // 2 + 3) for size in x.shape[2:])
    return float(x[(slice(None), slice(None), *inner)].mean())


@pytest.mark.parametrize(("layer", "layout"), CONVOLUTIONS, ids=str)
def test_the_fans_of_a_convolution_are_what_it_sums(layer, layout):
    found = fans(layer.weight, layout=layout, groups=layer.groups, stride=layer.stride)
    assert found == fans(layer)
    assert (found.fan_in, found.fan_out) == pytest.approx(taps(layer), rel=1e-6)


@pytest.mark.parametrize(
    ("shape", "kwargs", "expected"),
    [
        ((20, 10), {}, (10, 20)),
        ((10, 20), {"layout": "in_out"}, (10, 20)),
        ((60, 20), {"parts": 3}, (20, 20)),
        ((20, 60), {"layout": "in_out", "parts": 3}, (20, 20)),
        ((8, 512, 2048), {"batch_axes": 1}, (2048, 512)),
        ((8, 512, 2048), {"batch_axes": 1, "layout": "in_out"}, (512, 2048)),
        ((12, 4, 3, 3), {"layout": "conv", "parts": 3}, (36, 36)),
        ((4, 12, 3), {"layout": "conv_transpose", "parts": 2}, (12, 18)),
        ((5, 3, 3), {"layout": "conv", "stride": 2}, (9, 7.5)),
    ],
)
def test_packed_stacked_and_strided_weights(shape, kwargs, expected):
    assert fans(shape, **kwargs) == Fans(*expected)
    assert fans(torch.empty(shape, device="meta"), **kwargs) == Fans(*expected)


@pytest.mark.parametrize("shape", [(3, 4), (6, 5, 3), (6, 4, 3, 2), (2, 3, 4, 5, 6)], ids=str)
def test_without_fans_the_rule_is_torchs(shape):
    from initium.init._fans import torch_fans  # noqa: PLC0415  what the fills use inside

    w = torch.empty(shape)
    assert torch_fans(w) == Fans(*nn.init._calculate_fan_in_and_fan_out(w))


@pytest.mark.parametrize(
    ("shape", "kwargs", "message"),
    [
        ((10,), {}, "fans need 2 or more axes"),
        ((3, 10), {"batch_axes": 1}, "after 1 batch axes"),
        ((3, 10), {"batch_axes": -1}, "batch_axes"),
        ((3, 4, 5), {"layout": "linear"}, "layout='conv'"),
        ((3, 4), {"groups": 2}, "no groups"),
        ((4, 4), {"parts": 3}, "split into 3"),
        ((4, 4, 3), {"layout": "conv", "groups": 3}, "split into 3"),
        ((4, 4, 3), {"layout": "conv", "stride": (1, 1)}, "kernel axes"),
        ((4, 4, 3), {"layout": "conv", "stride": 0}, "stride"),
        ((4, 4), {"parts": 0}, "split into 0"),
    ],
)
def test_a_refusal_says_what_to_do(shape, kwargs, message):
    with pytest.raises(ArgumentError, match=message):
        fans(shape, **kwargs)


@pytest.mark.parametrize(
    "weight", [5, "ab", None, {3, 4}, {3: 1, 4: 2}, (3, 2.5), (3, "a"), (True, 4), object(), nn.Linear]
)
def test_what_is_no_weight_shape_or_layer_is_refused(weight):
    with pytest.raises(ArgumentTypeError, match="shape"):
        fans(weight)


@pytest.mark.parametrize("name", ["groups", "parts", "stride", "batch_axes"])
@pytest.mark.parametrize("value", [2.0, True, "2", None, (2.0, 2)])
def test_a_count_that_is_no_integer_is_refused(name, value):
    with pytest.raises(ArgumentTypeError, match="must be"):
        fans((6, 4, 4, 4), layout="conv", **{name: value})


def test_numpys_integers_are_counts():
    shape, two = np.array([6, 4, 4, 4]), np.int64(2)
    found = fans(shape, layout="conv", groups=two, stride=np.array([2, 2]))
    assert found == fans((6, 4, 4, 4), layout="conv", groups=2, stride=2)
    assert {type(fan) for fan in found} == {int}
    assert [type(fan) for fan in Fans(np.int32(3), np.float32(0.5))] == [int, float]


def test_a_number_in_a_tensor_or_an_array_is_a_fan():
    assert Fans(torch.tensor(3.0), np.array(0.5)) == Fans(3, 0.5)
    assert [type(fan) for fan in Fans(torch.tensor(3), np.array(4))] == [int, int]


def test_an_unknown_layout_lists_the_known_ones():
    for layout in ("ikjl", {}, ["conv"], 5):
        with pytest.raises(UnknownNameError, match="linear, in_out, conv, conv_transpose"):
            fans((3, 3), layout=layout)


@pytest.mark.parametrize(
    "numbers", [(-1, 1), (1, math.nan), (math.inf, 1), (10**400, 1), ("3", 1), (True, 1), (3, None)]
)
def test_fans_are_counts(numbers):
    with pytest.raises(InitiumError, match=r"counts connections|fan_in|fan_out"):
        Fans(*numbers)


# name -> (fill, the ratio of second moments that it promises through a layer of these fans)
SIGNAL = {
    "lecun_normal_": (init.lecun_normal_, lambda i, _: i / i),
    "lecun_uniform_": (init.lecun_uniform_, lambda i, _: i / i),
    "kaiming_normal_": (lambda w, **k: init.kaiming_normal_(w, nonlinearity="relu", **k), lambda *_: 2.0),
    "kaiming_uniform_": (lambda w, **k: init.kaiming_uniform_(w, a=1.0, **k), lambda *_: 1.0),
    "he_normal_": (lambda w, **k: init.he_normal_(w, nonlinearity="tanh", **k), lambda *_: gain("tanh") ** 2),
    "he_uniform_": (lambda w, **k: init.he_uniform_(w, nonlinearity="gelu", **k), lambda *_: gain("gelu") ** 2),
    "xavier_normal_": (init.xavier_normal_, lambda i, o: 2 * i / (i + o)),
    "xavier_uniform_": (init.xavier_uniform_, lambda i, o: 2 * i / (i + o)),
    "fan_out": (lambda w, **k: init.variance_scaling_(w, 1.0, "fan_out", **k), lambda i, o: i / o),
    "fan_geo_avg": (
        lambda w, **k: init.variance_scaling_(w, 3.0, "fan_geo_avg", "truncated_normal", **k),
        lambda i, o: 3 * math.sqrt(i / o),
    ),
}


def ratio(layer, shape, fill, of):
    """The second moment behind the layer over that before it, and six standard deviations of it."""
    generator = torch.Generator().manual_seed(0)
    fill(layer.weight, generator=generator, fans=of)
    nn.init.zeros_(layer.bias)
    x = torch.randn(shape, generator=generator)
    with torch.no_grad():
        y = layer(x).double()
    inner = (slice(None), slice(None), *(slice(6, -6),) * (x.dim() - 2))
    y = y[inner].transpose(0, 1).flatten(1)
    # Units are independent given x; over one unit's samples the mean square is known only as well as its weights are,
    # so the spread between units, all of it, is what the mean over units averages.
    per_unit = y.square().mean(dim=1)
    return float(per_unit.mean()), 6 * float(per_unit.std()) / math.sqrt(len(per_unit))


@pytest.mark.parametrize("name", SIGNAL)
def test_a_linear_layer_of_unequal_fans_scales_the_signal_as_promised(name):
    fill, promised = SIGNAL[name]
    layer = nn.Linear(100, 400)
    found, bound = ratio(layer, (2000, 100), fill, None)
    assert abs(found - promised(100, 400)) < bound


@pytest.mark.parametrize("name", SIGNAL)
@pytest.mark.parametrize(
    ("layer", "layout"),
    [
        (nn.Conv2d(128, 128, 3, groups=128), "conv"),
        (nn.Conv2d(8, 200, 4, stride=2), "conv"),
        (nn.ConvTranspose2d(16, 200, 4, stride=2), "conv_transpose"),
    ],
    ids=["depthwise", "strided", "transposed"],
)
def test_a_convolution_with_its_true_fans_scales_the_signal_as_promised(name, layer, layout):
    fill, promised = SIGNAL[name]
    of = fans(layer.weight, layout=layout, groups=layer.groups, stride=layer.stride)
    found, bound = ratio(layer, (4, layer.in_channels, 32, 32), fill, of)
    assert abs(found - promised(of.fan_in, of.fan_out)) < bound


def test_fan_out_keeps_the_gradient_of_a_strided_depthwise_convolution():
    layer = nn.Conv2d(256, 256, 3, stride=2, groups=256, padding=1)
    of = fans(layer.weight, layout="conv", groups=256, stride=2)
    init.variance_scaling_(layer.weight, 1.0, "fan_out", fans=of, generator=torch.Generator().manual_seed(0))
    x = torch.zeros(4, 256, 32, 32, requires_grad=True)
    y = layer(x)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1)))
    per_unit = x.grad[..., 4:-4, 4:-4].double().square().mean(dim=(0, 2, 3))
    assert abs(float(per_unit.mean()) - 1) < 6 * float(per_unit.std()) / math.sqrt(256)


def test_he_takes_the_gradients_gain_for_fan_out():
    n = 400 * 300
    w = init.he_normal_(torch.empty(400, 300), mode="fan_out", nonlinearity="gelu").double()
    std = gain("gelu", backward=True) / 20
    assert abs(float(w.std()) - std) < 6 * std * math.sqrt(2 / (4 * n))


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose1d", "linear"])
def test_he_knows_torchs_linear_names(name):
    pair = [
        fill(torch.empty(9, 4), nonlinearity=name, generator=torch.Generator().manual_seed(0))
        for fill in (init.he_normal_, init.kaiming_normal_)
    ]
    assert torch.equal(*pair)


def test_he_is_kaiming_where_torchs_gain_is_exact():
    for kwargs in ({}, {"a": 0.3}, {"nonlinearity": "relu", "mode": "fan_out"}):
        pair = [
            fill(torch.empty(9, 4), **kwargs, generator=torch.Generator().manual_seed(0))
            for fill in (init.he_uniform_, init.kaiming_uniform_)
        ]
        assert torch.allclose(*pair, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Linear(3, 5), (3, 5)),
        (nn.Bilinear(3, 4, 5), (12, 5)),
        (nn.Embedding(100, 8), (1, 8)),
        (nn.MultiheadAttention(8, 2), (8, 8)),
    ],
    ids=str,
)
def test_a_layer_says_its_own_fans(layer, expected):
    assert tuple(fans(layer)) == expected


def test_a_layer_is_not_told_what_it_says_itself():
    with pytest.raises(ArgumentError, match="pass it alone"):
        fans(nn.Conv2d(4, 4, 3), groups=2)


def test_a_layer_with_several_weights_is_refused_with_the_cure():
    with pytest.raises(ArgumentTypeError, match="parts="):
        fans(nn.LSTM(3, 4))


def test_a_shape_with_a_kernel_is_a_convolution_unless_it_is_said_otherwise():
    assert tuple(fans((6, 4, 3, 3))) == (36, 54)


LEAKY = {
    "by name": "leaky_relu",
    "by torch's class name": "LeakyReLU",
    "function": F.leaky_relu,
    "class": nn.LeakyReLU,
    "partial": partial(F.leaky_relu, negative_slope=0.2),
    "module": nn.LeakyReLU(0.2),
    "activation": Activation("leaky_relu", (("negative_slope", 0.2),)),
}


def spread(**kwargs):
    return init.he_normal_(torch.empty(9, 4), generator=torch.Generator().manual_seed(0), **kwargs)


@pytest.mark.parametrize("held", LEAKY.values(), ids=LEAKY)
def test_he_uses_the_slope_of_a_leaky_relu_however_it_is_held(held):
    assert torch.equal(spread(a=0.2, nonlinearity=held), spread(a=0.2))
    assert not torch.equal(spread(a=0.2), spread())


def test_he_without_a_slope_takes_torchs_0_by_name_and_the_activations_own_elsewhere():
    assert torch.equal(spread(nonlinearity="LeakyReLU"), spread(a=0))
    assert torch.equal(spread(nonlinearity=nn.LeakyReLU(0.3)), spread(a=0.3))
    assert torch.equal(spread(nonlinearity=nn.LeakyReLU), spread(a=0.01))
    assert torch.equal(spread(nonlinearity=F.leaky_relu), spread(a=0.01))


@pytest.mark.parametrize(
    "held",
    [
        "relu",
        "tanh",
        "prelu",
        "linear",
        "conv2d",
        torch.relu,
        nn.ELU,
        lambda x: x.tanh(),
        nn.LeakyReLU(0.3),
        partial(F.leaky_relu, negative_slope=0.3),
        nn.PReLU(),
    ],
)
def test_he_refuses_a_slope_that_nothing_uses_or_that_contradicts(held):
    out = torch.full((9, 4), 7.0)
    before = torch.get_rng_state()
    with pytest.raises(ArgumentError, match=r"a=0\.2 is the slope of leaky_relu"):
        init.he_uniform_(out, a=0.2, nonlinearity=held)
    assert (out == 7).all()
    assert torch.equal(torch.get_rng_state(), before)
    init.he_uniform_(out, nonlinearity=held)
