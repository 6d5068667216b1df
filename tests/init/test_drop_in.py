"""Every public function of torch.nn.init is here, takes every call that torch's takes, and draws from the same law."""

import inspect
import math
import sys
import warnings

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import init as theirs

from initium import init as ours
from initium.errors import ArgumentError, ArgumentTypeError

NAMES = sorted(name for name, f in vars(theirs).items() if inspect.isfunction(f) and not name.startswith("_"))
DEPRECATED = [name for name in NAMES if f"{name}_" in NAMES]
CURRENT = [name for name in NAMES if name not in DEPRECATED]
SHAPE = (200, 300)
# Two-sample Kolmogorov-Smirnov at 1e-6: with a fixed seed and some thirty tests, a true law fails once in 30,000 seeds.
ALPHA = 1e-6

# One or more calls a function: arguments after the tensor.
CALLS = {
    "uniform_": [{}, {"a": -0.5, "b": 2.0}],
    "normal_": [{}, {"mean": 1.0, "std": 0.02}],
    "trunc_normal_": [{}, {"std": 0.5, "a": -0.2, "b": 1.0}, {"mean": 1.0, "std": 2.0}, {"a": 0.1, "b": 0.4}],
    "constant_": [{"val": 0.3}],
    "ones_": [{}],
    "zeros_": [{}],
    "eye_": [{}],
    "dirac_": [{}, {"groups": 4}],
    "xavier_uniform_": [{}, {"gain": 2.0}],
    "xavier_normal_": [{}, {"gain": 2.0}],
    "kaiming_uniform_": [{}, {"a": 0.2, "mode": "fan_out"}, {"nonlinearity": "tanh"}, {"nonlinearity": "selu"}],
    "kaiming_normal_": [{}, {"a": 0.2, "mode": "FAN_OUT"}, {"nonlinearity": "relu"}, {"nonlinearity": "sigmoid"}],
    "orthogonal_": [{}, {"gain": 2.0}],
    "sparse_": [{"sparsity": 0.3}, {"sparsity": 0.1, "std": 2.0}],
}
DRAWN = [name for name in CALLS if "generator" in inspect.signature(getattr(theirs, name)).parameters]
CASES = [(name, kwargs) for name, calls in CALLS.items() for kwargs in calls]


def shape_for(name):
    return (16, 8, 3, 4) if name == "dirac_" else SHAPE


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}{case[1] or ''}")
def case(request):
    return request.param


def test_every_name_of_torch_is_here():
    assert not [name for name in NAMES if name not in ours.__all__]
    assert set(getattr(theirs, "__all__", NAMES)) == set(NAMES)  # torch 2.6 lists none


def test_every_name_with_a_law_has_a_call_in_this_file():
    assert sorted(CALLS) == sorted(set(CURRENT) - {"calculate_gain"})


@pytest.mark.parametrize("name", CURRENT)
def test_every_parameter_of_torch_has_its_name_place_and_default(name):
    wanted = list(inspect.signature(getattr(theirs, name)).parameters.values())
    found = list(inspect.signature(getattr(ours, name)).parameters.values())
    for theirs_has, ours_has in zip(wanted, found, strict=False):
        assert (ours_has.name, ours_has.kind) == (theirs_has.name, theirs_has.kind)
        assert ours_has.default == theirs_has.default
    assert len(found) >= len(wanted)
    assert all(more.kind is more.KEYWORD_ONLY for more in found[len(wanted) :])


@pytest.mark.parametrize("name", DEPRECATED)
def test_a_deprecated_name_warns_as_torchs_and_does_the_same(name):
    kwargs = CALLS[f"{name}_"][-1]
    messages = []
    for module in (ours, theirs):
        with pytest.warns(FutureWarning) as caught:
            getattr(module, name)(torch.empty(shape_for(f"{name}_")), **kwargs)
        messages.append([str(each.message) for each in caught])
        assert caught[0].filename == __file__
    assert messages[0] == messages[1]
    torch.manual_seed(0)
    with pytest.warns(FutureWarning):
        old = getattr(ours, name)(torch.empty(shape_for(f"{name}_")), **kwargs)
    torch.manual_seed(0)
    assert torch.equal(old, getattr(ours, f"{name}_")(torch.empty(shape_for(f"{name}_")), **kwargs))


def test_positional_and_keyword_calls_are_the_same(case):
    name, kwargs = case
    function = getattr(ours, name)
    names = list(inspect.signature(getattr(theirs, name)).parameters)[1:]
    defaults = inspect.signature(function).parameters
    values = [kwargs.get(each, defaults[each].default) for each in names if each != "generator"]
    torch.manual_seed(1)
    by_place = function(torch.empty(shape_for(name)), *values)
    torch.manual_seed(1)
    by_name = function(tensor=torch.empty(shape_for(name)), **kwargs)
    assert torch.equal(by_place, by_name)


