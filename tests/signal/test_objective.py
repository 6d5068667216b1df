"""What is differentiated, and what is said when it cannot be."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initium.errors import LossError
from initium.network import Batch
from initium.signal import measure, predict


@dataclass
class Output:
    logits: Tensor
    loss: Tensor | None = None
    hidden: Tensor | None = None


class WithLoss(nn.Module):
    """Returns an object, or a dict, with a loss where labels are given."""

    def __init__(self, *, as_dict: bool = False) -> None:
        super().__init__()
        self.inner, self.head, self.as_dict = nn.Linear(4, 4), nn.Linear(4, 3), as_dict

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Output | dict[str, Tensor | None]:
        hidden = self.inner(x)
        logits = self.head(hidden)
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits} if self.as_dict else Output(logits, loss, hidden)


X, Y = torch.arange(24.0).reshape(6, 4).sin(), torch.arange(6) % 3


@pytest.mark.parametrize("as_dict", [True, False])
def test_the_outputs_own_loss_is_differentiated(as_dict: bool) -> None:  # noqa: FBT001 - a parameter of the test
    model = WithLoss(as_dict=as_dict)
    own = measure(model, {"x": X, "labels": Y})
    asked = measure(model, Batch((X,), target=Y), lambda output, y: F.cross_entropy(_logits(output), y))
    assert own.objective == "output.loss"
    assert [row.grad_rms for row in own.rows] == pytest.approx([row.grad_rms for row in asked.rows], rel=1e-5)
    assert own.loss == pytest.approx(asked.loss)


def _logits(output: object) -> Tensor:
    return output["logits"] if isinstance(output, dict) else output.logits


def test_without_a_loss_only_the_answer_is_given_a_cotangent() -> None:
    signal = measure(WithLoss(), X)
    assert signal.loss is None
    assert signal.objective == "a random unit-variance cotangent on output.logits"


def test_a_target_without_a_loss_is_said_to_be_unused() -> None:
    assert any("target" in note for note in measure(nn.Linear(4, 3), Batch((X,), target=Y)).notes)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda y: y, r"shape \(6, 3\).*\.mean\(\)"),
        (lambda y: y.sum(0), r"shape \(3,\), float32"),
        (lambda y: y.argmax(), "int64"),
        (lambda y: y.mean().item(), r"float .*before \.item\(\)"),
        (lambda y: (y.mean(), y.sum()), "tuple"),
        (lambda _: None, "NoneType"),
        (lambda y: y.detach().mean(), r"no parameter.*\.detach\(\)"),
        (lambda y: torch.complex(y.mean(), y.mean()), "complex64"),
        (lambda y: y.nonsense, "raised AttributeError"),
        (F.cross_entropy, r"Batch\(\(x,\), target=y\)"),
        (nn.CrossEntropyLoss(), r"Batch\(\(x,\), target=y\)"),
    ],
)
def test_a_loss_that_is_none_is_refused_with_its_cure(loss: object, words: str) -> None:
    with pytest.raises(LossError, match=words):
        measure(nn.Linear(4, 3), X, loss)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("mse", r"got str 'mse'\. .*torch\.nn\.functional\.mse_loss.*CrossEntropyLoss\(\)"),
        (3, r"got int 3\."),
        (nn.CrossEntropyLoss, r"got the class CrossEntropyLoss.*loss=CrossEntropyLoss\(\)"),
    ],
)
def test_what_is_no_function_of_the_output_is_refused_before_the_model_runs(loss: object, words: str) -> None:
    with pytest.raises(LossError, match=words):
        measure(nn.Linear(5, 3), Batch((X,), target=Y), loss)  # the batch does not fit: the loss is said first


def test_a_loss_of_the_output_alone_is_told_of_the_target() -> None:
    with pytest.raises(LossError, match="let it take both"):
        measure(nn.Linear(4, 3), Batch((X,), target=Y), lambda y: y.mean())


def test_a_loss_that_cannot_use_the_output_says_what_came() -> None:
    with pytest.raises(LossError, match=r"cross_entropy\(Output, a tensor of shape \(6,\), int64\)"):
        measure(WithLoss(), Batch((X,), target=Y), F.cross_entropy)


class Detached(nn.Module):
    """Its weight is not trained through its output."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x).detach()


