"""Every check on hand-made records: the illness is found, its twin is clean."""

import math
from dataclasses import replace

import pytest

from diagnose.handmade import RELU, acting, healthy, perceptron, row, travelled, with_rows
from initium.diagnose import CHECKS, examine
from initium.network import Neighbour, Network
from initium.records import SEVERITIES, Signal

HE = math.sqrt(2)
DEEP = perceptron(30, 128)


def codes(network: Network, signal: Signal, least: str = "warning") -> list[str]:
    worst = SEVERITIES[: SEVERITIES.index(least) + 1]
    return [finding.code for finding in examine(network, signal) if finding.severity in worst]


def test_every_check_is_in_the_table_under_the_code_that_it_finds() -> None:
    assert list(CHECKS) == list(dict.fromkeys(CHECKS))
    sick = with_rows(travelled(DEEP, 1.0), range(30), distinct=0.0, weight_std=0.0)
    for code, check in CHECKS.items():
        assert {finding.code for finding in check(DEEP, sick)} <= {code}


def test_a_critical_network_is_clean_at_any_depth() -> None:
    for depth in (2, 5, 30, 300):
        network = perceptron(depth, 128)
        assert examine(network, travelled(network, HE)) == ()


def test_glorot_before_relu_is_vanishing_with_its_cause() -> None:
    first, *rest = examine(DEEP, travelled(DEEP, 1.0))
    assert (first.code, first.severity) == ("vanishing-gradient", "error")
    assert first.measured == pytest.approx(2**-14, rel=1e-9)
    assert "multiplies the second moment by 1/2 (predicted), 0.5 (measured)" in first.cause
    assert first.layers[0] == "0.weight"
    assert {finding.code for finding in rest} == {"vanishing-signal", "gain-mismatch"}


def test_glorot_is_named_where_the_widths_tell_it_from_lecun() -> None:
    network = perceptron(30, 128)
    uses = (replace(network.uses[0], fan_in=64.0), *network.uses[1:])
    network = replace(network, uses=uses)
    signal = with_rows(travelled(network, 1.0), range(1), weight_rms=math.sqrt(2 / 192), weight_std=math.sqrt(2 / 192))
    assert examine(network, signal)[0].cause.startswith("Glorot before ReLU")


def test_the_gradient_alone_may_vanish() -> None:
    signal = healthy(DEEP)
    rows = tuple(replace(each, grad_rms=1e-3 * 0.5 ** (29 - place)) for place, each in enumerate(signal.rows))
    assert codes(DEEP, replace(signal, rows=rows)) == ["vanishing-gradient"]


def test_the_signal_alone_may_vanish_while_the_std_of_all_elements_stands() -> None:
    signal = healthy(DEEP)
    rows = tuple(replace(each, unit_std=0.5**place) for place, each in enumerate(signal.rows))
    assert codes(DEEP, replace(signal, rows=rows)) == ["vanishing-signal"]


def test_a_large_gain_explodes() -> None:
    found = codes(DEEP, travelled(DEEP, 3.0), "error")
    assert found == ["exploding-signal", "exploding-gradient"]


def test_three_steps_that_a_thousand_overshoot_are_enough() -> None:
    assert codes(perceptron(4, 128), travelled(perceptron(4, 128), 20.0), "error")[0] == "exploding-signal"


def test_a_gradient_that_ends_in_nothing_is_no_fault_of_one_layer() -> None:
    signal = travelled(DEEP, 0.1)
    signal = with_rows(signal, range(20), grad_rms=0.0)
    first = next(each for each in examine(DEEP, signal) if each.code == "vanishing-gradient")
    assert first.severity == "error"
    assert "one layer" not in first.cause


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_shallow_networks_have_no_slopes(depth: int) -> None:
    network = perceptron(depth, 128)
    assert codes(network, travelled(network, 0.577)) == []


def test_a_norm_makes_scale_free() -> None:
    network = perceptron(30, 128, normalised=True)
    assert codes(network, travelled(network, 1.0)) == []