@pytest.mark.parametrize("name", [name for name in CALLS if name not in DRAWN])
def test_what_is_not_drawn_is_torchs_to_the_bit(name):
    for kwargs in CALLS[name]:
        for dtype in (torch.float32, torch.bfloat16, torch.complex64, torch.int64):
            if dtype == torch.int64 and name == "constant_":
                continue  # torch rounds 0.3 to 0: not a thing to keep
            pair = [getattr(m, name)(torch.empty(shape_for(name), dtype=dtype), **kwargs) for m in (ours, theirs)]
            assert torch.equal(*pair)


@pytest.mark.parametrize("case", [case for case in CASES if case[0] in DRAWN], indirect=True, ids=str)
def test_the_law_is_torchs(case):
    name, kwargs = case
    generator = torch.Generator().manual_seed(7)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # torch's own, on a cut off the mean
        mine, other = (
            getattr(m, name)(torch.empty(SHAPE), **kwargs, generator=generator).double() for m in (ours, theirs)
        )
    if name == "sparse_":
        assert torch.equal((mine == 0).sum(0), (other == 0).sum(0))
    if name == "orthogonal_":
        mine, other = mine[::10, ::10], other[::10, ::10]  # far apart in the matrix: nearly independent
    mine, other = mine.flatten().numpy(), other.flatten().numpy()
    n, std = mine.size, other.std()
    excess = stats.kurtosis(other, fisher=False) - 1
    assert abs(mine.mean() - other.mean()) < 6 * std * math.sqrt(2 / n)
    assert abs(mine.std() - std) < 6 * std * math.sqrt(2 * excess / (4 * n))
    mine, other = mine[mine != 0], other[other != 0]
    assert stats.ks_2samp(mine, other).pvalue > ALPHA


@pytest.mark.parametrize("name", DRAWN)
def test_both_refuse_what_has_too_few_axes(name):
    takes_vectors = name in {"uniform_", "normal_", "trunc_normal_"}
    kwargs = CALLS[name][0]
    for module in (ours, theirs):
        if takes_vectors:
            getattr(module, name)(torch.empty(5), **kwargs)
        else:
            with pytest.raises(ValueError, match=r"dimensions|axes"):
                getattr(module, name)(torch.empty(5), **kwargs)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("kaiming") and name[-1] == "_"])
def test_an_empty_tensor_gives_torchs_warning_where_torch_gives_one(name):
    for module in (ours, theirs):
        with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op") as caught:
            getattr(module, name)(torch.empty(0, 3))
        if module is ours:  # it points at the caller
            assert [each.filename for each in caught] == [__file__]


@pytest.mark.parametrize(
    ("name", "param"),
    [(name, None) for name in ("linear", "conv1d", "conv3d", "conv_transpose2d", "sigmoid", "tanh", "relu", "selu")]
    + [("leaky_relu", slope) for slope in (None, 0, 0.2, -1, 3)],
)
def test_calculate_gain_is_torchs(name, param):
    assert ours.calculate_gain(name, param) == theirs.calculate_gain(name, param)


@pytest.mark.parametrize("slope", [np.float32(0.25), np.float64(0.25), np.int64(2), torch.tensor(0.25)])
def test_numpys_scalars_are_slopes(slope):
    assert ours.calculate_gain("leaky_relu", slope) == theirs.calculate_gain("leaky_relu", float(slope))
    ours.kaiming_uniform_(torch.empty(3, 3), a=slope)


@pytest.mark.parametrize("slope", [True, "0.1", [0.1]])
def test_what_is_no_number_is_no_slope(slope):
    with pytest.raises(ArgumentTypeError, match="negative_slope"):
        ours.calculate_gain("leaky_relu", slope)


@pytest.mark.parametrize("shape", [(3, 4), (0, 4), (6, 5, 3, 2), (6, 5, 0)], ids=str)
def test_the_private_fans_that_copied_layers_reach_are_torchs(shape):
    w = torch.empty(shape)
    assert ours._calculate_fan_in_and_fan_out(w) == theirs._calculate_fan_in_and_fan_out(w)
    for mode in ("fan_in", "FAN_OUT"):
        assert ours._calculate_correct_fan(w, mode) == theirs._calculate_correct_fan(w, mode)
    for module in (ours, theirs):
        with pytest.raises(ValueError, match=r"axes|dimensions"):
            module._calculate_fan_in_and_fan_out(torch.empty(3))
        with pytest.raises(ValueError, match="fan_in"):
            module._calculate_correct_fan(w, "fan_avg")


