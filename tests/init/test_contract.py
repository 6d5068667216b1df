"""One table: what holds for every initialiser, whatever it draws."""

import math

import numpy as np
import pytest
import torch

from initium import init
from initium.errors import ArgumentError, ArgumentTypeError, InitiumError

# name -> (call, shape, drawn?); the shape has unequal fans and is legal for the call.
TABLE = {
    "uniform_": (init.uniform_, (6, 4), True),
    "normal_": (init.normal_, (6, 4), True),
    "trunc_normal_": (init.trunc_normal_, (6, 4), True),
    "trunc_normal_ corrected": (lambda t, **k: init.trunc_normal_(t, 0, 0.5, -1, 1, corrected=True, **k), (6, 4), True),
    "constant_": (lambda t: init.constant_(t, 0.5), (6, 4), False),
    "ones_": (init.ones_, (6, 4), False),
    "zeros_": (init.zeros_, (6, 4), False),
    "eye_": (init.eye_, (6, 4), False),
    "dirac_": (lambda t: init.dirac_(t, 2), (6, 3, 3), False),
    "identity_": (init.identity_, (6, 4), False),
    "identity_ conv": (lambda t: init.identity_(t, 2.0), (6, 4, 3, 3), False),
    "xavier_uniform_": (init.xavier_uniform_, (6, 4, 3), True),
    "xavier_normal_": (init.xavier_normal_, (6, 4, 3), True),
    "kaiming_uniform_": (init.kaiming_uniform_, (6, 4, 3), True),
    "kaiming_normal_": (init.kaiming_normal_, (6, 4, 3), True),
    "he_uniform_": (lambda t, **k: init.he_uniform_(t, nonlinearity="gelu", **k), (6, 4, 3), True),
    "he_normal_": (lambda t, **k: init.he_normal_(t, nonlinearity="tanh", **k), (6, 4, 3), True),
    "lecun_uniform_": (init.lecun_uniform_, (6, 4), True),
    "lecun_normal_": (init.lecun_normal_, (6, 4), True),
    "variance_scaling_": (lambda t, **k: init.variance_scaling_(t, 2.0, "fan_geo_avg", **k), (6, 4), True),
    "orthogonal_": (init.orthogonal_, (6, 4), True),
    "orthogonal_ batch": (lambda t, **k: init.orthogonal_(t, batch_axes=1, **k), (2, 6, 4), True),
    "delta_orthogonal_": (init.delta_orthogonal_, (6, 4, 3, 3), True),
    "sparse_": (lambda t, **k: init.sparse_(t, 0.3, **k), (6, 4), True),
}
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64, torch.complex128]
DRAWN = {name: row for name, row in TABLE.items() if row[2]}


def seeded(row, out, seed=3):
    fill, _, drawn = row
    return fill(out, generator=torch.Generator().manual_seed(seed)) if drawn else fill(out)


@pytest.fixture(params=TABLE.values(), ids=TABLE)
def row(request):
    return request.param


@pytest.fixture(params=DRAWN.values(), ids=DRAWN)
def drawn(request):
    return request.param


def test_the_table_has_every_initialiser():
    names = {name for name in init.__all__ if name.endswith("_")} - {"glorot_normal_", "glorot_uniform_"}
    assert {name.split()[0] for name in TABLE} == names
    assert init.glorot_normal_ is init.xavier_normal_
    assert init.glorot_uniform_ is init.xavier_uniform_


def test_the_tensor_itself_comes_back(row):
    out = torch.empty(row[1])
    assert seeded(row, out) is out