def test_the_chance_of_a_narrow_draw_is_no_fault() -> None:
    network = perceptron(30, 8)
    signal = healthy(network)
    # One standard deviation of the log of the norm, and its drift: Hanin & Nica.
    fall = math.exp(-(5 * 29 / (4 * 8)) - math.sqrt(5 * 29 / (4 * 8)))
    rows = tuple(replace(each, unit_std=fall ** (place / 29)) for place, each in enumerate(signal.rows))
    assert codes(network, replace(signal, rows=rows)) == []


def test_one_bad_layer_is_named_with_its_factor() -> None:
    network = perceptron(12, 128)
    signal = travelled(network, HE)
    small = signal.rows[5].weight_rms * 1e-5
    signal = with_rows(signal, range(5, 12), unit_std=1e-5, out_rms=1e-5, out_std=1e-5)
    signal = with_rows(signal, range(5), grad_rms=1e-8)
    signal = with_rows(signal, range(5, 6), weight_rms=small, weight_std=small)
    first = examine(network, signal)[0]
    assert (first.code, first.severity) == ("vanishing-gradient", "warning")
    assert "`5.weight` multiplies the gradient by 1.0e-5" in first.cause


def test_the_wide_layers_gradient_is_no_fall() -> None:
    network = perceptron(12, 64)
    uses = tuple(
        replace(use, fan_out=256.0 if place % 2 else 64.0, fan_in=64.0) for place, use in enumerate(network.uses)
    )
    network = replace(network, uses=uses)
    signal = healthy(network)
    factors = [math.prod(math.sqrt(use.fan_out / use.fan_in) for use in uses[place + 1 : -1]) for place in range(12)]
    rows = tuple(replace(each, grad_rms=1e-3 * factors[place]) for place, each in enumerate(signal.rows))
    assert codes(network, replace(signal, rows=rows)) == []


def test_equal_units_are_symmetric() -> None:
    network = perceptron(4, 32)
    signal = with_rows(healthy(network), range(3), distinct=0.0, weight_std=0.0)
    assert codes(network, signal)[0] == "symmetry"


def test_a_zero_weight_with_a_gradient_of_its_own_is_no_symmetry() -> None:
    network = perceptron(6, 32)
    signal = with_rows(healthy(network), range(5, 6), weight_rms=0.0, weight_std=0.0, out_rms=0.0, unit_std=0.0)
    signal = with_rows(signal, range(5), grad_rms=0.0, weight_grad_norm=0.0)
    assert codes(network, signal) == []


def test_a_weight_that_is_used_again_is_symmetric_only_if_every_use_is() -> None:
    network = perceptron(4, 32)
    uses = (*network.uses[:2], replace(network.uses[2], name="1.weight", index=1), network.uses[3])
    shared = replace(network, uses=uses, parameters=tuple(network.parameters[place] for place in (0, 1, 3)))
    signal = healthy(network)
    rows = [replace(each, name=use.name, use=use.index) for each, use in zip(signal.rows, uses, strict=True)]
    one = replace(signal, rows=(rows[0], replace(rows[1], distinct=0.0, weight_std=0.0), *rows[2:]))
    assert codes(shared, one) == []
    both = replace(one, rows=(*one.rows[:2], replace(rows[2], distinct=0.0, weight_std=0.0), rows[3]))
    assert codes(shared, both) == ["symmetry"]


def test_weights_of_one_value_are_suspect_even_where_biases_differ() -> None:
    network = perceptron(4, 32)
    signal = with_rows(healthy(network), range(4), weight_std=0.0)
    assert [(each.code, each.severity) for each in examine(network, signal)] == [("symmetry", "warning")]


def test_zero_weights_behind_random_biases_answer_the_same_to_everything() -> None:
    network = perceptron(4, 32)
    signal = with_rows(healthy(network), range(4), weight_std=0.0, weight_rms=0.0, unit_std=0.0)
    first, *rest = examine(network, signal)
    assert (first.code, first.severity, rest) == ("vanishing-signal", "error", [])
    assert "3 of the 3 weights are zero throughout" in first.cause


