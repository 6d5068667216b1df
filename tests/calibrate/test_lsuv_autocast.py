"""Models that enter autocast themselves: it is where they put it, and nowhere after the call."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from initium import measure
from initium.calibrate import lsuv
from initium.network import casting


class Half(nn.Module):
    """Two layers in bfloat16 between two in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.one, self.two, self.last = (nn.Linear(16, 16) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        with torch.autocast("cpu", torch.bfloat16):
            x = self.two(torch.relu(self.one(x)))
        return self.last(x.float())


class Faulty(TorchDispatchMode):
    """Raises at the n-th operation, and counts them."""

    def __init__(self, at: int = 0) -> None:
        super().__init__()
        self.at, self.calls = at, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += 1
        if self.calls == self.at:
            raise RuntimeError("a fault")
        return func(*args, **(kwargs or {}))


def batch(scale: float = 1.0) -> Tensor:
    return scale * torch.randn(64, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("call", [lsuv, measure])
def test_a_fault_inside_autocast_leaves_it(call: Callable[[nn.Module, Tensor], object]) -> None:
    before, failed = casting(), 0
    with Faulty() as counting:
        call(Half(), batch())
    for at in torch.linspace(0.4 * counting.calls, counting.calls, 40).int().tolist():  # the trace lies before
        try:
            with Faulty(at):
                call(Half(), batch())
        except (RuntimeError, ValueError):
            failed += 1
        assert casting() == before
    assert failed > 20


def test_batches_that_stop_inside_autocast_stay_apart() -> None:
    torch.manual_seed(0)
    model, before, dtypes = Half(), casting(), list[torch.dtype]()
    batches = [batch(), batch(3.0)]
    receipt = lsuv(model, batches)
    assert casting() == before
    for layer, slack in ((model.first, 1e-4), (model.one, 4e-3), (model.two, 4e-3), (model.last, 1e-3)):
        outputs: list[Tensor] = []
        hook = layer.register_forward_hook(lambda _, __, out, outputs=outputs: outputs.append(out))
        with torch.no_grad():
            for each in batches:
                model(each)
        hook.remove()
        dtypes += {each.dtype for each in outputs}
        assert abs(float(torch.cat(outputs).double().std(correction=0)) - 1) <= slack
    assert dtypes == [torch.float32, torch.bfloat16, torch.bfloat16, torch.float32]
    assert all(abs(row.after - 1) <= 4e-3 for row in receipt.rows)
