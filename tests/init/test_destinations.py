"""What is no plain tensor: filled rightly, or refused by what it is with a cure, and never half."""

import warnings

import pytest
import torch
from torch.nn.parameter import UninitializedParameter

from initium import init
from initium.errors import InitiumError

CONSTANTS = {"constant_": lambda w: init.constant_(w, 0.5), "ones_": init.ones_, "zeros_": init.zeros_}
OTHERS = {
    "normal_": init.normal_,
    "uniform_": init.uniform_,
    "trunc_normal_": init.trunc_normal_,
    "eye_": init.eye_,
    "dirac_": init.dirac_,
    "identity_": init.identity_,
    "xavier_normal_": init.xavier_normal_,
    "kaiming_uniform_": init.kaiming_uniform_,
    "he_normal_": init.he_normal_,
    "lecun_normal_": init.lecun_normal_,
    "variance_scaling_": init.variance_scaling_,
    "orthogonal_": init.orthogonal_,
    "delta_orthogonal_": init.delta_orthogonal_,
    "sparse_": lambda w: init.sparse_(w, 0.5),
}
FILLS = CONSTANTS | OTHERS


@pytest.fixture(params=FILLS.values(), ids=FILLS)
def fill(request):
    return request.param


@pytest.fixture(params=OTHERS.values(), ids=OTHERS)
def other(request):
    return request.param


def shaped(fill):
    return torch.full((4, 4, 3) if fill in {init.dirac_, init.delta_orthogonal_} else (4, 4), 7.0)


def quiet(make):
    """What torch announces of its prototypes is not for this suite."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


LAYOUTS = {
    "sparse_coo": lambda w: w.to_sparse(),
    "sparse_csr": lambda w: w.flatten(1).to_sparse_csr(),
    "_mkldnn": lambda w: w.to_mkldnn(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_that_is_not_strided_is_refused_by_name(fill, layout):
    out = quiet(lambda: LAYOUTS[layout](shaped(fill)))
    if fill is init.zeros_:  # no element is left that is not 0: right in any layout
        assert (quiet(lambda: fill(out).to_dense()) == 0).all()
        return
    with pytest.raises(InitiumError, match=rf"{layout}|axes"):
        fill(out)
    assert (out.to_dense() == 7).all()


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged], ids=str)
def test_a_nested_tensor_holds_one_value_and_no_matrix(fill, layout):
    parts = [torch.full((2, 3), 7.0), torch.full((4, 3), 7.0)]
    out = quiet(lambda: torch.nested.nested_tensor(parts, layout=layout))
    if fill in CONSTANTS.values():
        assert all(len(part.unique()) == 1 for part in fill(out).unbind())
        return
    with pytest.raises(InitiumError, match="nested tensor"):
        fill(out)
    assert all((part == 7).all() for part in out.unbind())
    with pytest.raises(InitiumError, match="nested tensor"):
        init.fans(out)


def test_a_quantized_tensor_holds_one_value_and_no_matrix(fill):
    out = quiet(lambda: torch.quantize_per_tensor(shaped(fill), 0.5, 0, torch.quint8))
    if fill in CONSTANTS.values():
        assert len(fill(out).dequantize().unique()) == 1
        return
    with pytest.raises(InitiumError, match="quint8"):
        fill(out)
    assert (out.dequantize() == 7).all()


def test_the_parameter_of_a_lazy_module_is_refused(fill):
    for wanting in (fill, init.fans):
        with pytest.raises(InitiumError, match="lazy module"):
            wanting(UninitializedParameter())
    with pytest.raises(InitiumError, match="lazy module"):
        init.fans(quiet(lambda: torch.nn.LazyLinear(3)))


def test_a_tensor_of_inference_mode_is_filled_there_and_refused_outside(fill):
    with torch.inference_mode():
        out = shaped(fill)
        fill(out)
        assert not (out == 7).all()
        out.fill_(7)
    with pytest.raises(InitiumError, match="inference_mode"):
        fill(out)
    assert (out == 7).all()


def test_any_other_tensor_is_filled_inside_inference_mode(fill):
    out, parameter = shaped(fill), torch.nn.Parameter(shaped(fill))
    with torch.inference_mode():
        assert fill(out) is out
        assert fill(parameter) is parameter
    assert not out.is_inference()
    assert parameter.requires_grad


@pytest.fixture(scope="module")
def mesh():
    dist = pytest.importorskip("torch.distributed")
    if not (dist.is_available() and dist.is_gloo_available()):
        pytest.skip("this torch is built without gloo")
    from torch.distributed.device_mesh import init_device_mesh  # noqa: PLC0415  only where there is one

    quiet(lambda: dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore()))
    yield quiet(lambda: init_device_mesh("cpu", (1,)))
    dist.destroy_process_group()


def test_a_dtensor_holds_one_value_and_no_matrix(fill, mesh):
    from torch.distributed.tensor import Shard, distribute_tensor  # noqa: PLC0415  as above

    out = quiet(lambda: distribute_tensor(shaped(fill), mesh, [Shard(0)]))
    if fill in CONSTANTS.values():
        assert len(fill(out).to_local().unique()) == 1
        return
    with pytest.raises(InitiumError, match="DTensor"):
        fill(out)
    assert (out.to_local() == 7).all()
    assert init.fans(out) == init.fans(tuple(out.shape))