def test_units_that_underflow_are_not_symmetric() -> None:
    network = perceptron(4, 32)
    signal = with_rows(healthy(network), range(2, 4), distinct=0.0, unit_std=0.0, out_rms=0.0, out_std=0.0)
    assert "symmetry" not in codes(network, signal)


@pytest.mark.parametrize(("share", "found"), [(0.5, False), (0.65, False), (0.72, True), (1.0, True)])
def test_more_dead_units_than_coins_can_give_are_a_fault(share: float, *, found: bool) -> None:
    network = perceptron(4, 128)
    signal = with_rows(healthy(network), range(1, 2), dead=share)
    assert ("dead-units" in codes(network, signal)) == found


def test_a_wholly_dead_network_is_an_error() -> None:
    network = perceptron(4, 128)
    signal = with_rows(healthy(network), range(3), dead=1.0, out_mean=-9.0, out_rms=9.0, bias_rms=9.0)
    first = examine(network, signal)[0]
    assert (first.code, first.severity) == ("dead-units", "error")
    assert "the bias of `0.weight` has rms 9" in first.cause


@pytest.mark.parametrize(("units", "found"), [(1, False), (2, True), (8, True), (16, True)])
def test_a_wholly_dead_layer_of_a_few_units_is_found(units: int, *, found: bool) -> None:
    network = perceptron(4, units)
    blocked = with_rows(healthy(network), range(1, 4), unit_std=0.0, out_mean=-0.5)
    signal = with_rows(blocked, range(1, 2), dead=1.0)
    assert ("dead-units" in codes(network, signal)) == found
    if found:
        (finding,) = (each for each in examine(network, signal) if each.code == "dead-units")
        assert f"all {units} lie on the flat side" in finding.cause


def test_saturated_layers_name_the_gain() -> None:
    network = perceptron(5, 128, "tanh")
    size = 8 / math.sqrt(128)
    signal = with_rows(
        healthy(network), range(4), saturated=0.8, out_std=8.0, out_rms=8.0, weight_rms=size, weight_std=size
    )
    first = examine(network, signal)[0]
    assert (first.code, first.severity) == ("saturation", "error")
    assert "gain 8" in first.cause


def test_a_large_input_is_blamed_on_the_input() -> None:
    network = perceptron(5, 128, "tanh")
    signal = with_rows(healthy(network), range(1), saturated=0.8, out_std=30.0)
    finding = next(each for each in examine(network, signal) if each.code == "saturation")
    assert finding.severity == "warning"
    assert "input is too large" in finding.cause
    assert (finding.fix, finding.expected) == ("", pytest.approx(0.03, abs=0.01))


@pytest.mark.parametrize("gain", [1.0, 1.2, 1.59])
def test_every_gain_between_glorots_and_the_exact_one_is_right_before_tanh(gain: float) -> None:
    network = perceptron(20, 128, "tanh")
    signal = with_rows(healthy(network), range(20), weight_rms=gain / math.sqrt(128), out_rms=0.7)
    assert codes(network, signal, "info") == []


def test_a_mismatch_that_is_not_measured_is_worth_an_info() -> None:
    deep = perceptron(20, 128)
    signal = with_rows(travelled(deep, 0.1), range(20), out_std=1.0, unit_std=1.0, grad_rms=1e-3)
    assert [(each.code, each.severity) for each in examine(deep, signal)] == [("gain-mismatch", "info")]


def test_one_std_at_every_width_is_named_whatever_its_value() -> None:
    widths = [64.0, *[128.0] * 19]
    network = perceptron(20, 128)
    uses = tuple(replace(use, fan_in=width) for use, width in zip(network.uses, widths, strict=True))
    network = replace(network, uses=uses)
    signal = with_rows(travelled(network, 0.4), range(20), weight_rms=0.037, weight_std=0.037)
    assert "std 0.037 at every width before ReLU" in examine(network, signal)[0].cause


