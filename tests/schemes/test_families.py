"""What single families do beside the contract: slopes, gains, vectors."""

import math

import pytest
import torch

from initium.errors import ArgumentError, PlanError
from initium.gains import Activation, gain
from initium.network import Neighbour
from initium.records import Normal, Orthogonal, Packed
from initium.schemes import glorot_normal, he_normal, he_uniform, normal, orthogonal, rows, uniform


@pytest.fixture(scope="session")
def fill(network):
    return lambda scheme, given: rows(network(given), scheme)[0].fill


@pytest.mark.parametrize("slope", [0.01, 0.2, 1.0])
@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 6), ("fan_out", 24)])
def test_he_reads_the_slope_of_what_follows(fill, facts, slope, mode, fan):
    after = Activation("leaky_relu", (("negative_slope", slope),))
    std = math.sqrt(2 / ((1 + slope**2) * fan))
    assert fill(he_normal(mode), facts(after=after)).std == pytest.approx(std, rel=1e-14)
    assert fill(he_uniform(mode), facts(after=after)).bound == pytest.approx(math.sqrt(3) * std, rel=1e-14)


@pytest.mark.parametrize("after", [Activation("gelu"), Activation("tanh"), "output"], ids=str)
def test_he_has_slope_0_where_no_rectifier_follows_and_says_so(facts, network, after):
    (row,) = rows(network(facts(after=after)), he_normal())
    assert row.fill == Normal(math.sqrt(2) / math.sqrt(6))
    assert "slope 0" in row.reason


def test_orthogonal_takes_the_gain_of_what_follows(fill, facts):
    assert fill(orthogonal(), facts(after=Activation("relu"))) == Orthogonal(gain("relu"))
    assert fill(orthogonal(), facts(after=Activation("gelu"))) == Orthogonal(gain("gelu"))
    assert fill(orthogonal(), facts(after="norm")) == Orthogonal(1.0)


def test_orthogonal_takes_gain_1_where_what_follows_has_none(fill, facts):
    assert fill(orthogonal(), facts(after=Neighbour("activation", "nil", lambda x: x * 0))) == Orthogonal(1.0)


def test_a_given_gain_wins_over_what_follows(fill, facts):
    assert fill(orthogonal(0.5), facts(after=Activation("relu"))) == Orthogonal(0.5)


def test_a_stack_of_stacks_is_packed_twice(fill, facts):
    given = facts(shape=(2, 3, 8, 4), layout="batched", fan_in=8, fan_out=4, parts=2)
    assert fill(orthogonal(), given) == Packed(0, 2, Packed(0, 3, Orthogonal(1.0)))


def test_a_map_to_several_heads_is_one_matrix_where_only_the_whole_sums_fan_in(fill, facts):
    by_row = facts(shape=(16, 4, 8), layout="batched", fan_in=16, fan_out=32, parts=16)
    by_head = facts(shape=(4, 16, 8), layout="batched", fan_in=16, fan_out=32, parts=4)
    assert fill(orthogonal(), by_row) == Orthogonal(1.0)
    assert fill(orthogonal(), by_head) == Packed(0, 4, Orthogonal(1.0))


def test_a_vector_takes_the_length_that_an_orthonormal_row_has(fill, facts):
    assert fill(orthogonal(2.0), facts(shape=(16,), fan_in=16, fan_out=1)) == Normal(0.5)


def test_a_stack_of_one_law_knows_no_fan(fill, facts):
    assert fill(normal(0.3), facts(shape=(3, 3), fan_in=None, fan_out=None)) == Normal(0.3)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: normal(-1.0), "std"),
        (lambda: normal(math.inf), "std"),
        (lambda: uniform(math.nan), "bound"),
        (lambda: orthogonal(-2.0), "gain"),
        (lambda: glorot_normal(-2.0), "std"),
        (lambda: he_normal("fan_avg"), "fan_avg"),
    ],
)
def test_an_argument_out_of_range_is_refused_by_name(make, named):
    with pytest.raises(ArgumentError, match=named):
        make()


def test_a_weight_that_sums_nothing_is_refused_with_the_cure(facts, network):
    empty = facts(name="0.weight", shape=(5, 0), fan_in=0, fan_out=5)
    with pytest.raises(PlanError, match=r"`0\.weight` has shape \(5, 0\).*\"keep\""):
        rows(network(empty), he_normal())


def test_schemes_touch_no_generator(everything):
    before = torch.get_rng_state()
    rows(everything, orthogonal())
    assert torch.equal(torch.get_rng_state(), before)
