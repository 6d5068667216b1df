"""Healthy models of every kind at their libraries' own start, and what they are called with: no structural check may speak."""

import copy
import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 32


class Calls(nn.Module):
    """A module whose forward is a function of its parts."""

    def __init__(self, forward, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.called = forward

    def forward(self, *inputs: Tensor):
        return self.called(self, *inputs)


class Plus(nn.Module):
    """A residual branch."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class Attention(nn.Module):
    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part(x).unflatten(-1, (4, -1)).transpose(1, 2) for part in (self.q, self.k, self.v))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def rows(count: int = 16, width: int = WIDTH) -> Tensor:
    return torch.randn(count, width)


def images(channels: int = 3, size: int = 16) -> Tensor:
    return torch.randn(8, channels, size, size)


def conv(one: int, other: int, kernel: int = 3, **more) -> nn.Conv2d:
    return nn.Conv2d(one, other, kernel, padding=kernel // 2, **more)


def mlp(*widths: int, activation=nn.ReLU) -> nn.Sequential:
    parts = [part for one, other in itertools.pairwise(widths) for part in (nn.Linear(one, other), activation())]
    return nn.Sequential(*parts[:-1])


def basic(channels: int) -> nn.Module:
    return Plus(
        conv(channels, channels),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        conv(channels, channels),
        nn.BatchNorm2d(channels),
    )


def pre_norm(width: int = WIDTH) -> nn.Module:
    up = (nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
    return nn.Sequential(Plus(nn.LayerNorm(width), Attention(width)), Plus(nn.LayerNorm(width), *up))


def resnet():
    body = [part for _ in range(4) for part in (basic(16), nn.ReLU())]
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    return nn.Sequential(conv(3, 16), nn.BatchNorm2d(16), nn.ReLU(), *body, *head), images()


def pre_activation():
    body = [
        Plus(nn.BatchNorm2d(16), nn.ReLU(), conv(16, 16), nn.BatchNorm2d(16), nn.ReLU(), conv(16, 16)) for _ in range(6)
    ]
    return nn.Sequential(conv(3, 16), *body, nn.Flatten(), nn.Linear(16 * 256, 10)), images()


def vision_transformer():
    embed = (nn.Conv2d(3, WIDTH, 4, 4), nn.Flatten(2))
    body = nn.Sequential(*(pre_norm() for _ in range(6)), nn.LayerNorm(WIDTH))
    return Calls(
        lambda m, x: m.head(m.body(m.embed(x).mT).mean(1)),
        embed=nn.Sequential(*embed),
        body=body,
        head=nn.Linear(WIDTH, 10),
    ), images()


def post_norm():
    model = nn.Transformer(WIDTH, 4, 3, 3, 64, batch_first=True)
    return model, (torch.randn(4, 6, WIDTH), torch.randn(4, 5, WIDTH))


def bare_residual():
    body = [Plus(nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)) for _ in range(12)]
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), *body, nn.Linear(WIDTH, 10)), rows()


def plain_cnn():
    body = (conv(3, 16), nn.ReLU(), nn.MaxPool2d(2), conv(16, 32), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10)), images()


def separable():
    def block(one: int, other: int) -> list[nn.Module]:
        return [conv(one, one, groups=one), conv(one, other, 1), nn.BatchNorm2d(other), nn.ReLU()]

    return nn.Sequential(
        *block(3, 16), *block(16, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)
    ), images()


def factorised():
    body = [nn.Conv2d(16, 16, (3, 1), padding=(1, 0)), nn.Conv2d(16, 16, (1, 3), padding=(0, 1)), nn.ReLU()]
    return nn.Sequential(conv(3, 16), nn.ReLU(), *body, nn.Flatten(), nn.Linear(16 * 256, 10)), images()


def squeezenet():
    fire = (conv(16, 8, 1), nn.ReLU(), conv(8, 16), nn.ReLU())
    return nn.Sequential(
        conv(3, 16), nn.ReLU(), *fire, nn.Dropout(), conv(16, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ), images()


def convnext():
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.deep, self.norm = conv(16, 16, 7, groups=16), nn.LayerNorm(16)
            self.up, self.down, self.gamma = nn.Linear(16, 64), nn.Linear(64, 16), nn.Parameter(1e-6 * torch.ones(16))

        def forward(self, x: Tensor) -> Tensor:
            y = self.down(F.gelu(self.up(self.norm(self.deep(x).permute(0, 2, 3, 1)))))
            return x + (self.gamma * y).permute(0, 3, 1, 2)

    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 10))
    return nn.Sequential(nn.Conv2d(3, 16, 4, 4), *(Scaled() for _ in range(6)), *head), images()


def discriminator():
    body = [
        nn.Conv2d(3, 16, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, 2, 1),
        nn.BatchNorm2d(32),
        nn.LeakyReLU(0.2),
    ]
    return nn.Sequential(*body, nn.Conv2d(32, 1, 4), nn.Flatten(), nn.Sigmoid()), images()


def generator():
    def up(one: int, other: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(one, other, 4, 2, 1), nn.BatchNorm2d(other), nn.ReLU()]

    first = (nn.Unflatten(1, (WIDTH, 1, 1)), nn.ConvTranspose2d(WIDTH, 32, 4), nn.BatchNorm2d(32), nn.ReLU())
    return nn.Sequential(*first, *up(32, 16), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh()), rows()


def variational():
    def forward(m, x: Tensor):
        h = m.encoder(x)
        mean, log = m.mean(h), m.log(h)
        return torch.sigmoid(m.decoder(mean + torch.randn_like(mean) * (log / 2).exp())), mean, log

    parts = {"encoder": nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU()), "decoder": mlp(8, 64, WIDTH)}
    return Calls(forward, **parts, mean=nn.Linear(64, 8), log=nn.Linear(64, 8)), rows()


def quantised():
    def forward(m, x: Tensor) -> Tensor:
        h = m.encoder(x)
        found = m.codes(torch.cdist(h, m.codes.weight).argmin(-1))
        return m.decoder(h + (found - h).detach())

    return Calls(forward, encoder=mlp(WIDTH, 64, 8), codes=nn.Embedding(64, 8), decoder=mlp(8, 64, WIDTH)), rows()


def quantised_by_product():
    def forward(m, x: Tensor) -> Tensor:
        h = m.encoder(x)
        chosen = F.one_hot(torch.cdist(h, m.codes.weight).argmin(-1), 64).float()
        return m.decoder(h + (chosen @ m.codes.weight - h).detach())

    return Calls(forward, encoder=mlp(WIDTH, 64, 8), codes=nn.Embedding(64, 8), decoder=mlp(8, 64, WIDTH)), rows()


def bootstrap():
    """BYOL: the target is a copy that follows by averages, and is not frozen here."""

    def forward(m, x: Tensor):
        with torch.no_grad():
            wanted = m.target(x)
        return m.predictor(m.online(x)), wanted

    online = mlp(WIDTH, 64, 16)
    return Calls(forward, online=online, target=copy.deepcopy(online), predictor=mlp(16, 32, 16)), rows()


def siamese_without_negatives():
    def forward(m, x: Tensor, y: Tensor):
        a, b = m.encoder(x), m.encoder(y)
        return m.predictor(a), m.predictor(b), a.detach(), b.detach()

    return Calls(forward, encoder=mlp(WIDTH, 64, 16), predictor=mlp(16, 8, 16)), (rows(), rows())


def two_towers():
    def forward(m, x: Tensor, y: Tensor) -> Tensor:
        return F.normalize(m.one(x), dim=-1) @ F.normalize(m.other(y), dim=-1).T

    return Calls(forward, one=mlp(WIDTH, 64, 16), other=mlp(24, 64, 16)), (rows(), rows(width=24))


def towers_that_start_alike():
    def forward(m, x: Tensor, y: Tensor) -> Tensor:
        return m.head(torch.cat((torch.relu(m.one(x)), torch.relu(m.other(y))), -1))

    one = mlp(WIDTH, 64, 16)
    return Calls(forward, one=one, other=copy.deepcopy(one), head=nn.Linear(32, 10)), (rows(), rows())


def experts():
    def forward(m, x: Tensor) -> Tensor:
        weights = torch.softmax(m.router(x), -1)
        return m.head(sum(weights[:, place, None] * part(x) for place, part in enumerate(m.experts)))

    parts = nn.ModuleList(mlp(WIDTH, 64, 16) for _ in range(4))
    return Calls(forward, router=nn.Linear(WIDTH, 4), experts=parts, head=nn.Linear(16, 10)), rows()


def hard_experts():
    """The router chooses by argmax, so that nothing tells it how it did."""

    def forward(m, x: Tensor) -> Tensor:
        chosen = F.one_hot(m.router(x).argmax(-1), 4)
        return m.head(torch.relu(sum(chosen[:, place, None] * part(x) for place, part in enumerate(m.experts))))

    parts = nn.ModuleList(mlp(WIDTH, 64, 16) for _ in range(4))
    return Calls(forward, router=nn.Linear(WIDTH, 4), experts=parts, head=nn.Linear(16, 10)), rows()


def critic_on_detached_features():
    def forward(m, x: Tensor):
        h = torch.relu(m.body(x))
        return m.actor(h), m.critic(h.detach())

    return Calls(forward, body=mlp(WIDTH, 64, 64), actor=nn.Linear(64, 4), critic=nn.Linear(64, 1)), rows()


def refined():
    """Each step corrects what the last one gave, whose gradient is stopped (as in RAFT and in deformable detectors)."""

    def forward(m, x: Tensor):
        place, given = x.new_zeros(len(x), 4), []
        for part in m.steps:
            place = place.detach() + part(torch.cat((x, place.detach()), -1))
            given.append(place)
        return tuple(given)

    return Calls(forward, steps=nn.ModuleList(mlp(WIDTH + 4, 64, 4) for _ in range(3))), rows()


def detector():
    """Boxes are refined step by step, each step's start detached; without a loss the logits alone are asked for."""

    def forward(m, x: Tensor):
        place, h, given = x.new_zeros(len(x), 4), torch.relu(m.body(x)), []
        for layer, box in zip(m.layers, m.boxes, strict=True):
            h = h + layer(torch.cat((h, place), -1))
            given.append(place + box(h))
            place = given[-1].detach()
        return {"logits": m.head(h), "boxes": torch.stack(given)}

    layers, boxes = (
        nn.ModuleList(made() for _ in range(3)) for made in (lambda: mlp(68, 64, 64), lambda: mlp(64, 64, 4))
    )
    return Calls(forward, body=mlp(WIDTH, 64, 64), layers=layers, boxes=boxes, head=nn.Linear(64, 10)), rows()


def frozen_features():
    def forward(m, x: Tensor) -> Tensor:
        with torch.no_grad():
            h = m.body(x)
        return m.head(h)

    return Calls(forward, body=mlp(WIDTH, 64, 64).requires_grad_(requires_grad=False), head=nn.Linear(64, 10)), rows()


def spare_head():
    def forward(m, x: Tensor) -> Tensor:
        return m.head(torch.relu(m.body(x)))

    return Calls(forward, body=mlp(WIDTH, 64, 64), head=nn.Linear(64, 10), auxiliary=mlp(64, 32, 10)), rows()


def pyramid():
    def forward(m, x: Tensor):
        one = torch.relu(m.one(x))
        two = torch.relu(m.two(F.max_pool2d(one, 2)))
        top = m.lateral_two(two)
        low = m.lateral_one(one) + F.interpolate(top, scale_factor=2)
        return m.out_one(low), m.out_two(top)

    parts = {"one": conv(3, 16), "two": conv(16, 32), "lateral_one": conv(16, 16, 1), "lateral_two": conv(32, 16, 1)}
    return Calls(forward, **parts, out_one=conv(16, 16), out_two=conv(16, 16)), images()


def matrix_factorisation():
    def forward(m, x: Tensor, y: Tensor) -> Tensor:
        return (m.one(x) * m.other(y)).sum(-1)

    return Calls(forward, one=nn.Embedding(50, 16), other=nn.Embedding(50, 16)), (
        torch.arange(50),
        torch.arange(50).flip(0),
    )


def fasttext():
    return nn.Sequential(nn.EmbeddingBag(50, 16), nn.Linear(16, 10)), torch.randint(0, 50, (16, 5))


def regression():
    return nn.Linear(WIDTH, 1), rows()


def linear_autoencoder():
    return nn.Sequential(nn.Linear(WIDTH, 4), nn.Linear(4, WIDTH)), rows()


def low_rank_head():
    return nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, 8, bias=False), nn.Linear(8, 100)), rows()


