"""Short fills: what is kept of one to make the next quick changes nothing that can be seen."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from initium import init
from initium.errors import ArgumentError, ArgumentTypeError
from initium.random import Once, Stream, normal_, orthogonal_, trunc_normal_, uniform_
from initium.random import _choice as choice
from initium.random import _fill as fills
from initium.random._threads import ALONE

STREAM = Stream(0).child("layers.0.weight")
FILLS = {
    "normal": (normal_, (0.25, 2.0)),
    "uniform": (uniform_, (-1, 1.5)),
    "truncated": (trunc_normal_, (0.0, 1.0, -2, 2)),
}
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


@pytest.fixture(autouse=True)
def _from_the_start(monkeypatch):
    """Numba is loaded already, and nothing is kept."""
    monkeypatch.delenv("INITIUM_BACKEND", raising=False)
    monkeypatch.setattr(choice._RENT, "paid", choice.PRICE)
    monkeypatch.setattr(fills, "_known", {})


@pytest.fixture
def slow(monkeypatch):
    """Values by the long way."""

    def made(fill, numbers, count, dtype, start=0):
        with monkeypatch.context() as patch:
            patch.setenv("INITIUM_BACKEND", "reference")
            return fill(torch.empty(count, dtype=dtype), STREAM, *numbers, start=start)

    return made


def same(found, wanted):
    return torch.equal(found.view(torch.uint8), wanted.view(torch.uint8))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", FILLS)
def test_the_second_fill_has_the_bits_of_the_reference_for_every_length_and_start(case, dtype, slow):
    fill, numbers = FILLS[case]
    fill(torch.empty(8, dtype=dtype), STREAM, *numbers)
    assert len(fills._known) == 1
    for count in (1, 3, 1000, 1024, ALONE - 1, ALONE, ALONE + 1):
        assert same(fill(torch.empty(count, dtype=dtype), STREAM, *numbers), slow(fill, numbers, count, dtype)), count
    assert same(fill(torch.empty(9, dtype=dtype), STREAM, *numbers, start=5), slow(fill, numbers, 9, dtype, 5))
    assert len(fills._known) == 1


def test_views_are_filled_where_they_lie_and_nothing_beside_them_is(slow):
    fill, numbers = FILLS["normal"]
    whole = torch.zeros(6, 40)
    fill(torch.empty(1), STREAM, *numbers)
    fill(whole[2:4], STREAM, *numbers)
    assert same(whole[2:4].reshape(-1), slow(fill, numbers, 80, torch.float32))
    assert not whole[:2].any()
    assert not whole[4:].any()
    across = fill(torch.zeros(40, 6)[:, 1:3], STREAM, *numbers)
    assert same(across.reshape(-1), slow(fill, numbers, 80, torch.float32))
    turned = fill(torch.zeros(8, 10).T, STREAM, *numbers)
    assert same(turned.reshape(-1), slow(fill, numbers, 80, torch.float32))


def test_a_negated_view_gets_the_values_themselves():
    normal_(torch.empty(1), STREAM)
    negated = torch.zeros(1, dtype=torch.complex64).conj().imag
    assert negated.is_neg()
    assert negated.is_contiguous()
    assert torch.equal(normal_(negated, STREAM).resolve_neg(), normal_(torch.empty(1), STREAM))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: normal_(torch.empty(5), Stream(0)), ArgumentError),
        (lambda: normal_(torch.empty(5), "layers.0.weight"), ArgumentTypeError),
        (lambda: normal_(torch.empty(5), STREAM, mean=True), ArgumentTypeError),
        (lambda: normal_(torch.empty(5), STREAM, start=-1), ArgumentError),
        (lambda: normal_(torch.empty(5), STREAM, start=0.0), ArgumentTypeError),
        (lambda: normal_(torch.empty(1).expand(5), STREAM), ArgumentError),
        (lambda: normal_(torch.empty(5, dtype=torch.int64), STREAM), ArgumentTypeError),
        (lambda: normal_([0.0] * 5, STREAM), ArgumentTypeError),
        (lambda: normal_(torch.empty(5), STREAM, float("nan")), ArgumentError),
    ],
)
def test_what_is_wrong_is_still_refused(wrong, error):
    normal_(torch.empty(5), STREAM)
    normal_(torch.empty(5), STREAM, 1)
    with pytest.raises(error):
        wrong()


def test_memory_that_was_freed_is_still_refused():
    out = normal_(torch.empty(5), STREAM)
    out.untyped_storage().resize_(0)
    with pytest.raises(ArgumentError, match="storage was freed"):
        normal_(out, STREAM)


def test_inference_tensors_are_still_refused_outside():
    normal_(torch.empty(5), STREAM)
    with torch.inference_mode():
        out = normal_(torch.zeros(5), STREAM)
    with pytest.raises(ArgumentError, match="inference"):
        normal_(out, STREAM)


def test_a_number_in_a_tensor_is_read_each_time():
    std, out = torch.tensor(1.0), torch.empty(5)
    once = normal_(out, STREAM, 0.0, std).clone()
    std.fill_(2.0)
    assert torch.equal(normal_(out, STREAM, 0.0, std), 2 * once)
    assert not fills._known


def test_autograd_still_learns_of_the_change():
    weight = torch.nn.Parameter(torch.ones(3))
    normal_(torch.empty(3), STREAM)
    loss = (weight * weight).sum()
    normal_(weight, STREAM)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_transform_still_sees_every_operation():
    def drawn(x):
        return x * normal_(torch.empty(3), Once(torch.Generator().manual_seed(1)))

    x = torch.ones(3)
    for _ in range(2):
        plain = drawn(x)
    assert torch.equal(torch.func.grad(lambda x: drawn(x).sum())(x), plain)
    assert torch.equal(torch.func.vmap(drawn, randomness="same")(x.expand(2, 3)), plain.expand(2, 3))


def test_the_variable_still_decides(monkeypatch):
    normal_(torch.empty(5), STREAM)
    monkeypatch.setenv("INITIUM_BACKEND", "abacus")
    with pytest.raises(ArgumentError, match="abacus"):
        normal_(torch.empty(5), STREAM)


def test_what_is_kept_has_an_end(monkeypatch):
    monkeypatch.setattr(fills, "MOST", 3)
    for mean in range(10):
        normal_(torch.empty(5), STREAM, mean)
        assert 1 <= len(fills._known) <= 3


def test_each_thread_draws_its_keys_apart():
    def drawn(seed):
        generator = torch.Generator().manual_seed(seed)
        return [normal_(torch.empty(4), Once(generator)).tolist() for _ in range(50)]

    alone = [drawn(seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(drawn, range(16))) == alone


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.empty(8, 4).t(),
        lambda: torch.empty(8, dtype=torch.complex64),
        lambda: torch.empty(300, 300).t(),
        lambda: torch.empty(8, dtype=torch.float8_e5m2),
        lambda: torch.empty(8, 8),
    ],
)
def test_freed_memory_is_refused_in_every_layout(make, warm):
    if warm:
        normal_(torch.empty(5), STREAM)
    for fill in (lambda out: normal_(out, STREAM), lambda out: orthogonal_(out, STREAM), init.zeros_, init.eye_):
        out = make()
        if fill is init.eye_ and out.ndim != 2:
            continue
        out.untyped_storage().resize_(0)
        with pytest.raises(ArgumentError, match=r"storage was freed|2 or more axes|float8"):
            fill(out)


def test_a_functional_tensor_is_filled_by_operations():
    normal_(torch.empty(5), STREAM)
    wanted = normal_(torch.empty(5), STREAM)
    found = torch.func.functionalize(lambda: normal_(torch.empty(5), STREAM))()
    assert torch.equal(found, wanted)


@pytest.mark.filterwarnings("ignore")
def test_a_trace_of_torchscript_leaves_later_fills_alone():
    normal_(torch.empty(5), STREAM)
    with contextlib.suppress(RuntimeError):  # TorchScript does not take every operation
        torch.jit.trace(lambda x: x + normal_(torch.empty(3), STREAM), torch.zeros(3), check_trace=False)
    assert type(choice._RENT.paid) is int
    assert torch.equal(normal_(torch.empty(3), STREAM), normal_(torch.empty(5), STREAM)[:3])


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a .functools.lru_cache")
def test_a_compiled_function_fills_as_the_plain_one_does():
    torch._dynamo.reset()
    start = torch.compile(init.normal_, backend="eager")
    for _ in range(2):
        torch.manual_seed(3)
        found = start(torch.empty(7))
        torch.manual_seed(3)
        assert torch.equal(found, init.normal_(torch.empty(7)))
    torch._dynamo.reset()


def test_a_refused_complex_fill_leaves_the_generator_alone(monkeypatch):
    monkeypatch.setenv("INITIUM_BACKEND", "abacus")
    generator = torch.Generator().manual_seed(1)
    with pytest.raises(ArgumentError):
        normal_(torch.empty(3, dtype=torch.complex64), Once(generator))
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(1).get_state())


def test_a_number_that_cannot_be_hashed_is_still_a_number():
    class Odd:
        def __float__(self):
            return 2.0

        def __hash__(self):
            raise RuntimeError("no hash")

    assert torch.equal(normal_(torch.empty(5), STREAM, 0.0, Odd()), normal_(torch.empty(5), STREAM, 0.0, 2.0))
