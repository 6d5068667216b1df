"""The law is the one that was drawn, and its std lies in the interval."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from torch import nn

from initium.audit._identify import identify
from initium.audit._law import ERROR, Law
from initium.audit._shapes import any_cut, cut_std, shapes
from initium.audit._values import SAMPLE, sampled, values_of

CUT = 0.8796256610342398
# A thousand audits of one parameter each would err in one, were the bounds tight.
LEVEL = 1e-6
Draw = Callable[[torch.Tensor], torch.Tensor]
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def law(tensor: torch.Tensor, parts: int = 1) -> Law:
    return identify(tensor, parts, LEVEL)[0]


def keras(tensor: torch.Tensor, std: float) -> torch.Tensor:
    """Keras's truncated normal: drawn again until it is within two."""
    drawn = torch.randn(tensor.shape)
    while (far := drawn.abs() > 2).any():
        drawn[far] = torch.randn(int(far.sum()))
    return tensor.copy_(drawn * std)


DRAWS: dict[str, tuple[str, Draw, Callable[[int, int], float]]] = {
    "normal": ("normal", lambda t: nn.init.normal_(t, std=0.02), lambda _i, _o: 0.02),
    "he normal": ("normal", lambda t: nn.init.kaiming_normal_(t, nonlinearity="relu"), lambda i, _: math.sqrt(2 / i)),
    "absolute bounds": ("normal", lambda t: nn.init.trunc_normal_(t, std=0.02), lambda _i, _o: 0.02),
    "glorot uniform": ("uniform", nn.init.xavier_uniform_, lambda i, o: math.sqrt(2 / (i + o))),
    "default": ("uniform", lambda t: nn.init.kaiming_uniform_(t, a=math.sqrt(5)), lambda i, _: math.sqrt(1 / 3 / i)),
    "cut": ("truncated_normal", lambda t: nn.init.trunc_normal_(t, std=0.1, a=-0.2, b=0.2), lambda _i, _o: 0.1 * CUT),
    "keras": ("truncated_normal", lambda t: keras(t, 0.1 / CUT), lambda _i, _o: 0.1),
    "orthogonal": (
        "orthogonal",
        lambda t: t.copy_(nn.init.orthogonal_(t.float(), 2.0)),
        lambda i, o: 2 / math.sqrt(max(i, o)),
    ),
    "sparse": ("sparse", lambda t: t.copy_(nn.init.sparse_(t.float(), 0.3)), lambda _i, _o: 0.01),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(40, 25), (25, 40), (96, 64), (300, 400)], ids=str)
