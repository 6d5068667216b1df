"""``dead-embedding``: rows of an embedding that are zero, or all the same: what they stand for cannot be told apart.

Theory: a row is what a network knows of a token before anything else. Rows of zeros are the same for all their tokens, and
what reads them is told nothing: behind an embedding that is zero throughout, only biases speak, and a weight that reads it
gets no gradient until the rows have moved.

Limits: exact. Of a table that is looked up for itself: all of its rows zero, or one row again and again, an error; more
than a tenth of them, the row for padding aside, a warning.

Not a fault: the row for padding (``padding_idx``); a few zero rows (reserved tokens); a table of zeros that is added to a
signal, multiplies one or biases an attention (positions, segments), which the first step fills; some zero rows of a frozen
table (tokens without a vector).

Example:
    >>> import torch, initium
    >>> table = torch.nn.Embedding(100, 32, padding_idx=0)
    >>> model = torch.nn.Sequential(table, torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    >>> batch = torch.arange(256).reshape(16, 16) % 100
    >>> initium.diagnose(model, batch).healthy
    True
    >>> _ = torch.nn.init.zeros_(table.weight[50:])
    >>> initium.diagnose(model, batch).findings[0].code
    'dead-embedding'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import shown
from initium.records import Code, Finding, Refill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal, TableRow

_MANY = 0.1
_READERS = frozenset({"linear", "norm", "activation"})


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for each table with too many zero rows."""
    idle = {facts.name for facts in network.parameters if facts.idle}
    frozen = {facts.name for facts in network.parameters if facts.frozen}
    alone = {use.name for use in network.uses if use.layout == "lookup" and use.after.kind in _READERS}
    for row in signal.tables:
        some = row.zeros > _MANY * row.rows and row.name not in frozen
        if row.name in alone - idle and row.rows > 1 and (some or row.alike == row.rows):
            yield _finding(row)


def _finding(row: TableRow) -> Finding:
    same, whole = max(row.zeros, row.alike), row.alike == row.rows
    zero = row.zeros > 0
    return Finding(
        code="dead-embedding",
        severity="error" if whole else "warning",
        layers=(row.name,),
        message=f"{'All' if whole else f'{same} of'} {row.rows} rows of the embedding `{row.name}` are {'zero' if zero else 'the same'}: what they "
        "stand for cannot be told apart.",
        measured=same / row.rows,
        expected=0.0,
        cause=f"a share of {shown(same / row.rows)} of its rows was set to {'zero' if zero else 'one value'}, or never filled (tokens that a file "
        "of vectors does not hold).",
        cure="Draw these rows at random, with the std of the others; zero is for the row of padding alone.",
        remedy=Code(
            f'table = model.get_parameter("{row.name}")\nempty = ~table.any(-1)\ntable.data[empty] = 0.02 * torch.randn_like(table[empty])'
        )
        if zero
        else Refill(row.name),
    )
