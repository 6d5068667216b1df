"""Small programs to diagnose, and what is said of them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

import initium
from initium.records import Finding

WIDTH, SAMPLES = 32, 64


class Calls(nn.Module):
    """A model that is one function of its parts."""

    def __init__(self, call: Callable[..., object], **parts: nn.Module | Tensor) -> None:
        super().__init__()
        self.call = call
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *given: Tensor) -> object:
        return self.call(self, *given)


def found(model: nn.Module, given: object, target: object, loss: Callable[..., Tensor], code: str) -> list[Finding]:
    arguments = given if isinstance(given, tuple) else (given,)
    report = initium.diagnose(model, initium.Batch(arguments, target=target), loss)
    return [each for each in report.findings if each.code == code and each.severity != "info"]


def severities(findings: list[Finding]) -> list[str]:
    return [each.severity for each in findings]


def mlp(*end: nn.Module, units: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, WIDTH), nn.ReLU(), nn.Linear(WIDTH, units), *end)


def rows(count: int = SAMPLES, width: int = 20) -> Tensor:
    return torch.randn(count, width)


def coins(count: int = SAMPLES) -> Tensor:
    return (torch.arange(count) % 2).float().unsqueeze(1)


def classes(count: int = SAMPLES, kinds: int = 4) -> Tensor:
    return torch.arange(count) % kinds
