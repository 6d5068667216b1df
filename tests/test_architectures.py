"""What holds for every network holds for each structure that the field uses."""

import math
from collections import Counter
from functools import cache
from hashlib import sha256

import pytest
import torch
from torch import nn

from architectures import ARCHITECTURES, NEEDS_VALUES
from initium.calibrate import lsuv
from initium.errors import TraceError
from initium.network import as_batch, map_tensors, read, tensors_in
from initium.planning import expected_std, plan
from initium.records import Constant, Keep, Orthogonal, Packed, Uniform
from initium.signal import measure

every_architecture = pytest.mark.parametrize("name", ARCHITECTURES)
CHANNELS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
WEIGHTED = (nn.Linear, nn.Bilinear, *CHANNELS)

# Frozen weights are not to be written, and a low-rank update starts at nothing.
OVERRIDES = {"lora": {"*.base.*": "keep", "*.lora_b": 0.0}}
# A weight that something is computed of before it is used is not what its law says when it is used.
ASSUMED = {
    "weight standardised": {"0.weight", "3.weight"},
}
# `positive` is the branch that this batch does not take.
UNUSED = {"questions to tensors": {"positive.weight", "positive.bias"}}

LEFT_ALONE = {
    "weight standardised": dict.fromkeys(["0.weight", "3.weight"], "does not multiply by it as it stands"),
    "lora": {"0.base.weight": "frozen", "2.base.weight": "frozen"},
}

# (role, layout, fan_in, fan_out, parts), by hand.
FACTS = {
    ("resnet", "5.downsample.0.weight"): ("weight", "conv", 8, 4, 1),
    ("vit", "patches.weight"): ("weight", "conv", 48, 16, 1),
    ("vit", "blocks.1.qkv.weight"): ("weight", "out_in", 16, 16, 3),
    ("gpt2", "wte.weight"): ("weight", "out_in", 16, 23, 1),
    ("gpt2", "blocks.0.c_attn.weight"): ("weight", "in_out", 16, 16, 3),
    ("gpt2", "blocks.0.c_out.weight"): ("weight", "in_out", 64, 16, 1),
    ("llama", "attention.0.k_proj.weight"): ("weight", "out_in", 16, 8, 1),
    ("mixtral", "mlp.0.gate_up"): ("weight", "batched", 16, 12, 4),
    ("mixtral", "mlp.0.down"): ("weight", "batched", 12, 16, 4),
    ("mamba", "blocks.0.enter.weight"): ("weight", "out_in", 12, 20, 2),
    ("mamba", "blocks.0.conv.weight"): ("weight", "conv", 4, 4, 20),
    ("lstm", "cells.weight_ih_l1_reverse"): ("weight", "gates", 20, 10, 4),
    ("gru", "cells.weight_hh_l0"): ("recurrent", "gates", 10, 10, 3),
    ("transformer encoder", "encoder.layers.0.self_attn.in_proj_weight"): ("weight", "out_in", 16, 16, 3),
    ("unet", "up.weight"): ("weight", "conv_transpose", 64, 128, 1),
    ("unet", "deep.weight"): ("weight", "conv", 36, 36, 4),
    ("bare parameters", "heads"): ("weight", "batched", 32, 32, 4),
    ("bare parameters", "stack"): ("weight", "batched", 8, 6, 4),
    ("bare parameters", "left"): ("weight", "out_in", 6, 10, 1),
    ("bare parameters", "out"): ("weight", "in_out", 40, 3, 1),
    ("siamese", "head.weight"): ("weight", "out_in", 400, 4, 1),
    ("mobilenet", "4.depth.weight"): ("weight", "conv", 25, 6.25, 32),
}

AFTER = {
    ("vit", "blocks.0.fc1.weight"): "gelu",
    ("gpt2", "blocks.0.c_fc.weight"): "gelu_tanh",
    ("llama", "mlp.0.gate_proj.weight"): "silu",
    ("t5", "decoder.0.wi.weight"): "relu",
    ("mixtral", "mlp.0.router.weight"): "softmax",
    ("registered out of order", "second.weight"): "selu",
    ("unet", "deep.weight"): "leaky_relu(0.2)",
    ("mobilenet", "3.gate.up.weight"): "hardsigmoid",
    ("autoencoder", "0.weight"): "leaky_relu(0.25)",
    ("autoencoder", "9.weight"): "sigmoid",
    ("bare parameters", "left"): "gelu",
    ("dataclass output", "body.weight"): "elu",
}