@pytest.mark.parametrize("name", DRAWS)
def test_what_torch_and_keras_draw_is_recognised(name: str, shape: tuple[int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    kind, draw, std = DRAWS[name]
    # Older versions of torch draw a normal law in bfloat16 cut at 3.3 std, which is then recognised too.
    found = law(draw(torch.empty(shape)).to(dtype))
    assert found.kind == kind, found
    assert found.low <= std(shape[1], shape[0]) <= found.high


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_false_alarms_keep_to_their_level(kind: str) -> None:
    # Of 300 audits at level p, more than p 300 + 5 sqrt(p 300) + 1 errors have a chance below 1e-5.
    generator, level, times, wrong = torch.Generator().manual_seed(0), 0.01, 300, 0
    for _ in range(times):
        draw = torch.empty(32, 32)
        draw = draw.normal_(generator=generator) if kind == "normal" else draw.uniform_(-1, 1, generator=generator)
        found = identify(draw, 1, level)[0]
        std = 1.0 if kind == "normal" else 1 / math.sqrt(3)
        wrong += found.kind != kind or not found.low <= std <= found.high
    # Two laws' tests, an interval and a mean are four chances to err.
    expected = 4 * level * times
    assert wrong <= expected + 5 * math.sqrt(expected) + 1


def test_trained_weights_and_mixtures_are_no_law() -> None:
    generator = torch.Generator().manual_seed(0)
    two = torch.empty(64, 64).normal_(generator=generator)
    two[32:] *= 2
    assert law(two).kind == "other"
    assert law(torch.empty(64, 64).normal_(generator=generator) ** 3).kind == "other"


def test_the_interval_narrows_with_the_root_of_the_count() -> None:
    generator = torch.Generator().manual_seed(0)
    widths = []
    for count in (1_000, 100_000):
        found = law(torch.empty(count // 10, 10).normal_(generator=generator))
        widths.append(math.log(found.high / found.low))
    assert math.isclose(widths[0] / widths[1], 10, rel_tol=1e-3)
    wanted = 2 * NormalDist().inv_cdf(1 - LEVEL / 2) / math.sqrt(2 * 1_000)
    assert math.isclose(widths[0], wanted, rel_tol=1e-5)


def test_a_mean_is_part_of_the_law() -> None:
    torch.manual_seed(0)
    shifted = law(nn.init.normal_(torch.empty(2_000), 1.0, 0.02))
    assert shifted.kind == "normal"
    assert abs(shifted.mean - 1) < 6 * 0.02 / math.sqrt(2_000)
    assert law(torch.rand(2_000)).kind == "uniform"


def test_gates_that_are_orthogonal_each_are_told_from_one_tall_frame() -> None:
    torch.manual_seed(0)
    gates = torch.cat([nn.init.orthogonal_(torch.empty(32, 32)) for _ in range(4)])
    assert law(gates).text == "orthogonal in 4 blocks"
    assert law(gates, parts=4).value == pytest.approx(1, rel=1e-5)
    tall = law(nn.init.orthogonal_(torch.empty(128, 32)))
    assert tall.text == "orthogonal"
    wide = torch.cat([nn.init.orthogonal_(torch.empty(32, 48)) for _ in range(3)])
    assert law(wide).text == "orthogonal in 3 blocks"


def test_what_is_exact_is_seen_exactly() -> None:
    torch.manual_seed(0)
    assert law(torch.zeros(8, 8)).text == "zeros"
    assert law(torch.ones(8)).text == "ones"
    assert law(torch.full((8,), 0.5)).text == "constant 0.5"
    assert law(nn.init.eye_(torch.empty(8, 12))).text == "eye"
    assert law(nn.init.dirac_(torch.empty(16, 4, 3, 3), 4)).text == "dirac"
    assert law(torch.tensor([0.0] * 8 + [1.0] * 8 + [0.0] * 16)).kind == "blocks"
    delta = torch.zeros(32, 16, 3, 3)
    delta[:, :, 1, 1] = nn.init.orthogonal_(torch.empty(32, 16))
    assert law(delta).kind == "delta_orthogonal"
    assert law(torch.tensor([1.0, math.nan])).kind == "nonfinite"
    assert law(torch.arange(4)).kind == "integers"
    assert law(torch.empty(0, 3)).kind == "empty"
    assert law(torch.empty(3, 3, device="meta")).kind == "empty"


def test_a_row_of_padding_does_not_hide_the_law() -> None:
    torch.manual_seed(0)
    found = law(nn.Embedding(500, 16, padding_idx=3).weight)
    assert found.kind == "normal"
    assert found.notes == ("zero rows: 1 of 500 (3)",)


def test_an_outlier_is_noted_beside_the_law() -> None:
    torch.manual_seed(0)
    weight = nn.init.normal_(torch.empty(64, 64), std=0.02)
    weight[3, 4] = 2.0
    assert law(weight).kind == "normal"
    assert law(weight).notes[0].startswith("outliers: 1 of 4096")


def test_an_outlier_outside_the_sample_is_seen() -> None:
    torch.manual_seed(0)
    weight = nn.init.normal_(torch.empty(4 * SAMPLE), std=0.02)
    taken = set(sampled(torch.arange(4 * SAMPLE)).tolist())
    assert len(taken) == SAMPLE
    weight[next(place for place in range(4 * SAMPLE) if place not in taken)] = 2.0
    assert any(note.startswith("outliers") for note in law(weight).notes)


def test_copies_are_found_wherever_they_are() -> None:
    torch.manual_seed(0)
    shard = nn.init.normal_(torch.empty(16, 64))
    rows, columns = identify(shard.repeat(4, 1), 1, LEVEL)[1], identify(shard.repeat(1, 2), 1, LEVEL)[1]
    assert rows
    assert columns
    assert (rows.what, rows.count, rows.first) == ("rows", 48, (0, 16))
    assert (columns.what, columns.count) == ("columns", 64)
    one = nn.init.normal_(torch.empty(64, 64))
    one[50] = one[7]
    found = identify(one, 1, LEVEL)[1]
    assert found
    assert (found.count, found.first) == (1, (7, 50))
    assert identify(nn.init.normal_(torch.empty(64, 64)), 1, LEVEL)[1] is None
    # In bfloat16 so many pairs of values agree by chance that two equal rows of two say nothing.
    assert identify(nn.init.normal_(torch.empty(5_000, 2, dtype=torch.bfloat16)), 1, LEVEL)[1] is None


@pytest.mark.parametrize("cut", [1.0, 2.0, 3.0])
def test_the_std_of_a_cut_normal_is_the_integral_s(cut: float) -> None:
    x = np.linspace(-cut, cut, 200_001)
    density = np.exp(-x * x / 2)
    assert cut_std(cut) == pytest.approx(math.sqrt(trapezoid(x * x * density, x) / trapezoid(density, x)), rel=1e-8)


def test_any_cut_is_found_from_its_ends_and_its_spread() -> None:
    torch.manual_seed(0)
    values = values_of(nn.init.trunc_normal_(torch.empty(60_000), std=1.0, a=-1.5, b=1.5))
    found = any_cut(values, 0.0)
    assert found
    assert found.cut == pytest.approx(1.5, rel=0.02)
    assert max(each.chance for each in shapes(values, 0.0)) < ERROR
