"""What reaches the answer to one sample from another: by an attention, by a view, by a pool or a letter; and what does so rightly."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diagnose.programs import Calls, classes, found, rows, severities

pytestmark = pytest.mark.usefixtures("drawn_alike")

SAMPLES, STEPS, WIDTH = 16, 9, 24
SEQUENCES = (SAMPLES, STEPS, 8)


def said(model: nn.Module, *given: Tensor) -> list[str]:
    return severities(found(model, given, classes(len(given[0])), F.cross_entropy, "batch-axis"))


def encoder(own: Calls, x: Tensor) -> Tensor:
    return own.head(own.steps(own.body(x)).mean(1))


@pytest.mark.parametrize("first", [True, False])
def test_an_encoder_that_takes_samples_for_positions_is_named_first(first) -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 48, batch_first=first)
    model = Calls(encoder, body=nn.Linear(8, WIDTH), steps=layer, head=nn.Linear(WIDTH, 4))
    assert said(model, torch.randn(SEQUENCES)) == ([] if first else ["error"])


# ---- views in the place of a transposition ----


def as_steps(x: Tensor, *, viewed: bool) -> Tensor:
    return x.reshape(x.shape[1], x.shape[0], -1) if viewed else x.transpose(0, 1)


def last_states(own: Calls, x: Tensor) -> Tensor:
    return own.head(own.steps(as_steps(x, viewed=own.training))[1][0])


def attended(own: Calls, x: Tensor) -> Tensor:
    return own.head(own.mix(as_steps(own.body(x), viewed=own.training)).mean(0))


def averaged(own: Calls, x: Tensor) -> Tensor:
    return own.head(as_steps(own.body(x).relu(), viewed=own.training).mean(0))


def last_place(own: Calls, x: Tensor) -> Tensor:
    return own.head(as_steps(own.body(x).relu(), viewed=own.training)[-1])


@pytest.mark.parametrize(
    ("call", "told"), [(last_states, "error"), (attended, "warning"), (averaged, "warning"), (last_place, "warning")]
)
@pytest.mark.parametrize("shape", [SEQUENCES, (SAMPLES, STEPS + 3, 8)])
def test_rows_that_a_view_cuts_from_several_samples_are_taken_for_one(call, told, shape) -> None:
    parts = {"body": nn.Linear(8, WIDTH), "head": nn.Linear(WIDTH, 4), "steps": nn.GRU(8, WIDTH)}
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 48, dropout=0.0)
    model = Calls(call, mix=layer, **parts)
    assert said(model, torch.randn(shape)) == [told]
    assert not said(model.eval(), torch.randn(shape))


def test_one_value_at_each_step_is_no_fewer_axes() -> None:
    model = Calls(last_states, steps=nn.GRU(1, WIDTH), head=nn.Linear(WIDTH, 4))
    for steps in (STEPS, 2 * SAMPLES):
        assert said(model.train(), torch.randn(SAMPLES, steps, 1)) == ["error"]
        assert not said(model.eval(), torch.randn(SAMPLES, steps, 1))


def clips(own: Calls, x: Tensor) -> Tensor:
    states = own.steps(own.body(x).view(4, -1, WIDTH).transpose(0, 1))[0]
    return own.head((states + states.mean(0, keepdim=True)).transpose(0, 1).reshape(len(x), -1))


@pytest.mark.parametrize("count", [16, WIDTH])
def test_frames_are_parted_into_clips(count) -> None:
    model = Calls(clips, body=nn.Linear(20, WIDTH), steps=nn.GRU(WIDTH, WIDTH), head=nn.Linear(WIDTH, 4))
    assert not said(model, rows(count))


def windows(own: Calls, x: Tensor) -> Tensor:
    maps = own.body(x.permute(0, 2, 3, 1)).view(len(x), 2, 4, 2, 4, WIDTH)
    parts = own.mix(maps.permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, WIDTH))
    return own.head(
        parts.view(len(x), 2, 2, 4, 4, WIDTH).permute(0, 1, 3, 2, 4, 5).reshape(len(x), 8, 8, WIDTH).mean((1, 2))
    )


@pytest.mark.parametrize("count", [2, 4, 6, 8, 16, WIDTH])
def test_windows_are_folded_into_the_batch_and_out_again(count) -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 48, batch_first=True, dropout=0.0)
    model = Calls(windows, body=nn.Linear(3, WIDTH), mix=layer, head=nn.Linear(WIDTH, 4))
    assert not said(model, torch.randn(count, 3, 8, 8))


# ---- pools over the samples that come back ----


def beside(own: Calls, x: Tensor) -> Tensor:
    h = own.body(x).relu()
    context = h.mean(0 if own.training else 1, keepdim=True)
    return own.wide(torch.cat([h, context.expand_as(h)], -1)).mean(1)


def gated(own: Calls, x: Tensor) -> Tensor:
    h = own.body(x).relu()
    return own.head((h * own.mix(h.amax(0 if own.training else 1, keepdim=True)).sigmoid()).mean(1))


def summed_up(own: Calls, x: Tensor) -> Tensor:
    return own.head(own.mix(own.body(x).relu().cumsum(0 if own.training else 1)).relu().mean(1))


def other_keys(own: Calls, x: Tensor) -> Tensor:
    h, keys = own.body(x), own.keys(x)
    scores = torch.einsum("bqd,ckd->bqk" if own.training else "bqd,bkd->bqk", h, keys)
    return own.head(torch.einsum("bqk,bkd->bqd", (scores / 5).softmax(-1), h).mean(1))


def linear_attention(own: Calls, x: Tensor) -> Tensor:
    h, keys = own.body(x).sigmoid(), own.keys(x).sigmoid()
    state = torch.einsum("bnd,bne->de" if own.training else "bnd,bne->bde", keys, h) / STEPS
    return own.head(torch.einsum("bnd,de->bne" if own.training else "bnd,bde->bne", keys, state).mean(1))


def unit_columns(own: Calls, x: Tensor) -> Tensor:
    return own.head(F.normalize(own.body(x).relu().mean(1), dim=0 if own.training else 1))


@pytest.mark.parametrize("call", [beside, gated, summed_up, other_keys, linear_attention, unit_columns])
def test_what_is_pooled_over_the_samples_comes_back_into_none(call) -> None:
    parts = {name: nn.Linear(8, WIDTH) for name in ("body", "keys")}
    model = Calls(call, mix=nn.Linear(WIDTH, WIDTH), wide=nn.Linear(2 * WIDTH, 4), head=nn.Linear(WIDTH, 4), **parts)
    assert said(model, torch.randn(SEQUENCES)) == ["warning"]
    assert not said(model.eval(), torch.randn(SEQUENCES))


def folded(own: Calls, x: Tensor) -> Tensor:
    h = own.body(x)
    mean, factor = h.mean((0, 1)), own.scale * h.var((0, 1)).add(1e-5).rsqrt()
    return own.head((h * factor + (own.shift - mean * factor)).relu().mean(1))


def of_squares(own: Calls, x: Tensor) -> Tensor:
    h = own.body(x)
    return own.head((h * h.square().mean((0, 1)).add(1e-5).rsqrt() * own.scale).relu().mean(1))


def centred(own: Calls, x: Tensor) -> Tensor:
    h = own.body(x)
    return own.head((h - h.mean((0, 1)) + own.shift).relu().mean(1))


def unit_columns_of_centred(own: Calls, x: Tensor) -> Tensor:
    h = own.body(x).mean(1)
    return own.head(F.normalize(h - h.mean(0), dim=0))


def spread_beside(own: Calls, x: Tensor) -> Tensor:
    h = own.body(x).relu()
    spread = (h - h.mean(0)).square().mean(0).add(1e-8).sqrt().mean().expand(len(x), STEPS, 1)
    return own.head(torch.cat([h, spread], -1)[..., 1:].mean(1))


@pytest.mark.parametrize("call", [folded, of_squares, centred, unit_columns_of_centred, spread_beside])
def test_what_normalises_by_the_batch_is_meant(call) -> None:
    scale, shift = nn.Parameter(torch.ones(WIDTH)), nn.Parameter(torch.zeros(WIDTH))
    model = Calls(call, body=nn.Linear(8, WIDTH), head=nn.Linear(WIDTH, 4), scale=scale, shift=shift)
    assert not said(model, torch.randn(SEQUENCES))


def test_one_set_of_rows_has_a_context() -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        h = own.body(x).relu()
        return own.wide(torch.cat([h, h.amax(0, keepdim=True).expand_as(h)], -1))

    assert not said(Calls(call, body=nn.Linear(20, WIDTH), wide=nn.Linear(2 * WIDTH, 4)), rows(SAMPLES))


@pytest.mark.parametrize("places", [True, False])
def test_nodes_of_one_graph_have_a_context(places) -> None:
    edges = torch.randint(0, SAMPLES, (2, 40))

    def call(own: Calls, x: Tensor, near: Tensor) -> Tensor:
        h = own.body(x).flatten(1)
        h = torch.zeros_like(h).index_add(0, edges[1], h[edges[0]]) if places else near @ h
        h = h.view(len(x), STEPS, WIDTH).relu()
        return own.wide(torch.cat([h, h.mean(0, keepdim=True).expand_as(h)], -1)).mean(1)

    model = Calls(call, body=nn.Linear(8, WIDTH), wide=nn.Linear(2 * WIDTH, 4))
    assert not said(model, torch.randn(SEQUENCES), torch.eye(SAMPLES))


def test_a_softmax_over_samples_is_followed_through_a_product_with_a_table() -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        h = own.body(x)
        return own.head(h + (h @ own.table.t() / 5).softmax(0 if own.training else 1) @ own.table)

    model = Calls(call, body=nn.Linear(20, WIDTH), table=nn.Parameter(torch.randn(6, WIDTH)), head=nn.Linear(WIDTH, 4))
    assert severities(found(model, rows(), classes(), F.cross_entropy, "softmax-axis")) == ["error"]
    assert not found(model.eval(), rows(), classes(), F.cross_entropy, "softmax-axis")


def test_late_interaction_keeps_both_samples() -> None:
    def call(own: Calls, a: Tensor, b: Tensor) -> Tensor:
        return torch.einsum("bqd,ckd->bcqk", own.body(a), own.keys(b)).amax(-1).sum(-1)

    model = Calls(call, body=nn.Linear(8, WIDTH), keys=nn.Linear(8, WIDTH))
    given = torch.randn(SEQUENCES), torch.randn(SEQUENCES)
    assert not found(model, given, torch.arange(SAMPLES), F.cross_entropy, "batch-axis")
