"""A coordinate check: does what a network computes keep its size while it trains, whatever its width?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

from initium.errors import ArgumentError
from initium.network import as_batch, read
from initium.signal._measure import measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn

    from initium.network import Batch
    from initium.signal._objective import Loss

Build: TypeAlias = Callable[[int], "tuple[nn.Module, torch.optim.Optimizer]"]
"""From a width to a model that has been started, and its optimiser."""


@dataclass(frozen=True, slots=True)
class Coordinate:
    """The size of one use's output after so many steps, width by width.

    Attributes:
        name: The weight.
        use: 0, 1, ... where it is used again.
        step: Steps of training before it was measured.
        sizes: The root mean square of the output, for each width.
        slope: Of log size against log width: 0 where the size does not depend on the width.
    """

    name: str
    use: int
    step: int
    sizes: tuple[float, ...]
    slope: float


@final
@dataclass(frozen=True, slots=True, repr=False)
class Coordinates:
    """What :func:`coordinate_check` found.

    Attributes:
        widths: The widths.
        rows: For every use of a weight and every step, in execution order within a step.

    Example:
        >>> row = Coordinate("0.weight", 0, 3, (1.0, 2.0), 1.0)
        >>> Coordinates((64, 128), (row,)).steepest(3)
        Coordinate(name='0.weight', use=0, step=3, sizes=(1.0, 2.0), slope=1.0)
    """

    widths: tuple[int, ...]
    rows: tuple[Coordinate, ...]

    def __iter__(self) -> Iterator[Coordinate]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        head = f"{'weight':30} {'step':>4} {' '.join(f'{width:>10}' for width in self.widths)} {'slope':>7}"
        return "\n".join([head, *map(_line, self.rows)])

    def __repr__(self) -> str:
        return f"Coordinates({len(self.rows)} rows, widths {', '.join(map(str, self.widths))})"

    def steepest(self, step: int) -> Coordinate:
        """The row of a step whose size grows most with the width.

        Args:
            step: The step.

        Returns:
            The row.

        Raises:
            ArgumentError: No such step was measured.
        """
        rows = [row for row in self.rows if row.step == step]
        if not rows:
            raise ArgumentError(f"step {step!r} was not measured; the last is {max(row.step for row in self.rows)}.")
        return max(rows, key=lambda row: row.slope)


def _line(row: Coordinate) -> str:
    sizes = " ".join(f"{size:10.4g}" for size in row.sizes)
    return f"{row.name + (f' ({row.use})' if row.use else ''):30} {row.step:>4} {sizes} {row.slope:>+7.2f}"


def coordinate_check(build: Build, widths: Sequence[int], batch: object, loss: Loss, *, steps: int = 3) -> Coordinates:
    r"""Trains a network at several widths for a few steps, and measures each weight's output before and after every one.

    $$\text{slope} = \frac{d \log \text{rms}(y)}{d \log \text{width}} \quad \text{(least squares)}$$

    In the maximal update parametrisation no slope rises above 0 with the steps (a readout may start below it); in the
    usual one, some do: then the best learning rate depends on the width.

    Args:
        build: ``build(width)`` gives a model, started, and its optimiser.
        widths: Two or more widths, rising.
        batch: What every model is trained and measured on, with its target: :class:`~initium.network.Batch`.
        loss: ``loss(output)``, or ``loss(output, target)`` where the batch has a target.
        steps: How many steps.

    Returns:
        The sizes, and their slopes; prints as a table.

    Raises:
        ArgumentError: Fewer than two widths, or no step, or models that differ in more than their width.
        LossError: The loss is not one real number with a gradient.
        TraceError: A model cannot be traced.

    Example:
        >>> import torch
        >>> from initium.network import Batch
        >>> def build(width):
        ...     net = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Tanh(), torch.nn.Linear(width, 2))
        ...     return net, torch.optim.SGD(net.parameters(), lr=0.1)
        >>> batch = Batch((torch.randn(16, 4),), target=torch.arange(16) % 2)
        >>> found = coordinate_check(build, (8, 16), batch, torch.nn.functional.cross_entropy, steps=1)
        >>> [(row.name, row.step) for row in found]
        [('0.weight', 0), ('2.weight', 0), ('0.weight', 1), ('2.weight', 1)]

    Reference:
        Yang, Hu et al., "Tensor Programs V" (2022), appendix D.1 (verifying an implementation).
    """
    given, ordered = as_batch(batch), tuple(widths)
    if len(ordered) < 2 or list(ordered) != sorted(set(ordered)) or ordered[0] < 1 or steps < 1:  # noqa: PLR2004
        raise ArgumentError(f"two or more rising widths and a step are needed; got {ordered} and steps={steps!r}.")
    every = [_trained(*build(width), given, loss, steps) for width in ordered]
    if any(list(one) != list(every[0]) for one in every):
        raise ArgumentError(
            "the models differ in more than their width: build(width) must use the same weights' names."
        )
    return Coordinates(ordered, tuple(_row(key, [one[key] for one in every], ordered) for key in every[0]))


def _trained(
    model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, loss: Loss, steps: int
) -> dict[tuple[int, str, int], float]:
    network, sizes = read(model, batch), dict[tuple[int, str, int], float]()
    for step in range(steps + 1):
        for row in measure(model, batch, loss, network=network).rows:
            sizes[step, row.name, row.use] = row.out_rms
        if step < steps:
            optimizer.zero_grad()
            output = model(*batch.args, **batch.kwargs)
            value = loss(output) if batch.target is None else loss(output, batch.target)
            value.backward()  # pyright: ignore[reportAttributeAccessIssue] - measured above, so it is a tensor
            optimizer.step()
    return sizes


def _row(key: tuple[int, str, int], sizes: list[float], widths: tuple[int, ...]) -> Coordinate:
    step, name, use = key
    x = [math.log(width) for width in widths]
    y = [math.log(size) if size > 0 else -math.inf for size in sizes]
    centre, level = sum(x) / len(x), sum(y) / len(y)
    rise = sum((a - centre) * (b - level) for a, b in zip(x, y, strict=True)) / sum((a - centre) ** 2 for a in x)
    return Coordinate(name, use, step, tuple(sizes), rise)
