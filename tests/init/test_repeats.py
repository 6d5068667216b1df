"""The same call once more goes in few steps, and to the same values; a stream stands for a generator."""

import pytest
import torch

from initium import init
from initium.errors import ArgumentError, ArgumentTypeError
from initium.random import Repeats, Stream
from initium.random import _choice as choice

CALLS = {
    "normal": lambda w, **k: init.normal_(w, 0.5, 2, **k),
    "uniform": lambda w, **k: init.uniform_(w, -1, 3.0, **k),
    "trunc": lambda w, **k: init.trunc_normal_(w, std=0.02, a=-0.04, b=0.04, **k),
    "trunc corrected": lambda w, **k: init.trunc_normal_(w, 0.0, 0.02, -0.04, 0.04, corrected=True, **k),
    "kaiming normal": lambda w, **k: init.kaiming_normal_(w, 0.1, mode="fan_out", **k),
    "kaiming uniform": lambda w, **k: init.kaiming_uniform_(w, nonlinearity="relu", **k),
    "he normal": lambda w, **k: init.he_normal_(w, nonlinearity="gelu", **k),
    "he uniform": lambda w, **k: init.he_uniform_(w, 0.2, fans=init.Fans(3, 5), **k),
    "he of a layer": lambda w, **k: init.he_normal_(w, nonlinearity=torch.nn.SiLU(), **k),
    "xavier normal": lambda w, **k: init.xavier_normal_(w, 2, **k),
    "xavier uniform": lambda w, **k: init.xavier_uniform_(w, gain=2.0, **k),
    "scaling": lambda w, **k: init.variance_scaling_(w, 2.0, "fan_avg", "truncated_normal", **k),
    "lecun normal": init.lecun_normal_,
    "lecun uniform": init.lecun_uniform_,
}
NOT_KEPT = {"he of a layer"}
TRUTH = True


@pytest.fixture(autouse=True)
def _numba_is_loaded(monkeypatch):
    monkeypatch.delenv("INITIUM_BACKEND", raising=False)
    monkeypatch.setattr(choice._RENT, "paid", choice.PRICE)


@pytest.fixture
def quick(monkeypatch):
    """How many calls went in few steps."""
    taken = []
    fill = Repeats.fill

    def counted(*args):
        taken.append(fill(*args))
        return taken[-1]

    monkeypatch.setattr(Repeats, "fill", counted)
    return taken


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", CALLS)
def test_the_second_call_has_the_bits_of_the_first_and_draws_as_much(case, dtype, quick):
    fill, found = CALLS[case], []
    for _ in range(3):
        generator = torch.Generator().manual_seed(7)
        found.append((fill(torch.empty(20, 30, dtype=dtype), generator=generator), generator.get_state()))
    assert quick[-1] is (case not in NOT_KEPT)
    for weight, state in found[1:]:
        assert torch.equal(weight.view(torch.uint8), found[0][0].view(torch.uint8))
        assert torch.equal(state, found[0][1])


@pytest.mark.parametrize("case", CALLS)
def test_another_shape_is_another_law_and_other_keys_are_other_values(case):
    fill = CALLS[case]
    for shape in ((20, 30), (20, 60), (60, 20), (20, 30, 3)):
        torch.manual_seed(1)
        first, second = fill(torch.empty(shape)), fill(torch.empty(shape))
        assert not torch.equal(first, second)
        torch.manual_seed(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("INITIUM_BACKEND", "reference")
            assert torch.equal(fill(torch.empty(shape)), first)


@pytest.mark.parametrize("case", CALLS)
def test_a_named_stream_stands_for_a_generator_and_draws_from_none(case):
    fill, before = CALLS[case], torch.get_rng_state()
    stream = Stream(3).child("layer.weight")
    first, again = (fill(torch.empty(20, 30), generator=stream) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, fill(torch.empty(20, 30), generator=Stream(3).child("other.weight")))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_matrix_takes_a_stream_too():
    stream = Stream(3).child("layer.weight")
    for fill in (init.orthogonal_, lambda w, generator: init.sparse_(w, 0.5, generator=generator)):
        assert torch.equal(fill(torch.empty(8, 8), generator=stream), fill(torch.empty(8, 8), generator=stream))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: init.normal_(torch.empty(20, 30), TRUTH, 1), ArgumentTypeError),
        (lambda: init.normal_(torch.empty(20, 30), 0, 1, generator=7), ArgumentTypeError),
        (lambda: init.normal_(torch.empty(20, 30), 0, 1, generator=Stream(7)), ArgumentError),
        (lambda: init.normal_(torch.empty(20, 30), 0, 1, 7), ArgumentTypeError),
        (lambda: init.normal_(torch.empty(20, 1).expand(20, 30), 0, 1), ArgumentError),
        (lambda: init.normal_([[0.0] * 30] * 20, 0, 1), ArgumentTypeError),
        (lambda: init.normal_(torch.empty(20, 30), [0], 1), ArgumentTypeError),
        (lambda: init.normal_(torch.empty(20, 30), 0, 1, seed=1), TypeError),
        (lambda: init.normal_(torch.empty(20, 30), 0, 1, mean=1), TypeError),
        (init.normal_, TypeError),
    ],
)
def test_what_is_wrong_is_still_refused(wrong, error):
    for _ in range(2):
        init.normal_(torch.empty(20, 30), 0, 1)
    state = torch.get_rng_state()
    with pytest.raises(error):
        wrong()
    assert torch.equal(torch.get_rng_state(), state)


def test_a_number_in_a_tensor_is_read_each_time():
    std = torch.tensor(1.0)
    once = init.normal_(torch.empty(5), 0.0, std, generator=torch.Generator().manual_seed(1))
    std.fill_(2.0)
    twice = init.normal_(torch.empty(5), 0.0, std, generator=torch.Generator().manual_seed(1))
    assert torch.equal(twice, 2 * once)


def test_a_generator_by_position_is_the_same_generator():
    first, again = (init.normal_(torch.empty(5), 0.0, 1.0, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first, init.normal_(torch.empty(5), generator=torch.Generator().manual_seed(1)))
