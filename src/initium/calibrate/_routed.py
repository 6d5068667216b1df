"""Models whose way depends on their weights: each real trace is a pass that finds, or checks, as well."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from initium.calibrate._choice import choose
from initium.calibrate._few import part_of
from initium.calibrate._masks import check_masks
from initium.calibrate._recorded import Recorded
from initium.calibrate._rounds import ways_of
from initium.calibrate._targets import target_of
from initium.calibrate._walks import Seeing, Settling
from initium.errors import InitiumError
from initium.network import read, tensors_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from initium.calibrate._choice import Choice
    from initium.calibrate._outcome import Call
    from initium.calibrate._rounds import Way
    from initium.network import Network

# One sample of so many tells what is used how, and one of so many where the first reach not all experts; of fewer than the last
# one is no small part.
SHARE, MORE, _LEAST = 16, 4, 4


def few_network(call: Call, values: Mapping[str, Tensor] | None = None, share: int = SHARE) -> Network | None:
    """A few samples' network; ``None`` where they cannot be had, or do not stand for what is swept while it is traced."""
    sizes = {each.shape[0] for each in tensors_in((call.batches[0].args, dict(call.batches[0].kwargs))) if each.ndim}
    if len(call.batches) > 1 or call.wanted.branches != "unit" or len(sizes) != 1 or min(sizes) < _LEAST:
        return None
    try:
        return read(call.model, part_of(call.batches[0], slice(None, None, min(share, *sizes))), values=values)
    except InitiumError:  # a model may want more samples
        return None


def plain(choices: Mapping[str, Choice]) -> bool:
    """Whether each weight is used once, as it is: its factor is known where it is met."""
    return all(choice.reason or _plain(name, choice) for name, choice in choices.items())


def _plain(name: str, choice: Choice) -> bool:
    return choice.carrier == name and len(choice.uses) == 1 and choice.uses[0].layout != "gates"


def swept(call: Call, few: Network, choices: dict[str, Choice]) -> tuple[Network, Settling | None]:
    """The batch's network, and the factors that were found on it; ``None`` where its way was not that of the few."""
    like = _way(call, few)
    target = partial(target_of, target=call.wanted.target, branches=call.wanted.branches, streams=[like.streams])
    recorded = Recorded(like, partial(Settling, choices, call.wanted.statistic, target, {}), exact=False)
    network = read(call.model, call.batches[0], values=call.weights.values, hearing=recorded)
    known = choose(call.model, network, call.scale_free)
    if _reasons(known) != _reasons(choices) or not recorded.was(_way(call, network)):
        return network, None
    check_masks([recorded.counting])
    settling = cast("Settling", recorded.made)
    settling.close()
    return network, settling


def looked(call: Call, before: Way) -> tuple[Way, Recorded | None]:
    """The way that the batch takes with what was written, and what was seen on it where it is the one that it took before."""
    recorded = Recorded(before, Seeing, exact=True)
    way = _way(call, read(call.model, call.batches[0], values=call.weights.values, hearing=recorded))
    return way, recorded if recorded.was(way) else None


def _reasons(choices: Mapping[str, Choice]) -> dict[str, str]:
    return {name: choice.reason for name, choice in choices.items()}


def _way(call: Call, network: Network) -> Way:
    return ways_of(call.batches[:1], call.masks[:1], [network])[0]
