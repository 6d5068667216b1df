"""Models as their authors write and start them, small, for ``auto_training.py``; from ``torch.nn`` alone."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from auto_data import CLASSES, LENGTH, SEEN, SIDE, Task, again, characters, read
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH, HEADS = 48, 4


# ---- parts ----


class Residual(nn.Module):
    """x + f(x), and what comes after the sum."""

    def __init__(self, branch: nn.Module, after: nn.Module | None = None, beside: nn.Module | None = None) -> None:
        super().__init__()
        self.branch, self.after, self.beside = branch, after or nn.Identity(), beside or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The sum."""
        return self.after(self.beside(x) + self.branch(x))


class Attention(nn.Module):
    """Of HEADS heads, with one matrix for queries, keys and values."""

    def __init__(self, width: int, *, causal: bool, bias: bool = True) -> None:
        super().__init__()
        self.causal, self.read, self.write = causal, nn.Linear(width, 3 * width, bias), nn.Linear(width, width, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Batch, places, width to the same."""
        parts = self.read(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=self.causal)
        return self.write(mixed.transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """Shazeer (2020)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate, self.up, self.down = (
            nn.Linear(*sizes, bias=False) for sizes in ((width, inner), (width, inner), (inner, width))
        )

    def forward(self, x: Tensor) -> Tensor:
        """A product of two factors, and what reads it."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Turned(nn.Module):
    """A module between two transpositions: that of MLP-Mixer which mixes places."""

    def __init__(self, inner: nn.Module, first: int, second: int) -> None:
        super().__init__()
        self.inner, self.axes = inner, (first, second)

    def forward(self, x: Tensor) -> Tensor:
        """The inner one on the other axis."""
        return self.inner(x.transpose(*self.axes)).transpose(*self.axes)


class LayerScale(nn.Module):
    """Touvron et al. (2021)."""

    def __init__(self, width: int, value: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), value))

    def forward(self, x: Tensor) -> Tensor:
        """Each channel times its own factor."""
        return x * self.gamma


class Patches(nn.Module):
    """Patches of 3 x 3 as places; with a class token and a table of positions where asked."""

    def __init__(self, width: int, *, table: bool) -> None:
        super().__init__()
        self.cut = nn.Conv2d(1, width, 3, 3)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width)) if table else None
        self.places = nn.Parameter(0.02 * torch.randn(1, 1 + (SIDE // 3) ** 2, width)) if table else None

    def forward(self, x: Tensor) -> Tensor:
        """Images to batch, places, width."""
        x = self.cut(x).flatten(2).transpose(1, 2)
        if self.token is None or self.places is None:
            return x
        return torch.cat((self.token.expand(len(x), -1, -1), x), 1) + self.places


class Pick(nn.Module):
    """The class token, or the mean over places."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        """Batch, places, width to batch, width."""
        return x[:, 0] if self.first else x.mean(1)


class Language(nn.Module):
    """A table of characters, one of places, blocks, and logits; tied where asked."""

    def __init__(self, body: nn.Module, *, places: bool = True, tied: bool = False, bias: bool = True) -> None:
        super().__init__()
        count = characters()[1]
        self.words, self.places = nn.Embedding(count, WIDTH), nn.Embedding(LENGTH, WIDTH) if places else None
        self.body, self.head = body, nn.Linear(WIDTH, count, bias=bias)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, x: Tensor) -> Tensor:
        """Numbers of characters to logits."""
        hidden = self.words(x)
        if self.places is not None:
            hidden = hidden + self.places(torch.arange(x.shape[1]))
        return self.head(self.body(hidden))


class Causal(nn.Module):
    """torch's own encoder under a causal mask, or an LSTM."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(LENGTH), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Batch, places, width to the same."""
        return self.inner(x)[0] if isinstance(self.inner, nn.LSTM) else self.inner(x, mask=self.mask, is_causal=True)


# ---- models ----


def _mlp(act: Callable[[], nn.Module], depth: int, norm: Callable[[int], nn.Module] | None = None) -> nn.Module:
    sizes = [SIDE**2, *[64] * depth]
    layers = [nn.Sequential(nn.Linear(*pair), *([norm(pair[1])] if norm else ()), act()) for pair in pairwise(sizes)]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, CLASSES))


def _cnn(*, norm: bool) -> nn.Module:
    sizes = [(1, 16, 1), (16, 16, 2), (16, 32, 2), (32, 32, 1)]
    made = [
        nn.Sequential(
            nn.Conv2d(a, b, 3, step, 1, bias=not norm), *([nn.BatchNorm2d(b)] if norm else ()), nn.ReLU(inplace=True)
        )
        for a, b, step in sizes
    ]
    model = nn.Sequential(*made, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES))
    return _convolutions(model) if norm else model


def _preactivation() -> nn.Module:
    def block(a: int, b: int, step: int) -> nn.Module:
        first = (nn.BatchNorm2d(a), nn.ReLU(), nn.Conv2d(a, b, 3, step, 1, bias=False))
        branch = nn.Sequential(*first, nn.BatchNorm2d(b), nn.ReLU(), nn.Conv2d(b, b, 3, 1, 1, bias=False))
        return Residual(branch, beside=None if a == b else nn.Conv2d(a, b, 1, step, bias=False))

    blocks = (block(*sizes) for sizes in ((16, 16, 1), (16, 32, 2), (32, 32, 1)))
    end = (nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES))
    return _convolutions(nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1, bias=False), *blocks, *end))