def made(name):
    torch.manual_seed(0)
    return ARCHITECTURES[name]()


@cache
def network_of(name):
    with torch.random.fork_rng():
        model, batch = made(name)
    return read(model, as_batch(batch))


def planned(name):
    return plan(network_of(name), overrides=OVERRIDES.get(name))


# ---- plan ----


@every_architecture
def test_every_parameter_has_one_row_and_every_operation_a_rule(name):
    model, _ = made(name)
    assert [row.name for row in planned(name)] == [each for each, _ in model.named_parameters()]
    assert network_of(name).unknown == ()
    guessed = {row.name for row in planned(name) if row.assumed}
    assert guessed == ASSUMED.get(name, set()) | UNUSED.get(name, set())


@pytest.mark.parametrize(("name", "parameter"), FACTS)
def test_facts_are_those_worked_out_by_hand(name, parameter):
    facts = network_of(name).facts(parameter)
    assert (facts.role, facts.layout, facts.fan_in, facts.fan_out, facts.parts) == FACTS[name, parameter]


@pytest.mark.parametrize(("name", "parameter"), AFTER)
def test_the_activation_that_follows_is_recognised_however_it_is_written(name, parameter):
    assert str(network_of(name).facts(parameter).after) == AFTER[name, parameter]


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name not in NEEDS_VALUES])
def test_the_facts_are_the_same_without_memory(name):
    with_memory = network_of(name).parameters
    with torch.device("meta"):
        model, batch = ARCHITECTURES[name]()
        assert read(model, as_batch(batch)).parameters == with_memory


@pytest.mark.parametrize("name", NEEDS_VALUES)
def test_a_model_that_asks_for_values_is_told_to_take_memory(name):
    with torch.device("meta"):
        model, batch = ARCHITECTURES[name]()
    with pytest.raises(TraceError, match="no values on meta"):
        read(model, as_batch(batch))


# ---- apply ----


def assert_std(row, values):
    """Six standard errors: of a standard deviation for independent draws, of rounding for an orthogonal matrix."""
    std, count = expected_std(row.fill, row.shape), values.numel()
    if isinstance(row.fill, Orthogonal | Packed):
        assert values.square().mean().sqrt().item() == pytest.approx(std, rel=2**-23)
        return
    kurtosis = {Uniform: 1.8, Constant: 1.0}.get(type(row.fill), 3.0)
    # The mean is taken out as measured: six standard errors of it, squared.
    bound = 6 * std * math.sqrt((kurtosis - 1) / (4 * count)) + 18 * std / count
    assert abs(values.std(correction=0).item() - std) <= bound, row.name


@every_architecture
def test_what_is_drawn_has_the_planned_std_and_the_same_seed_gives_it_again(name):
    (model, _), (other, _) = made(name), ARCHITECTURES[name]()
    planned(name).apply(model, seed=3)
    planned(name).apply(other, seed=3)
    drawn = [row for row in planned(name) if not isinstance(row.fill, Keep)]
    for row in drawn:
        values = model.get_parameter(row.name).detach()
        assert_std(row, values.double())
        assert torch.equal(values, other.get_parameter(row.name))


@every_architecture
def test_everything_is_finite_after_the_textbook(name):
    model, batch = made(name)
    planned(name).apply(model)
    rows = measure(model, batch, network=network_of(name)).rows
    assert [row.name for row in rows] == [use.name for use in network_of(name).uses]
    assert all(row.finite and math.isfinite(row.weight_grad_norm) for row in rows)


# ---- measure ----


def hooked(model, batch, loss):
    """The referee: names of weights, outputs of their modules and gradients there, call by call, in a plain run."""
    canonical = {id(parameter): name for name, parameter in model.named_parameters()}
    calls = []

    def after(module, _, output):
        output = output.clone()  # what follows may work in place
        seen = {"output": output.detach().clone(), "axis": 1 if isinstance(module, CHANNELS) else -1}
        if output.requires_grad:
            output.register_hook(lambda gradient: seen.update(gradient=gradient.clone()))
        calls.append((canonical[id(module.weight)], seen))
        return output

    handles = [module.register_forward_hook(after) for module in model.modules() if isinstance(module, WEIGHTED)]
    given = as_batch(batch)
    loss(model(*given.args, **given.kwargs)).backward()
    for handle in handles:
        handle.remove()
    return calls


