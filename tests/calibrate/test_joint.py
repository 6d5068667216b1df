"""Answers that several weights or tables give together start as small as those of one."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from initium.calibrate._joint import joints
from initium.calibrate._scales import scales_of
from initium.calibrate._written import CLOSE
from initium.network import Batch, as_batch, read


class Factors(nn.Module):
    """Matrix factorisation, with a bias for each row and each column."""

    def __init__(self, width=32):
        super().__init__()
        self.user, self.item = nn.Embedding(400, width), nn.Embedding(300, width)
        self.generous, self.good = nn.Embedding(400, 1), nn.Embedding(300, 1)

    def forward(self, users, items):
        matched = (self.user(users) * self.item(items)).sum(-1)
        return matched + self.generous(users).squeeze(-1) + self.good(items).squeeze(-1)


class Machine(nn.Module):
    """A factorisation machine: what goes out is a sum over fields and one over their pairs; a deep one has an MLP beside."""

    def __init__(self, *, deep, fields=20, width=16):
        super().__init__()
        self.alone, self.pairs = nn.Embedding(100 * fields, 1), nn.Embedding(100 * fields, width)
        self.deep = nn.Sequential(nn.Linear(fields * width, 64), nn.ReLU(), nn.Linear(64, 1)) if deep else None
        self.register_buffer("places", 100 * torch.arange(fields))

    def forward(self, x):
        rows = self.pairs(x + self.places)
        paired = 0.5 * (rows.sum(1) ** 2 - (rows**2).sum(1)).sum(1, keepdim=True)
        given = self.alone(x + self.places).sum(1) + paired
        return (given if self.deep is None else given + self.deep(rows.flatten(1))).squeeze(1)


class Towers(nn.Module):
    """Every left against every right."""

    def __init__(self):
        super().__init__()
        self.left = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64))
        self.right = nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, left, right):
        return self.left(left) @ self.right(right).mT


class Chain(nn.Module):
    """The likelihood of labels under a linear-chain conditional random field."""

    def __init__(self, labels=7):
        super().__init__()
        self.score = nn.Linear(32, labels)
        self.change = nn.Parameter(torch.randn(labels, labels) / 10)

    def forward(self, x, y):
        given = self.score(x)
        ahead, own = given[:, 0], given[:, 0].gather(1, y[:, :1]).squeeze(1)
        for step in range(1, x.shape[1]):
            ahead = (ahead[:, :, None] + self.change + given[:, step, None]).logsumexp(1)
            own = own + self.change[y[:, step - 1], y[:, step]] + given[:, step].gather(1, y[:, step : step + 1])[:, 0]
        return (ahead.logsumexp(-1) - own).mean()


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def whole(high, *shape):
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("build", "batch"),
    [(Factors, (whole(400, 256), whole(300, 256))), (Towers, (draw(64, 32), draw(64, 24)))],
    ids=["factors", "towers"],
)
def test_a_product_that_goes_out_starts_at_the_size_of_an_output(build, batch):
    torch.manual_seed(0)
    model = build()
    initium.initialize(model, batch, "auto", seed=0)
    assert 0.2 < model(*batch).std() < 0.3  # a tenth of 0.25 is left as it is


@pytest.mark.parametrize("deep", [False, True])
def test_each_term_of_a_factorisation_machine_has_its_share_of_an_output(deep):
    torch.manual_seed(0)
    model, batch = Machine(deep=deep), (whole(100, 256, 20),)
    own = model(*batch).std()
    initium.initialize(model, batch, "auto", seed=0)
    assert own > 10
    # Terms of HEAD / sqrt(terms), but for a tenth that is left as it is, and an MLP's own HEAD.
    assert 0.2 < model(*batch).std() < (0.4 if deep else 0.3)
    assert model.alone.weight.std() * 20**0.5 < 0.25


def test_a_table_of_changes_between_labels_leaves_a_chain_near_guessing():
    torch.manual_seed(0)
    model, batch = Chain(), (draw(16, 12, 32), whole(7, 16, 12))
    initium.initialize(model, batch, "auto", seed=0)
    guessing = 12 * torch.tensor(7.0).log()
    assert model(*batch) < guessing * 1.1


def test_a_table_of_zeros_that_goes_out_is_kept():
    model, batch = Factors(), (whole(400, 256), whole(300, 256))
    nn.init.zeros_(model.good.weight)
    row = initium.plan(model, batch, "auto")["good.weight"]
    assert row.law == "keep"
    assert "zero throughout" in row.reason


def test_what_an_input_or_another_weight_has_a_part_in_is_not_sized_as_an_answer_of_several():
    class Corrected(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.left, self.right = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            y = self.inner(x).relu()
            return x + self.left(y) * self.right(y), self.left(y) * self.right(y)

    network = read(Corrected(), as_batch(draw(4, 8)))
    (found,) = joints(network, ["left.weight", "right.weight"]).values()
    assert found.names == ("left.weight", "right.weight")
    assert found.degree == 2


class Scores(nn.Module):
    """What comes next by the inner product of a state with rows of the table that was read."""

    def __init__(self, *, norm, width=32):
        super().__init__()
        self.items, self.state = nn.Embedding(200, width), nn.GRU(width, width, batch_first=True)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()

    def forward(self, seen, ahead):
        return (self.norm(self.state(self.items(seen))[0]) * self.items(ahead)).sum(-1)


@pytest.mark.parametrize("norm", [True, False])
def test_rows_that_a_state_scores_start_at_the_size_of_an_output(norm):
    torch.manual_seed(0)
    model, batch = Scores(norm=norm), (whole(200, 64, 20), whole(200, 64, 20))
    (joint,) = scales_of(read(model, Batch(batch)), {}).joints.values()
    assert (joint.names, joint.degree, joint.weighed) == (("items.weight",), 1.0, True)
    initium.initialize(model, batch, "auto", seed=0)
    assert 0.2 < model(*batch).std() < 0.3
    # Behind a norm that nothing else reads the table is as large as any other.
    assert not norm or float(model.norm.weight.detach()[0]) == CLOSE


def test_chances_that_go_out_are_sized_as_the_scores_behind_them():
    class Chances(Machine):
        def forward(self, x):
            return super().forward(x).sigmoid()

    torch.manual_seed(0)
    model, batch = Chances(deep=True), (whole(100, 256, 20),)
    plain = Machine(deep=True)
    assert (
        scales_of(read(model, Batch(batch)), {}).joints.keys() == scales_of(read(plain, Batch(batch)), {}).joints.keys()
    )
    initium.initialize(model, batch, "auto", seed=0)
    assert 0.2 < model(*batch).logit().std() < 0.4


class Propagated(nn.Module):
    """Two tables joined to one, and the mean of what three steps over a graph make of it, as in LightGCN."""

    def __init__(self, users=60, items=40, width=32):
        super().__init__()
        self.user, self.item = nn.Embedding(users, width), nn.Embedding(items, width)
        near = (draw(users + items, users + items) > 1).float()
        self.register_buffer("near", near / near.sum(1, keepdim=True).clamp(min=1))

    def forward(self, users, items):
        steps = [torch.cat((self.user.weight, self.item.weight))]
        for _ in range(3):
            steps.append(self.near @ steps[-1])
        made = torch.stack(steps).mean(0)
        return (made[users] * made[60 + items]).sum(-1)


def test_joined_tables_are_started_alike():
    torch.manual_seed(0)
    model, batch = Propagated(), (whole(60, 256), whole(40, 256))
    assert {use.joined for use in read(model, Batch(batch)).uses} == {("item.weight",)}
    initium.initialize(model, batch, "auto", seed=0)
    assert 0.2 < model(*batch).std() < 0.3
    sizes = [float(each.weight.detach().std()) for each in (model.user, model.item)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


def test_a_table_that_is_joined_to_a_frozen_one_is_sized_with_what_it_answers():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.kept, self.own = (
                nn.Parameter(torch.randn(9, 32), requires_grad=False),
                nn.Parameter(torch.randn(9, 32)),
            )
            self.state = nn.Linear(32, 32)

        def forward(self, read, scored):
            rows = torch.cat((self.kept, self.own))
            return (self.state(F.embedding(read, rows)) * F.embedding(scored, rows)).sum(-1)

    torch.manual_seed(0)
    model, batch = Joined(), (whole(18, 512), whole(18, 512))
    initium.initialize(model, batch, "auto", seed=0)
    assert 0.2 < model(*batch).std() < 0.35  # each walk leaves a part of what the frozen one is too large by


class Skipgram(nn.Module):
    """Words beside their neighbours and beside words that are none: the loss of both, in the model."""

    def __init__(self, width=32):
        super().__init__()
        self.inner, self.outer = nn.Embedding(200, width), nn.Embedding(200, width)

    def forward(self, words, near, far):
        given = self.inner(words)
        right = F.logsigmoid((given * self.outer(near)).sum(-1))
        wrong = F.logsigmoid(-(given[:, None] * self.outer(far)).sum(-1)).sum(-1)
        return -(right + wrong).mean()


def test_a_loss_of_several_scores_is_looked_at_score_by_score():
    torch.manual_seed(0)
    model, batch = Skipgram(), (whole(200, 256), whole(200, 256).flip(0), whole(200, 256, 5))
    found = scales_of(read(model, Batch(batch)), {}).joints.values()
    assert [(joint.names, joint.degree) for joint in found] == [(("inner.weight", "outer.weight"), 2.0)] * 2
    initium.initialize(model, batch, "auto", seed=0)
    guessing = 6 * torch.tensor(2.0).log()
    assert model(*batch) < guessing + 6 * 0.25**2 / 8 + 0.1