class Labelled(Detached):
    """A loss of its own, which has no gradient either."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"loss": super().forward(x).mean()}


@pytest.mark.parametrize("verb", [measure, predict])
@pytest.mark.parametrize(
    ("model", "loss", "objective"),
    [
        (Detached(), None, "nothing of output"),
        (Detached(), torch.mean, "loss(output)"),
        (Labelled(), None, "output.loss"),
        (nn.ReLU(), None, "nothing of output"),
    ],
)
def test_a_model_without_any_gradient_is_walked_forwards_and_it_is_said(verb, model, loss, objective) -> None:
    signal = verb(model, X, loss=loss)
    assert signal.objective == objective
    assert sum("no tensor of the output carries a gradient" in note for note in signal.notes) == 1
    assert len(signal.rows) == (0 if isinstance(model, nn.ReLU) else 1)
    assert all(row.out_rms > 0 and row.grad_rms == row.weight_grad_norm == 0 for row in signal.rows)


# ---- recognised classifications ----


def entropy(*counts: int) -> float:
    share = torch.tensor(counts, dtype=torch.float64) / sum(counts)
    return float(-(share * share.clamp(min=1e-300).log()).sum())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_cross_entropy_is_recognised_with_its_prior(dtype: torch.dtype) -> None:
    target = torch.tensor([0, 0, 0, 1, 2, 2])
    signal = measure(nn.Linear(4, 5, dtype=dtype), Batch((X.to(dtype),), target=target), F.cross_entropy)
    assert signal.classes == 5
    assert signal.prior_loss == pytest.approx(entropy(3, 1, 2), rel=1e-12)


def test_log_probabilities_and_double_softmax_are_recognised_too() -> None:
    for last, loss in ((nn.LogSoftmax(-1), F.nll_loss), (nn.Softmax(-1), F.cross_entropy)):
        assert measure(nn.Sequential(nn.Linear(4, 3), last), Batch((X,), target=Y), loss).classes == 3


def test_ignored_targets_do_not_count() -> None:
    target = torch.tensor([0, 0, 1, -100, -100, 2])
    signal = measure(nn.Linear(4, 3), Batch((X,), target=target), F.cross_entropy)
    assert signal.prior_loss == pytest.approx(entropy(2, 1, 1), rel=1e-12)
    assert signal.targets == 4


def test_pixels_are_classified_along_axis_one() -> None:
    target = torch.randint(0, 3, (2, 5, 5))
    signal = measure(nn.Conv2d(1, 3, 1), Batch((torch.randn(2, 1, 5, 5),), target=target), F.cross_entropy)
    assert signal.classes == 3


def test_a_language_model_is_classified_one_token_ahead() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(7, 4), nn.Linear(4, 7)

        def forward(self, ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.head(self.table(ids))
            return {"logits": logits, "loss": F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())}

    ids = torch.tensor([[1, 2, 2, 3], [0, 2, 3, 3]])
    signal = measure(Model(), {"ids": ids, "labels": ids})
    assert signal.classes == 7
    assert signal.prior_loss == pytest.approx(entropy(3, 3), rel=1e-12)


def test_a_single_output_against_zeros_and_ones_is_two_classes() -> None:
    target = torch.tensor([[0.0], [0.0], [0.0], [0.0], [0.0], [1.0]])
    signal = measure(nn.Linear(4, 1), Batch((X,), target=target), F.binary_cross_entropy_with_logits)
    assert signal.classes == 2
    assert signal.prior_loss == pytest.approx(entropy(5, 1), rel=1e-12)


@pytest.mark.parametrize(
    "loss",
    [
        lambda y, t: F.mse_loss(y, F.one_hot(t, 3).float()),
        lambda y, t: F.cross_entropy(y, t, reduction="sum"),
        lambda y, t: F.cross_entropy(y, t, label_smoothing=0.1),
        lambda y, t: F.cross_entropy(y, t, weight=torch.tensor([1.0, 2.0, 3.0])),
    ],
)
def test_what_is_not_provably_a_mean_cross_entropy_is_left_unnamed(loss: object) -> None:
    signal = measure(nn.Linear(4, 3), Batch((X,), target=Y), loss)
    assert (signal.classes, signal.prior_loss, signal.targets) == (None, None, None)


def test_a_loss_that_runs_the_model_or_writes_to_its_target_changes_neither() -> None:
    model, x, y = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)), torch.randn(8, 6), torch.zeros(8, 4)
    before = [buffer.clone() for buffer in model.buffers()]

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return ((output + model(x) - target.add_(1)) ** 2).mean()

    measure(model, Batch((x,), target=y), loss)
    assert all(map(torch.equal, model.buffers(), before))
    assert not y.any()
