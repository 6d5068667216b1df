"""Whether rows follow each other as shuffled samples do: what one says of the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network import tensors_in

if TYPE_CHECKING:
    from torch import Tensor

    from initium.network import Batch

_FEWEST = 30
# Standard deviations of a sum of chi-squares beyond which there is an order.
_SURE = 4.0


def unordered(batch: Batch, samples: int) -> bool:
    r"""True where no column of the inputs and of the target, each given row by row, tells anything of its next value.

    Formula:
        Of n independent values the autocorrelation at lag 1 is about ``N(0, 1 / n)``, so that ``n sum_c r_c^2`` over k columns has mean
        k and variance ``2 k``; a sequence has far more (Box & Pierce 1970).

    Args:
        batch: With its target.
        samples: How many rows.
    """
    given = tensors_in((batch.args, dict(batch.kwargs)))
    rows = [each for each in (*given, *tensors_in(batch.target)) if each.shape[:1] == (samples,)]
    numbers = [each for each in rows if not each.is_complex()]
    return samples >= _FEWEST and len(numbers) > 1 and not any(map(_follows, numbers))


def _follows(value: Tensor) -> bool:
    columns = value.detach().reshape(len(value), -1)[:, :256].double()
    columns = columns - columns.mean(0)
    size = columns.square().sum(0)
    told = size > 0
    if not bool(told.any()):
        return False
    correlated = (columns[1:] * columns[:-1]).sum(0)[told] / size[told]
    count = float(told.sum())
    return float(len(columns) * correlated.square().sum()) > count + _SURE * (2 * count) ** 0.5