def sequences():
    def forward(m, x: Tensor) -> Tensor:
        return m.head(m.body(m.table(x))[0][:, -1])

    body = nn.LSTM(16, 32, 2, batch_first=True, bidirectional=True)
    return Calls(forward, table=nn.Embedding(50, 16), body=body, head=nn.Linear(64, 10)), torch.randint(0, 50, (16, 7))


def projected_sequences():
    def forward(m, x: Tensor) -> Tensor:
        return m.head(m.body(m.enter(x))[0][:, -1])

    return Calls(
        forward, enter=nn.Linear(WIDTH, 32), body=nn.GRU(32, 32, batch_first=True), head=nn.Linear(32, 10)
    ), torch.randn(8, 6, WIDTH)


def gated_convolutions():
    def forward(m, x: Tensor) -> Tensor:
        for gate, part, out in zip(m.gates, m.parts, m.outs, strict=True):
            x = x + out(torch.tanh(part(x)) * torch.sigmoid(gate(x)))
        return m.head(x)

    stacks = [nn.ModuleList(nn.Conv1d(16, 16, 3, padding=1) for _ in range(6)) for _ in range(3)]
    return Calls(forward, gates=stacks[0], parts=stacks[1], outs=stacks[2], head=nn.Conv1d(16, 4, 1)), torch.randn(
        4, 16, 20
    )


