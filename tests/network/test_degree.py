"""By which power a weight grows with its parameter: not at all, with it, or by none."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from initium.network import Batch, read


class Composed(nn.Module):
    """A linear layer whose weight is computed from its parameter."""

    def __init__(self, compose):
        super().__init__()
        self.w, self.gain, self.compose = nn.Parameter(torch.randn(7, 5)), nn.Parameter(torch.ones(7, 1)), compose

    def forward(self, x):
        return x @ self.compose(self.w).T

    def use(self):
        return read(self, Batch((torch.randn(3, 5),))).uses[0]


def standardised(w):
    return (w - w.mean(1, keepdim=True)) * torch.rsqrt(w.var(1, keepdim=True) + 1e-6)


def by_both_moments(w):
    variance, mean = torch.var_mean(w, 1, keepdim=True)
    return (w - mean) / (variance + 1e-6).sqrt()


FREE = {
    "unit rows": lambda w: F.normalize(w, dim=1),
    "over its spectral norm": lambda w: w / torch.linalg.matrix_norm(w, 2),
    "standardised": standardised,
    "by both moments": by_both_moments,
    "by a batch norm": lambda w: F.batch_norm(w.reshape(1, 7, -1), None, None, training=True, eps=1e-6).reshape_as(w),
    "by a layer norm": lambda w: F.layer_norm(w, (5,)),
    "by powers": lambda w: w * w.pow(2).sum(1, keepdim=True).pow(-0.5),
    "of its square": lambda w: w * w / w.square().sum(),
    "by a product": lambda w: torch.einsum("ij,jk->ik", w, w.T) @ w / w.norm() ** 3,
    "and moved on": lambda w: 3 * F.normalize(w) + 0.1,
}
SIZED = {
    "a multiple": lambda w: 2 * w,
    "beside itself": lambda w: F.normalize(w) + w,
    "beside a number": lambda w: w / (1 + w.norm()),
    "a softmax": lambda w: w.softmax(1),
    "centred": lambda w: w - w.mean() + 1,
    "by a batch norm that runs": lambda w: F.batch_norm(w, torch.zeros(5), torch.ones(5)),
    "by an exponent that grows": lambda w: w ** w.abs(),
}


def masked(w):
    return w * torch.ones_like(w).tril()


def rounded(w):
    step = w.abs().max() / 127
    return step * (w / step).round().clamp(-128, 127)


def straight_through(w):
    step = w.abs().mean().clamp(min=1e-5)
    return w + ((w / step).round().clamp(-1, 1) * step - w).detach()


WITH_IT = {
    "masked": masked,
    "rounded on its own scale": rounded,
    "of three values, straight through": straight_through,
    "of its square root": lambda w: w.abs().sqrt() * F.relu(w).sqrt(),
    "of two values": lambda w: w.sign() * w.abs().mean(),
    "its larger half": lambda w: w * (w.abs() > w.abs().mean()),
    "less its mean": lambda w: w - w.mean(1, keepdim=True),
    "by way of complex numbers": lambda w: torch.view_as_real(torch.complex(w, 2 * w)).sum(-1),
    "a filter's response": lambda w: torch.fft.irfft(torch.fft.rfft(w, dim=1), n=5, dim=1),
    "summed up": lambda w: w.cumsum(1),
    "with holes": lambda w: w.masked_fill(torch.eye(7, 5) > 0, 0.0),
}
BY_NONE = {
    "rounded on a fixed scale": lambda w: (w / 0.1).round() * 0.1,
    "its square": lambda w: w * w.abs(),
    "beside a number": lambda w: masked(w) + 1,
    "what is above a number": lambda w: w * (w > 0.5),
    "a softmax": lambda w: w.softmax(1),
    "filled": lambda w: w.masked_fill(torch.eye(7, 5) > 0, 1.0),
}


@pytest.mark.parametrize("compose", WITH_IT.values(), ids=WITH_IT)
def test_a_weight_that_grows_with_its_parameter_is_known(compose):
    composed = Composed(compose)
    use = composed.use()
    assert use.proportional
    assert not use.direct
    assert not use.divided_out
    # So it does.
    torch.testing.assert_close(compose(7 * composed.w), 7 * compose(composed.w))


@pytest.mark.parametrize("compose", BY_NONE.values(), ids=BY_NONE)
def test_a_weight_that_grows_otherwise_is_not_taken_for_one_that_grows_with_it(compose):
    composed = Composed(compose)
    assert not composed.use().proportional
    assert not torch.allclose(compose(7 * composed.w), 7 * compose(composed.w))


def test_a_weight_of_a_matrix_and_a_gain_grows_with_the_matrix():
    class Gained(Composed):
        def forward(self, x):
            return x @ (self.gain * masked(self.w)).T

    use = Gained(None).use()
    assert use.name == "w"
    assert use.proportional


def test_a_weight_of_two_matrices_grows_with_neither_alone():
    class Low(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.randn(7, 2)), nn.Parameter(torch.randn(2, 5))

        def forward(self, x):
            return x @ (self.a @ self.b).T

    assert not any(use.proportional for use in read(Low(), Batch((torch.randn(3, 5),))).uses)


@pytest.mark.parametrize("compose", FREE.values(), ids=FREE)
def test_a_size_that_is_divided_out_is_known(compose):
    composed = Composed(compose)
    assert composed.use().divided_out
    # So it is: what comes out is the same for any size.
    torch.testing.assert_close(compose(7 * composed.w), compose(composed.w), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("compose", SIZED.values(), ids=SIZED)
def test_a_size_that_counts_is_not_divided_out(compose):
    composed = Composed(compose)
    assert not composed.use().divided_out
    assert not torch.allclose(compose(7 * composed.w), compose(composed.w), rtol=1e-3, atol=1e-3)


def test_a_factor_behind_it_is_no_part_of_it():
    class Gained(Composed):
        def forward(self, x):
            return x @ (self.gain * standardised(self.w)).T

    assert Gained(None).use().divided_out


def test_a_weight_as_it_is_has_its_size():
    net = nn.Linear(5, 7)
    use = read(net, Batch((torch.randn(3, 5),))).uses[0]
    assert not use.divided_out
    assert not use.proportional