@pytest.mark.parametrize("layer", [nn.Linear, nn.Conv2d, nn.ConvTranspose1d], ids=str)
def test_torchs_own_layers_run_on_this_module(monkeypatch, layer):
    for module in (nn.modules.linear, nn.modules.conv):
        monkeypatch.setattr(module, "init", ours)
    made = layer(6, 4, 5)
    bound = 1 / math.sqrt(theirs._calculate_fan_in_and_fan_out(made.weight)[0])
    assert 0 < float(made.bias.detach().abs().max()) <= bound


def test_an_import_from_torch_nn_init_finds_the_private_fans(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.nn.init", ours)
    from torch.nn.init import _calculate_correct_fan, _calculate_fan_in_and_fan_out  # noqa: PLC0415  as timm does

    assert _calculate_fan_in_and_fan_out(torch.empty(3, 4)) == (_calculate_correct_fan(torch.empty(3, 4), "fan_in"), 3)


def test_an_unknown_activation_is_told_where_to_go():
    with pytest.raises(ValueError, match=r"initium\.gains\.gain"):
        ours.calculate_gain("gelu")


# The defects of torch.nn.init 2.13, each of which stands in docs as a reason to use this module.


def test_a_cut_with_little_mass_inside_is_a_cut():
    w = ours.trunc_normal_(torch.empty(10_000), mean=0.0, std=0.01, a=0.5, b=1.0)
    assert float(w.min()) >= 0.5
    # Beyond 50 stds the law is exponential of scale std / 50 = 2e-4; ten thousand draws end at about 2e-3.
    assert float(w.double().mean()) == pytest.approx(0.5 + 0.01 / 50, abs=6 * 2e-4 / 100)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_uniform_has_no_bias_in_narrow_dtypes(dtype):
    n = 1_000_000
    x = ours.uniform_(torch.empty(n, dtype=dtype), generator=torch.Generator().manual_seed(0)).double()
    assert abs(float(x.mean()) - 0.5) < 6 / math.sqrt(12 * n)


@pytest.mark.parametrize("name", ["uniform_", "xavier_uniform_", "kaiming_uniform_", "xavier_normal_"])
def test_a_complex_tensor_has_the_variance_of_a_real_one(name):
    one, two = (getattr(ours, name)(torch.empty(SHAPE, dtype=t)) for t in (torch.float32, torch.complex64))
    n = one.numel()
    # The kurtosis of the real law is at most 3, of |z|^2 less.
    assert abs(float(two.std() / one.std()) - 1) < 6 * math.sqrt(2 * 2 / (4 * n))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.complex64], ids=str)
def test_orthogonal_and_truncated_fills_take_every_dtype(dtype):
    assert ours.orthogonal_(torch.empty(4, 4, dtype=dtype)).isfinite().all()
    assert ours.trunc_normal_(torch.empty(4, 4, dtype=dtype)).isfinite().all()


def test_orthogonal_takes_channels_last():
    w = ours.orthogonal_(torch.empty(8, 4, 3, 3).to(memory_format=torch.channels_last))
    assert torch.allclose(w.flatten(1) @ w.flatten(1).T, torch.eye(8), atol=1e-6)


def test_glorot_of_no_fans_at_all_does_not_divide_by_zero():
    assert ours.xavier_uniform_(torch.empty(0, 0)).shape == (0, 0)


@pytest.mark.parametrize("std", [-1.0, math.nan])
def test_a_std_that_is_none_is_refused(std):
    for fill in (ours.normal_, ours.trunc_normal_):
        with pytest.raises(ArgumentError, match="std"):
            fill(torch.empty(3), std=std)


def test_the_generator_decides_the_zeros_of_a_sparse_fill_too():
    a, b = (ours.sparse_(torch.empty(9, 9), 0.5, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a, b)


def test_a_std_after_the_cut_is_the_std():
    n = 1_000_000
    w = ours.trunc_normal_(torch.empty(n), std=0.02, a=-0.04, b=0.04, corrected=True).double()
    # A cut law has a kurtosis below the normal's 3.
    assert abs(float(w.std()) - 0.02) < 6 * 0.02 * math.sqrt(2 / (4 * n))
    assert float(w.abs().max()) <= 0.04
    assert (ours.trunc_normal_(torch.empty(3), std=0.0, corrected=True) == 0).all()


def test_a_std_that_no_cut_has_is_refused():
    with pytest.raises(ArgumentError, match="Widen the bounds"):
        ours.trunc_normal_(torch.empty(3), std=1.2, corrected=True)
    with pytest.raises(ArgumentError, match="Swap"):
        ours.trunc_normal_(torch.empty(3), a=2.0, b=-2.0, corrected=True)