def test_a_mismatch_is_worth_what_depth_makes_of_it() -> None:
    shallow, deep = perceptron(4, 128), perceptron(9, 128)
    assert codes(shallow, travelled(shallow, 1.0), "info") == []
    assert codes(deep, travelled(deep, 1.0), "info") == ["gain-mismatch"]


@pytest.mark.parametrize(("std", "severity"), [(1.0, "warning"), (3.0, "warning"), (5.0, "error")])
def test_haphazard_weights_behind_a_norm_are_as_bad_as_their_pace(std: float, severity: str) -> None:
    network = perceptron(10, 128, normalised=True)
    signal = with_rows(healthy(network), range(9), weight_rms=std, weight_std=std)
    (finding,) = examine(network, signal)
    assert (finding.code, finding.severity) == ("haphazard-under-norm", severity)
    # A pace of 2 / (128 std^2): below 1/1000 from std 3.95 on.
    assert finding.expected == pytest.approx(math.sqrt(2))


def biased(network: Network) -> Network:
    return replace(network, uses=tuple(replace(use, bias=use.name.replace("weight", "bias")) for use in network.uses))


@pytest.mark.parametrize(
    ("size", "std", "found"), [(10.0, 1.4, True), (4.0, 1.4, False), (0.07, 1e-5, False), (90.0, 40.0, False)]
)
def test_biases_that_drown_the_signal_are_found(size: float, std: float, *, found: bool) -> None:
    network = biased(perceptron(6, 64))
    signal = with_rows(
        healthy(network), range(6), bias_rms=size, bias_median=size, unit_std=std, out_rms=max(size, std), out_std=std
    )
    assert ("large-bias" in codes(network, signal)) == found
    for some in ({"dead": 0.6}, {"bias_median": 0.0}):
        assert "large-bias" not in codes(network, with_rows(signal, range(6), **some))


@pytest.mark.parametrize("places", [range(1), range(5, 6)], ids=["one", "the output"])
def test_one_large_bias_and_a_prior_are_no_fault(places: range) -> None:
    network = biased(perceptron(6, 64))
    assert "large-bias" not in codes(
        network, with_rows(healthy(network), places, bias_rms=9.0, bias_median=9.0, out_rms=9.0)
    )


def test_a_norm_takes_the_bias_away() -> None:
    network = biased(perceptron(6, 64, normalised=True))
    assert codes(network, with_rows(healthy(network), range(6), bias_rms=9.0, bias_median=9.0, out_rms=9.0)) == []


NORM = Neighbour("norm", "norm")


def stream(blocks: int, width: int = 128) -> Network:
    """A pre-norm network: two weights read each norm, one reads their activation, all are added to a stream."""
    network = perceptron(3 * blocks, width)
    uses = tuple(
        replace(
            use, before=RELU if place % 3 == 2 else NORM, after=RELU if place % 3 < 2 else NORM, sources=frozenset()
        )
        for place, use in enumerate(network.uses)
    )
    return replace(network, uses=uses)


@pytest.mark.parametrize(("std", "found"), [(0.02, []), (0.1, []), (1.0, ["haphazard-under-norm"])])
def test_the_branches_behind_a_norm_are_hidden_too(std: float, found: list[str]) -> None:
    network = stream(4)
    signal = with_rows(healthy(network), range(12), weight_rms=std, weight_std=std)
    assert codes(network, signal) == found


def test_one_norm_rules_no_network() -> None:
    network = perceptron(12, 128)
    uses = tuple(
        replace(use, sources=frozenset(), before=NORM if place == 3 else RELU) for place, use in enumerate(network.uses)
    )
    signal = with_rows(healthy(network), range(12), weight_rms=1.0, weight_std=1.0)
    assert "haphazard-under-norm" not in codes(replace(network, uses=uses), signal)


def test_what_is_used_again_is_told_once() -> None:
    network = perceptron(10, 128)
    again = tuple(
        replace(use, index=1, node=f"{use.node}_1", sources=frozenset({f"{source}_1" for source in use.sources}))
        for use in network.uses
    )
    signal = travelled(network, 0.2)
    both = Signal((*signal.rows, *(replace(each, use=1) for each in signal.rows)))
    found = codes(replace(network, uses=(*network.uses, *again)), both)
    assert found == codes(network, signal)
    assert found[0] == "vanishing-gradient"