def mixer():
    class Turned(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.mT).mT

    def block() -> list[nn.Module]:
        tokens = Turned(mlp(8, 16, 8, activation=nn.GELU))
        return [Plus(nn.LayerNorm(WIDTH), tokens), Plus(nn.LayerNorm(WIDTH), mlp(WIDTH, 64, WIDTH, activation=nn.GELU))]

    return nn.Sequential(
        *(part for _ in range(4) for part in block()), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)
    ), torch.randn(4, 8, WIDTH)


def deep_sets():
    return Calls(lambda m, x: m.after(m.before(x).mean(1)), before=mlp(8, 64, 64), after=mlp(64, 32, 1)), torch.randn(
        8, 5, 8
    )


def radiance_field():
    def forward(m, x: Tensor) -> Tensor:
        h = m.one(x)
        return m.two(torch.cat((torch.relu(h), x), -1))

    return Calls(forward, one=mlp(WIDTH, 64, 64, 64), two=mlp(64 + WIDTH, 64, 64, 4)), rows()


def dueling():
    def forward(m, x: Tensor) -> Tensor:
        h = torch.relu(m.body(x))
        advantage = m.advantage(h)
        return m.value(h) + advantage - advantage.mean(-1, keepdim=True)

    return Calls(forward, body=mlp(WIDTH, 64, 64), advantage=nn.Linear(64, 4), value=nn.Linear(64, 1)), rows()


