"""Activations that are modules are replaced by the shaped ones, all or none, and come back."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from initium.errors import ArgumentError, PlanError, UnknownNameError
from initium.gains import Transformed, dks_activation, tat_activation

X = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))


def chain(activation, depth=5):
    return nn.Sequential(*(part for _ in range(depth) for part in (nn.Linear(16, 16), activation)), nn.Linear(16, 3))


class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class Net(nn.Module):
    """Activations as ``forward`` has them."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.way = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.way(self, x)


def linears(names):
    return {name: nn.Linear(16, 16) for name in names}


@pytest.mark.parametrize("method", ["dks", "tat"])
@pytest.mark.parametrize("activation", [nn.Tanh(), nn.SiLU(), nn.GELU(), Swish()], ids=lambda each: type(each).__name__)
def test_the_scheme_takes_what_was_replaced(method, activation):
    net = chain(activation)
    shaped = initium.shape_activations(net, X, method)
    made = {"dks": dks_activation, "tat": tat_activation}[method](activation, 5)
    assert (shaped.method, shaped.depth, list(shaped.replaced)) == (method, 5, ["1", "3", "5", "7", "9"])
    assert all(isinstance(net[place], Transformed) for place in range(1, 10, 2))
    assert torch.allclose(net[1](X), made(X), rtol=1e-5, atol=1e-5)
    initium.initialize(net, X, method, seed=0)


def test_relu_is_tailored_and_is_refused_by_dks():
    net = chain(nn.ReLU(inplace=True))
    with pytest.raises(PlanError, match=r"`1` cannot be shaped by DKS.*Nothing was changed"):
        initium.shape_activations(net, X, "dks")
    assert repr(net[1]) == "ReLU(inplace=True)"
    with pytest.raises(PlanError, match=r"`1` cannot be shaped by TAT: 5 ReLUs .* smaller correlation"):
        initium.shape_activations(net, X, "tat")
    made = initium.shape_activations(net, X, "tat", correlation=0.6).replaced["1"]
    assert made.activation == tat_activation("relu", 5, correlation=0.6).activation


def test_what_was_there_comes_back_in_its_place_and_mode():
    net = chain(nn.Tanh()).eval()
    old, order = net[1], [name for name, _ in net.named_modules()]
    shaped = initium.shape_activations(net, X)
    assert not net[1].training
    shaped.undo(net)
    assert net[1] is old
    assert [name for name, _ in net.named_modules()] == order
    with pytest.raises(ArgumentError, match="`1` is not what shape_activations put there"):
        shaped.undo(net)


def test_what_is_shaped_already_stays():
    net = chain(nn.Tanh())
    initium.shape_activations(net, X, "dks")
    assert initium.shape_activations(net, X, "dks").replaced == {}


def test_the_depth_is_that_of_the_longest_way_unless_it_is_given():
    def forward(net, x):
        return net.d(net.act(net.b(net.act(net.a(x))))) + net.e(net.act(net.c(x)))

    net = Net(forward, act=nn.Tanh(), **linears("abcde"))
    assert initium.shape_activations(net, X, "dks").depth == 2
    assert initium.shape_activations(chain(nn.Tanh()), X, "dks", depth=30).replaced["1"].alpha == (
        dks_activation("tanh", 30).alpha
    )


def test_an_activation_before_a_weight_counts_once():
    def forward(net, x):
        for norm, layer in ((net.n, net.a), (net.m, net.b)):
            x = layer(net.act(norm(x)))
        return x

    norms = {"n": nn.BatchNorm1d(16), "m": nn.BatchNorm1d(16)}
    assert initium.shape_activations(Net(forward, act=nn.Tanh(), **norms, **linears("ab")), X, "dks").depth == 2


@pytest.mark.parametrize(
    ("forward", "where"),
    [
        (lambda net, x: net.b(F.relu(net.a(net.act(net.c(x))))), "relu behind `a.weight`, relu before `b.weight`: "),
        (
            lambda net, x: net.b(F.silu(net.norm(net.a(net.act(net.c(x)))))),
            "silu behind `a.weight`, silu before `b.weight`: ",
        ),
    ],
)
def test_a_call_inside_forward_is_refused_with_its_layers_and_nothing_is_changed(forward, where):
    act = nn.Tanh()
    net = Net(forward, act=act, norm=nn.LayerNorm(16), **linears("abc"))
    with pytest.raises(PlanError, match=f"^{where}no module .*Nothing was changed"):
        initium.shape_activations(net, X)
    assert net.act is act


def test_dropout_pooling_norms_and_flattening_are_no_activations():
    parts = (nn.LayerNorm(16, elementwise_affine=False), nn.Dropout(0.5), nn.Flatten(), nn.Identity(), nn.Tanh())
    net = nn.Sequential(nn.Linear(16, 16), *parts, nn.Linear(16, 3))
    assert list(initium.shape_activations(net, X, "dks").replaced) == ["5"]


def test_an_output_that_is_a_probability_is_refused():
    net = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1), nn.Sigmoid())
    with pytest.raises(PlanError, match=r"the output of `2.weight` goes through sigmoid"):
        initium.shape_activations(net, X)
    assert isinstance(net[1], nn.Tanh)


def test_no_random_number_is_used():
    net, before = chain(nn.SiLU()), torch.get_rng_state()
    initium.shape_activations(net, X)
    assert torch.equal(torch.get_rng_state(), before)


def test_other_methods_and_depths_are_refused():
    with pytest.raises(UnknownNameError, match="known: dks, tat"):
        initium.shape_activations(chain(nn.Tanh()), X, "dsk")
    with pytest.raises(ArgumentError, match="depth"):
        initium.shape_activations(chain(nn.Tanh()), X, "dks", depth=0)
