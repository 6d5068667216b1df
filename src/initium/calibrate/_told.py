"""What a receipt says of channels that were centred and scaled, and of what was left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.calibrate._receipt import NOT_REACHED, unmentioned
from initium.records import ReceiptRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from initium.calibrate._centring import Centring, Seen, Shift
    from initium.calibrate._channels import Channels, Key
    from initium.network import Network

# A channel that misses its target by more says so: this much, or as many roundings of its own precision.
_MISSED, _ROUNDINGS = 1e-3, 16


def rows(
    channels: Mapping[Key, Channels],
    first: Centring,
    seen: Mapping[Key, Seen],
    *,
    mean: float,
    std: float,
    balanced: Mapping[Key, tuple[float, float]] | None = None,
) -> Iterator[ReceiptRow]:
    """A row for each part of each weight; ``balanced`` has what a weight and its output were multiplied by afterwards."""
    parts = [name for name, _ in channels]
    for key, each in channels.items():
        where = f"outputs {each.start} to {each.start + each.units - 1}; " if parts.count(each.name) > 1 else ""
        after, shift = seen.get(key), first.found.get(key)
        last, (again, size) = after.std if after is not None else 0.0, (balanced or {}).get(key, (1.0, 1.0))
        if shift is None:
            reason = each.reason or NOT_REACHED
            yield ReceiptRow(each.name, first.seen.get(key, 0.0), None, last, f"{where}left alone: {reason}")
        elif shift.note or after is None:
            yield ReceiptRow(each.name, shift.before, 1.0, last, f"{where}{shift.note}")
        else:
            factor = float(shift.factors[shift.live].log().mean().exp()) * again
            note = _note(each, shift, after, mean * size, std * size)
            yield ReceiptRow(each.name, shift.before, factor, last, where + note)


def _note(channels: Channels, shift: Shift, seen: Seen, mean: float, std: float) -> str:
    live = shift.live.to(seen.stds.device)
    off = float((seen.stds[live] / std - 1).abs().max())
    parts = [f"std {std:g} in each channel, the worst {off:.1g} off"]
    if shift.shifts is not None:
        off_mean = float((seen.means[live] - mean).abs().max()) / std
        parts[0] += f"; mean {mean:g}, the worst {off_mean:.1g} off"
        off = max(off, off_mean)
    dead = int((~live).sum())
    parts += [f"{dead} of {len(live)} channels are constant: not divided by"] if dead else []
    parts += [channels.remark] if channels.remark else []
    missed = off > max(_MISSED, _ROUNDINGS * seen.eps)
    return "; ".join([*parts, "the check measured another value"] if missed else parts)


def notes(network: Network, channels: Mapping[Key, Channels]) -> Iterator[str]:
    """What the rows do not say."""
    asked = network.trace.asked if network.trace else ()
    if asked:
        yield (
            f"the way through the network depends on its weights ({', '.join(asked)}): it was calibrated along the way "
            "that was traced before; pre=None on the result traces it anew"
        )
    yield from network.strange
    yield from unmentioned(network, {name for name, _ in channels})