def state_space():
    """A table by rule in every layer: equal, and no copy of anything drawn."""

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rates = nn.Parameter(torch.arange(1.0, 17.0).log().repeat(WIDTH, 1))
            self.enter, self.leave, self.norm = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            h = self.enter(self.norm(x))
            return x + self.leave((torch.sigmoid(h)[..., None] * -self.rates.exp()).sum(-1) * F.silu(h))

    return nn.Sequential(*(Layer() for _ in range(3)), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)), rows()


def identity_recurrence():
    def forward(m, x: Tensor) -> Tensor:
        return m.head(m.body(x)[0][:, -1])

    body = nn.RNN(16, 32, 2, nonlinearity="relu", batch_first=True)
    for place in range(2):
        nn.init.eye_(getattr(body, f"weight_hh_l{place}"))
    return Calls(forward, body=body, head=nn.Linear(32, 10)), torch.randn(8, 5, 16)


def zero_branches():
    def zeroed() -> nn.Linear:
        last = nn.Linear(64, WIDTH)
        nn.init.zeros_(last.weight)
        return last

    body = [Plus(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 64), nn.GELU(), zeroed()) for _ in range(8)]
    return nn.Sequential(*body, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)), rows()


def tied():
    def forward(m, x: Tensor) -> Tensor:
        h = m.table(x)
        for _ in range(3):
            h = h + m.block(h)
        return F.linear(h, m.table.weight)

    block = nn.Sequential(nn.LayerNorm(WIDTH), mlp(WIDTH, 64, WIDTH))
    return Calls(forward, table=nn.Embedding(50, WIDTH), block=block), torch.randint(0, 50, (8, 6))


HEALTHY = {
    each.__name__: each
    for each in (
        resnet, pre_activation, vision_transformer, post_norm, bare_residual, plain_cnn, separable, factorised, squeezenet,
        convnext, discriminator, generator, variational, quantised, quantised_by_product, bootstrap,
        siamese_without_negatives, two_towers, towers_that_start_alike, experts, hard_experts,
        critic_on_detached_features, refined, detector, frozen_features, spare_head, pyramid, matrix_factorisation, fasttext,
        regression, linear_autoencoder, low_rank_head, sequences, projected_sequences, gated_convolutions, mixer, deep_sets,
        radiance_field, dueling, state_space, identity_recurrence, zero_branches, tied,
    )
}  # fmt: skip
"""By name, the function that builds a model and what it is called with, from torch's global generator."""