def test_the_same_generator_state_gives_the_same_bits(drawn):
    first, again, other = (seeded(drawn, torch.empty(drawn[1]), seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_a_generator_manual_seed_decides(drawn):
    torch.manual_seed(3)
    first = drawn[0](torch.empty(drawn[1]))
    assert torch.equal(first, seeded(drawn, torch.empty(drawn[1])))
    assert not torch.equal(first, drawn[0](torch.empty(drawn[1])))


def test_strides_do_not_matter(row):
    shape = row[1]
    expected = seeded(row, torch.empty(shape))
    backwards = tuple(reversed(range(len(shape))))
    assert torch.equal(seeded(row, torch.empty(shape[::-1]).permute(backwards)), expected)
    assert torch.equal(seeded(row, torch.empty(*shape, 2)[..., 1]), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_has_the_same_values_up_to_rounding(row, dtype):
    out = seeded(row, torch.full(row[1], math.nan, dtype=dtype))
    single = seeded(row, torch.empty(row[1], dtype=torch.complex64 if dtype.is_complex else torch.float32))
    assert out.dtype == dtype
    # Matrices are rounded from float64, so their float64 has more digits than float32.
    eps = max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
    assert torch.allclose(out.to(torch.complex128), single.to(torch.complex128), rtol=eps, atol=0)


def test_an_empty_tensor_stays_as_it_is_and_draws_nothing(drawn):
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    shape = (0, *drawn[1][1:]) if "delta" not in str(drawn[0]) else (0, 0, *drawn[1][2:])
    fill = drawn[0]
    try:
        out = fill(torch.empty(shape), generator=generator)
    except UserWarning as warning:
        assert "no-op" in str(warning)  # noqa: PT017  the suite turns the warning into an error
    else:
        assert out.shape == shape
    assert torch.equal(generator.get_state(), before)


def test_a_meta_tensor_stays_as_it_is_and_draws_nothing(drawn):
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    out = torch.empty(drawn[1], device="meta")
    assert drawn[0](out, generator=generator) is out
    assert torch.equal(generator.get_state(), before)


def test_a_meta_tensor_is_welcome_everywhere(row):
    assert seeded(row, torch.empty(row[1], device="meta")).is_meta


@pytest.mark.parametrize("name", ["uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_"])
def test_a_scalar_is_a_tensor(name):
    assert seeded(TABLE[name], torch.tensor(math.nan)).isfinite()


def test_a_parameter_is_filled_and_still_wants_its_gradient(row):
    out = torch.nn.Parameter(torch.empty(row[1]))
    version = out._version
    seeded(row, out)
    assert out.requires_grad
    assert out.is_leaf
    assert out._version > version
    assert torch.equal(out.detach(), seeded(row, torch.empty(row[1])))


def test_integers_are_refused_and_the_generator_stays_put(drawn):
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    with pytest.raises(ArgumentTypeError, match="floating or complex"):
        drawn[0](torch.empty(drawn[1], dtype=torch.int64), generator=generator)
    assert torch.equal(generator.get_state(), before)


def test_an_expanded_tensor_is_refused_and_the_generator_stays_put(drawn):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with pytest.raises(ArgumentError, match="expanded"):
        drawn[0](torch.empty(*drawn[1][:-1], 1).expand(drawn[1]))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_no_tensor_is_refused(row):
    with pytest.raises(ArgumentTypeError, match=r"torch\.Tensor"):
        row[0]([1.0, 2.0])


def test_what_is_no_generator_is_refused(drawn):
    with pytest.raises(ArgumentTypeError, match=r"torch\.Generator"):
        drawn[0](torch.empty(drawn[1]), generator=3)


class Watched(torch.Tensor):
    """A subclass that sees what is called on it."""

    seen: list

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen.append(getattr(func, "__name__", ""))
        return super().__torch_function__(func, types, args, kwargs or {})


def test_a_subclass_sees_the_call_and_is_filled(row):
    Watched.seen = []
    out = torch.empty(row[1]).as_subclass(Watched)
    assert seeded(row, out) is out
    assert any(name.endswith("_") and hasattr(init, name) for name in Watched.seen)
    assert torch.equal(out.as_subclass(torch.Tensor), seeded(row, torch.empty(row[1])))


class Replaced(torch.Tensor):
    """A subclass that answers for itself."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__ if func in {init.normal_, init.orthogonal_, init.zeros_} else NotImplemented


@pytest.mark.parametrize("name", ["normal_", "orthogonal_", "zeros_"])
def test_a_subclass_can_answer_for_itself(name):
    assert getattr(init, name)(torch.empty(3, 3).as_subclass(Replaced)) == name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.xavier_normal_(torch.empty(10)), "fans need 2 or more axes"),
        (lambda: init.kaiming_normal_(torch.empty(10)), "For a bias use `zeros_`"),
        (lambda: init.lecun_normal_(torch.empty(())), "fans need 2 or more axes"),
        (lambda: init.xavier_normal_(torch.empty(3, 3), gain=-1.0), "gain must be >= 0"),
        (lambda: init.xavier_normal_(torch.empty(3, 3), gain=math.nan), "gain"),
        (lambda: init.xavier_normal_(torch.empty(3, 3), fans=init.Fans(0, 0)), "fan_in"),
        (lambda: init.xavier_normal_(torch.empty(3, 3), fans=(3, 3)), "Fans"),
        (lambda: init.kaiming_normal_(torch.empty(3, 3), fans=init.Fans(0, 3)), "fan_in must be > 0"),
        (lambda: init.kaiming_normal_(torch.empty(3, 3), mode="fan_avg"), "fan_in, fan_out"),
        (lambda: init.kaiming_normal_(torch.empty(3, 3), a=math.nan), "negative_slope"),
        (lambda: init.variance_scaling_(torch.empty(3, 3), mode="fan"), "fan_geo_avg"),
        (lambda: init.variance_scaling_(torch.empty(3, 3), distribution="cauchy"), "truncated_normal"),
        (lambda: init.variance_scaling_(torch.empty(3, 3), -1.0), "scale"),
        (lambda: init.he_normal_(torch.empty(3, 3), nonlinearity="gleu"), "gleu"),
        (lambda: init.eye_(torch.empty(3)), "dirac_"),
        (lambda: init.dirac_(torch.empty(3, 3)), "eye_"),
        (lambda: init.dirac_(torch.empty(3, 3, 3), groups=2), "2 groups"),
        (lambda: init.dirac_(torch.empty(3, 3, 3), groups=0), "0 groups"),
        (lambda: init.eye_(torch.empty(1, 3).expand(3, 3)), "expanded"),
        (lambda: init.identity_(torch.empty(3, 3), groups=3), "no groups"),
        (lambda: init.identity_(torch.empty(3, 3), gain=math.inf), "gain"),
        (lambda: init.identity_(torch.empty(3, 3, dtype=torch.int64)), "floating or complex"),
    ],
)
def test_a_refusal_says_what_to_do(call, message):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with pytest.raises(InitiumError, match=message):
        call()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("groups", [True, 2.0, np.float64(2), "2", None, 0, -1, 4, 10**30])
@pytest.mark.parametrize("fill", [init.dirac_, lambda w, g: init.identity_(w, 2.0, g)], ids=["dirac_", "identity_"])
def test_groups_that_are_no_divisor_change_nothing(fill, groups):
    out = torch.full((6, 3, 3), 7.0)
    with pytest.raises(InitiumError, match="groups"):
        fill(out, groups)
    assert (out == 7).all()


def test_numpys_integers_are_groups():
    assert torch.equal(init.dirac_(torch.empty(6, 3, 3), np.int64(2)), init.dirac_(torch.empty(6, 3, 3), 2))


NARROW = [torch.float8_e4m3fn, torch.float8_e5m2, torch.complex32]


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_every_narrow_dtype_has_the_same_values_up_to_rounding(row, dtype):
    if row is TABLE["identity_ conv"] or row[1] == (2, 6, 4):
        row = TABLE["identity_"]
    out = seeded(row, torch.empty(row[1]).to(dtype))
    wide = seeded(row, torch.empty(row[1], dtype=torch.complex64 if dtype.is_complex else torch.float32))
    assert torch.equal(out.to(wide.dtype), wide.to(dtype).to(wide.dtype))


def test_a_gain_that_the_dtype_cannot_hold_changes_nothing():
    out = torch.full((3, 3), 7.0, dtype=torch.float16)
    with pytest.raises(ArgumentError, match="gain"):
        init.identity_(out, 1e6)
    assert (out == 7).all()


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1e6, torch.float16),
        (10**400, torch.float32),
        (1e39, torch.float32),
        (300, torch.int8),
        (-1, torch.uint8),
        (0.5, torch.int64),
        (math.nan, torch.int64),
        (2, torch.bool),
        (1j, torch.float32),
        ("1", torch.float32),
        (torch.empty((), device="meta"), torch.float32),
        (torch.ones(2), torch.float32),
    ],
)
def test_a_constant_that_the_dtype_cannot_hold_changes_nothing(value, dtype):
    out = torch.ones(3, dtype=dtype)
    with pytest.raises(InitiumError, match="val"):
        init.constant_(out, value)
    assert (out == 1).all()


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1j, torch.complex64),
        (2**60 + 1, torch.int64),
        (math.inf, torch.float16),
        (True, torch.bool),
        (True, torch.float32),
        (np.float32(0.5), torch.float32),
        (torch.tensor([0.5], requires_grad=True), torch.float32),
        (2**70, torch.float64),
    ],
)
def test_a_constant_that_the_dtype_holds_is_written_as_it_is(value, dtype):
    wanted = value.detach() if isinstance(value, torch.Tensor) else float(value) if value == 2**70 else value
    assert (init.constant_(torch.zeros(3, dtype=dtype), value) == wanted).all()
