"""What is known of a parameter without its values: the mean and the std of what it is filled by."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import torch

from initium.errors import ArgumentError
from initium.signal._moments import all_moments, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

    from initium.network import Facts, Network

# Elements. A weight larger than the first is never walked; where all are more than the second together, none above the third is.
LARGEST, ALL, MIDDLING = 1 << 25, 1 << 28, 1 << 18
# What multiplies data.
DRAWN = frozenset({"weight", "recurrent", "embedding"})


@dataclass(frozen=True, slots=True)
class Law:
    """Independent elements of this mean and standard deviation.

    Attributes:
        mean: Of an element; a complex number where the elements are complex.
        std: Of an element, ``sqrt(E|w - mean|^2)``; 0 where all of them are ``mean``.

    Example:
        >>> Law(0.0, 0.02)
        Law(mean=0.0, std=0.02)
    """

    mean: complex
    std: float


def law_of(values: Tensor) -> Law:
    """The law that a tensor's elements look as if drawn by; of complex ones the moments of the values, not of ``|w|``."""
    if values.is_complex():
        mean = values.mean()
        return Law(complex(mean), float(all_moments(values - mean).rms))
    moments = all_moments(values)
    mean, std = torch.stack((moments.total_mean, moments.std)).tolist()
    return Law(mean, std)


def laws_of(model: nn.Module, network: Network, given: Mapping[str, Law | float] | None) -> dict[str, Law | Tensor]:
    """For every parameter the law that was given, else its values.

    A weight too large to be walked has the law of its values. A parameter on ``meta``, or one that holds NaN or infinity
    (memory that nobody has written), has the one that suits its role: unit second moment of the output for what multiplies
    data, the identity of a normalisation, and zero.

    Raises:
        ArgumentError: A law is given for a parameter that the model does not have.
    """
    _check_names(network, given or {})
    held = dict(model.named_parameters())
    large = too_large(network)
    return {
        facts.name: _law(facts, held[facts.name].detach(), given or {}, large=facts.name in large)
        for facts in network.parameters
    }


def too_large(network: Network) -> set[str]:
    """The weights that are known by their law alone, of those that no gate uses."""
    sizes = {facts.name: math.prod(facts.shape) for facts in network.parameters}
    most = MIDDLING if sum(sizes.values()) > ALL else LARGEST
    return {use.name for use in network.uses if use.layout != "gates" and sizes[use.name] > most}


def _law(facts: Facts, parameter: Tensor, given: Mapping[str, Law | float], *, large: bool) -> Law | Tensor:
    own = next((given[name] for name in facts.names if name in given), None)
    if own is not None:
        return own if isinstance(own, Law) else Law(0.0, float(own))
    if parameter.is_meta:
        return _supposed(facts)
    if facts.role in DRAWN and not facts.whole and parameter.layout == torch.strided and parameter.numel():
        found = law_of(unpacked(parameter))
        if not cmath.isfinite(found.mean + found.std):
            return _supposed(facts)
        if large:
            return found
    return parameter


def unwritten(model: nn.Module, network: Network, laws: Mapping[str, Law | Tensor]) -> Iterator[str]:
    """Names of what holds NaN or infinity and got a supposed law."""
    held = dict(model.named_parameters())
    for facts in network.parameters:
        parameter = held[facts.name].detach()
        supposed = isinstance(laws[facts.name], Law) and laws[facts.name] == _supposed(facts)
        if supposed and not parameter.is_meta and not bool(torch.isfinite(unpacked(parameter)).all()):
            yield facts.name


def _supposed(facts: Facts) -> Law:
    if facts.role in {"weight", "recurrent"} and facts.fan_in:
        return Law(0.0, facts.fan_in**-0.5)
    if facts.role == "embedding":
        return Law(0.0, 1.0)
    return Law(facts.neutral if facts.neutral is not None else 0.0, 0.0)


def _check_names(network: Network, given: Mapping[str, object]) -> None:
    known = {name for facts in network.parameters for name in facts.names}
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise ArgumentError(f"a law is given for `{name}`, which is no parameter of {network.title}.{hint}")