def squares(output):
    return sum(tensor.square().sum() for tensor in tensors_in(output))


def double(tensor):
    return tensor.double() if tensor.is_floating_point() else tensor


@every_architecture
def test_every_row_of_a_module_is_that_of_hooks_and_autograd_in_execution_order(name):
    model, batch = made(name)
    model, batch = model.double(), map_tensors(batch, double)
    torch.manual_seed(1)
    rows = measure(model, batch, squares).rows
    torch.manual_seed(1)
    calls = hooked(model.requires_grad_(requires_grad=True), batch, squares)  # frozen ones are measured too
    owned = [row for row in rows if row.name in {each for each, _ in calls} and row.op != "embedding"]
    assert [row.name for row in owned] == [each for each, _ in calls]
    for row, (_, seen) in zip(owned, calls, strict=True):
        units = seen["output"].movedim(seen["axis"], 0).flatten(1)
        assert_close(row, out_mean=units.mean(), out_std=units.std(correction=0), out_rms=rms(units))
        assert_close(row, unit_std=units.var(1, correction=0).mean().sqrt(), grad_rms=rms(seen["gradient"]))
    for row in rows:
        weight, gradient = model.get_parameter(row.name).detach(), model.get_parameter(row.name).grad
        assert_close(row, weight_std=weight.std(correction=0), weight_rms=rms(weight))
        if gradient is not None:
            assert_close(row, weight_grad_norm=gradient.norm(), weight_grad_mean_abs=gradient.abs().mean())


def rms(value):
    return value.square().mean().sqrt()


def assert_close(row, **figures):
    """Sums of thousands of float64 numbers through a few dozen operations: far below 1e-10 of the size."""
    for field, value in figures.items():
        assert getattr(row, field) == pytest.approx(float(value), rel=1e-10, abs=1e-12), (row.name, row.use, field)


def fingerprint(model):
    """Everything that a measurement must leave alone."""
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    return {
        "values": {name: digest(tensor) for name, tensor in tensors.items()},
        "places": {name: (id(tensor), tensor.data_ptr(), tensor._version) for name, tensor in tensors.items()},
        "gradients": {name: None if p.grad is None else digest(p.grad) for name, p in model.named_parameters()},
        "trained": [parameter.requires_grad for parameter in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        "random": digest(torch.get_rng_state()),
    }


def digest(tensor):
    return sha256(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()


@every_architecture
def test_measuring_leaves_the_model_as_it_was_bit_for_bit(name):
    model, batch = made(name)
    hooked(model, batch, squares)
    for module in list(model.modules())[::2]:
        module.eval()
    before = fingerprint(model)
    assert any(gradient for gradient in before["gradients"].values())
    measure(model, batch)
    assert fingerprint(model) == before


# ---- lsuv ----


@every_architecture
def test_lsuv_brings_every_output_to_one_or_says_why_not(name):
    model, batch = made(name)
    torch.manual_seed(1)
    receipt = lsuv(model, batch, network=network_of(name))
    left = {row.name: row.note for row in receipt.rows if row.factor is None}
    expected = LEFT_ALONE.get(name, {})
    assert left.keys() == expected.keys()
    assert all(reason in left[each] for each, reason in expected.items())
    calibrated = [row for row in receipt.rows if row.factor is not None]
    assert calibrated
    assert all(row.after == pytest.approx(1, abs=1e-3) for row in calibrated)
    # Of weights that are used once and are of one piece, what a plain forward pass shows: others are pooled or parted.
    used = Counter(use.name for use in network_of(name).uses)
    whole = {row.name for row in calibrated if not row.part and used[row.name] == 1}
    torch.manual_seed(1)
    first = {each: seen["output"] for each, seen in reversed(hooked(model, batch, squares))}
    for each in first.keys() & whole:
        assert float(first[each].double().std(correction=0)) == pytest.approx(1, abs=1e-3), each


@every_architecture
def test_no_weight_goes_unmentioned_by_lsuv(name):
    model, batch = made(name)
    receipt = lsuv(model, batch, network=network_of(name))
    weights = [
        facts.name for facts in network_of(name).parameters if facts.role in {"weight", "recurrent", "embedding"}
    ]
    said = {row.name for row in receipt.rows}
    assert [each for each in weights if each not in said and f"`{each}`" not in " ".join(receipt.notes)] == []