def _plain_residual() -> nn.Module:
    blocks = (Residual(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)), nn.ReLU()) for _ in range(6))
    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 64), nn.ReLU(), *blocks, nn.Linear(64, CLASSES))


def _feed(width: int, inner: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))


def _blocks(count: int, *, causal: bool) -> list[nn.Module]:
    parts: tuple[Callable[[], nn.Module], ...] = (
        partial(Attention, WIDTH, causal=causal),
        partial(_feed, WIDTH, 4 * WIDTH),
    )
    return [Residual(nn.Sequential(nn.LayerNorm(WIDTH), part())) for _ in range(count) for part in parts]


def _vit() -> nn.Module:
    end = (nn.LayerNorm(WIDTH), Pick(first=True), nn.Linear(WIDTH, CLASSES))
    return _normal(nn.Sequential(Patches(WIDTH, table=True), *_blocks(3, causal=False), *end))


def _mixer() -> nn.Module:
    places = (SIDE // 3) ** 2
    blocks = [
        Residual(nn.Sequential(nn.LayerNorm(WIDTH), inner))
        for _ in range(3)
        for inner in (Turned(_feed(places, 2 * places), 1, 2), _feed(WIDTH, 2 * WIDTH))
    ]
    end = (nn.LayerNorm(WIDTH), Pick(first=False), nn.Linear(WIDTH, CLASSES))
    return nn.Sequential(Patches(WIDTH, table=False), *blocks, *end)


def _convnext() -> nn.Module:
    def block(width: int) -> nn.Module:
        inner = Turned(nn.Sequential(nn.LayerNorm(width), _feed(width, 4 * width), LayerScale(width, 1e-6)), 1, 3)
        return Residual(nn.Sequential(nn.Conv2d(width, width, 3, padding=1, groups=width), inner))

    stem = (nn.Conv2d(1, 32, 3, 3), Turned(nn.LayerNorm(32), 1, 3))
    end = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(32), nn.Linear(32, CLASSES))
    return _normal(nn.Sequential(*stem, *(block(32) for _ in range(4)), *end))


def _autoencoder() -> nn.Module:
    sizes = [SIDE**2, 64, 32, 16, 32, 64, SIDE**2]
    layers = [each for pair in pairwise(sizes) for each in (nn.Linear(*pair), nn.ReLU())][:-1]
    return nn.Sequential(nn.Flatten(), *layers, nn.Unflatten(1, (1, SIDE, SIDE)))


def _post_norm() -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, batch_first=True)
    return Language(Causal(nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)))


def _gpt(*, tied: bool) -> nn.Module:
    model = Language(nn.Sequential(*_blocks(4, causal=True), nn.LayerNorm(WIDTH)), tied=tied, bias=not tied)
    return _normal(model, ends=8) if tied else model


def _llama() -> nn.Module:
    parts: tuple[Callable[[], nn.Module], ...] = (
        partial(Attention, WIDTH, causal=True, bias=False),
        partial(SwiGLU, WIDTH, 2 * WIDTH),
    )
    blocks = [Residual(nn.Sequential(nn.RMSNorm(WIDTH), part())) for _ in range(4) for part in parts]
    return _normal(Language(nn.Sequential(*blocks, nn.RMSNorm(WIDTH)), bias=False))


def _normal(model: nn.Module, ends: int = 0) -> nn.Module:
    """N(0, 0.02) as in GPT-2, Llama, ViT and ConvNeXt; of GPT-2 the ends of branches by the root of their number less."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            last = ends and name.endswith((".write", "branch.1.2"))
            nn.init.normal_(module.weight, 0.0, 0.02 / math.sqrt(ends) if last else 0.02)
            if not isinstance(module, nn.Embedding) and module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def _convolutions(model: nn.Module) -> nn.Module:
    """As torchvision starts its ResNets."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Task]]] = {
    "MLP 3, ReLU": (lambda: _mlp(nn.ReLU, 3), lambda: SEEN),
    "MLP 5, tanh": (lambda: _mlp(nn.Tanh, 5), lambda: SEEN),
    "MLP 10, SiLU": (lambda: _mlp(nn.SiLU, 10), lambda: SEEN),
    "MLP 5, LayerNorm GELU": (lambda: _mlp(nn.GELU, 5, nn.LayerNorm), lambda: SEEN),
    "MLP 5, BatchNorm ReLU": (lambda: _mlp(nn.ReLU, 5, nn.BatchNorm1d), lambda: SEEN),
    "CNN": (lambda: _cnn(norm=False), lambda: SEEN),
    "CNN, BatchNorm": (lambda: _cnn(norm=True), lambda: SEEN),
    "pre-activation ResNet": (_preactivation, lambda: SEEN),
    "residual MLP, no norm": (_plain_residual, lambda: SEEN),
    "autoencoder": (_autoencoder, again),
    "ViT": (_vit, lambda: SEEN),
    "MLP-Mixer": (_mixer, lambda: SEEN),
    "ConvNeXt, LayerScale 1e-6": (_convnext, lambda: SEEN),
    "post-norm transformer": (_post_norm, read),
    "GPT, tied": (lambda: _gpt(tied=True), read),
    "GPT, untied": (lambda: _gpt(tied=False), read),
    "SwiGLU, RMSNorm": (_llama, read),
    "LSTM": (lambda: Language(Causal(nn.LSTM(WIDTH, WIDTH, batch_first=True)), places=False), read),
}