def test_what_a_norm_reads_of_nothing_is_not_haphazard() -> None:
    network = perceptron(10, 128, normalised=True)
    assert codes(network, with_rows(healthy(network), range(9), unit_std=0.0, out_rms=0.0)) == []


def test_a_signal_below_the_norms_eps_is_an_error() -> None:
    network = perceptron(10, 128, normalised=True)
    signal = with_rows(healthy(network), range(9), unit_std=1e-6, out_rms=1e-6, weight_rms=1e-7)
    assert [(each.code, each.severity) for each in examine(network, signal)] == [("haphazard-under-norm", "error")]


def test_a_loss_far_above_guessing_is_a_head_too_large() -> None:
    network = perceptron(3, 64)
    assert codes(network, healthy(network, loss=15.0, classes=10, prior_loss=math.log(10), targets=256)) == [
        "output-prior"
    ]
    assert codes(network, healthy(network, loss=2.9, classes=10, prior_loss=math.log(10), targets=256)) == []


def test_unbalanced_classes_want_a_prior_once_there_are_samples_enough() -> None:
    network = perceptron(3, 64)
    rare = {"loss": 0.75, "classes": 2, "prior_loss": 0.2}
    assert codes(network, healthy(network, **rare, targets=512)) == ["output-prior"]
    assert codes(network, healthy(network, **rare, targets=2)) == []
    assert codes(network, healthy(network, **{**rare, "loss": 0.3}, targets=512)) == []


def test_a_batch_that_misses_classes_has_no_prior_to_learn() -> None:
    network = perceptron(3, 64)
    few = healthy(network, loss=math.log(1000), classes=1000, prior_loss=math.log(4), targets=4)
    assert codes(network, few, "info") == []


def test_a_nan_in_a_weight_is_named() -> None:
    network = perceptron(5, 32)
    signal = with_rows(healthy(network), range(2, 3), weight_rms=math.nan, weight_std=math.nan, finite=False)
    signal = with_rows(signal, range(3, 5), finite=False, out_rms=math.nan, unit_std=math.nan)
    signal = replace(signal, broken=("2.weight",))
    first = examine(network, signal)[0]
    assert first.code == "nonfinite"
    assert "`2.weight` itself holds NaN" in first.cause


def test_an_overflow_begins_as_an_explosion() -> None:
    network = perceptron(30, 128)
    signal = travelled(network, 100.0)
    signal = with_rows(signal, range(20, 30), out_rms=math.inf, unit_std=math.nan, finite=False)
    assert codes(network, signal, "error")[0] == "exploding-signal"


def test_memory_that_nobody_initialised_is_found_in_any_network() -> None:
    network = perceptron(3, 32)
    signal = with_rows(healthy(network), range(1, 2), weight_rms=1e30)
    assert codes(network, signal)[0] == "exploding-signal"


def test_a_row_without_a_use_is_left_out() -> None:
    network = perceptron(3, 32)
    stranger = replace(row(network.uses[0]), name="elsewhere.weight")
    assert examine(network, Signal((stranger,))) == ()
    assert examine(replace(network, uses=(), parameters=()), healthy(network)) == ()


def test_an_activation_without_a_gain_is_no_reason_to_fail() -> None:
    network = perceptron(8, 32)
    odd = replace(acting("relu"), text="pointwise(cumsum)", activation=None)
    uses = tuple(replace(use, before=odd if place else use.before, after=odd) for place, use in enumerate(network.uses))
    assert codes(replace(network, uses=uses), travelled(network, 0.5))[0] == "vanishing-gradient"


def test_findings_say_all_that_a_reader_needs() -> None:
    for finding in examine(DEEP, travelled(DEEP, 1.0)):
        assert finding.message
        assert finding.cause
        assert finding.cure
        assert finding.fix.startswith("initium.")
        assert finding.message.endswith(".")
        assert finding.layers
