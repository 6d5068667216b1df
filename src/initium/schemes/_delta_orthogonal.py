"""Xiao et al. 2018: convolutions that keep the length of a whole image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from initium.records import DeltaOrthogonal, Packed
from initium.schemes._orthogonal import orthogonal_law, own_gain
from initium.schemes._parts import REST, follows, has_fans
from initium.schemes._rule import Choice, Rule, Scheme, first_of, on
from initium.schemes._select import layout

if TYPE_CHECKING:
    from initium.network import Facts

CONVOLUTIONS = (3, 4, 5)


def delta_law(gain: float | None, facts: Facts) -> Choice:
    """Delta-orthogonal where the shape allows it; elsewhere orthogonal, and why."""
    problem = no_delta(facts)
    if problem:
        choice = orthogonal_law(gain, "", facts)
        return Choice(choice.fill, choice.law, f"{choice.reason}; not delta-orthogonal: {problem}", choice.assumed)
    factor = own_gain(facts) if gain is None else gain
    each = DeltaOrthogonal(factor)
    fill = Packed(facts.axis, facts.parts, each) if facts.parts > 1 else each
    count = f", each of {facts.parts}" if facts.parts > 1 else ""
    given = "gain as asked" if gain is not None else follows(facts)
    reason = f"{given}: Xiao et al. 2018 section 2; {_tap(facts.shape[2:])}"
    return Choice(fill, f"delta-orthogonal, gain {factor:.4g}{count}", reason)


def no_delta(facts: Facts) -> str:
    """Why a weight cannot be delta-orthogonal; empty where it can."""
    if facts.layout == "conv_transpose":
        return "a transposed convolution sums over its other axis"
    if len(facts.shape) not in CONVOLUTIONS:
        return f"a weight of {len(facts.shape)} axes is no convolution of 1 to 3 dimensions"
    out, inner = facts.shape[0] // facts.parts, facts.shape[1]
    each = f" in each of {facts.parts}" if facts.parts > 1 else ""
    return f"out {out} < in {inner}{each}, so no columns can be orthonormal" if out < inner else ""


def _tap(kernel: tuple[int, ...]) -> str:
    """Which tap the matrix stands at; an even kernel has no middle one."""
    size, tap = "x".join(map(str, kernel)), ", ".join(str(length // 2) for length in kernel)
    even = any(length % 2 == 0 for length in kernel)
    return f"{size} has no middle tap, so ({tap}), one past its centre" if even else f"at the middle tap ({tap})"


def _rule(gain: float | None) -> Rule:
    convolved = on(layout("conv", "conv_transpose"), on(has_fans, partial(delta_law, gain)))
    return first_of(convolved, on(has_fans, partial(orthogonal_law, gain, "")), REST)


def delta_orthogonal(gain: float | None = None) -> Scheme:
    r"""Convolutions that are zero but for their middle tap, where they have orthonormal columns; orthogonal elsewhere.

    $$W_{:,:,c} = \text{gain} \cdot Q, \quad Q^T Q = I, \qquad W_{:,:,k \ne c} = 0, \qquad c_i = \lfloor k_i / 2 \rfloor$$

    With stride 1 and padding that keeps the size, such a convolution is ``gain`` times an isometry of images; an
    orthogonal (out, rest) matrix is not. A kernel of even size has no middle tap: the one past its centre is taken, and
    the row says so (the image is then shifted by one, and zero padding cuts its edge). A convolution in groups, or one that makes several maps at once, gets a matrix for each.

    What does not fit is filled as :func:`orthogonal` does, and its row says why: a convolution with fewer outputs than
    inputs, a transposed one, a linear weight. Everything else as :func:`orthogonal`.

    Args:
        gain: The singular values; ``None`` takes the exact gain of the activation that follows, as :func:`orthogonal`.

    Returns:
        The scheme.

    Raises:
        ArgumentError: A gain that is negative or not finite.

    Example:
        >>> import torch, initium
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3, padding=1), torch.nn.Tanh())
        >>> initium.plan(net, torch.randn(2, 4, 9, 9), "delta_orthogonal(1.0)")["0.weight"].law
        'delta-orthogonal, gain 1'

    Reference:
        Xiao, Bahri, Sohl-Dickstein, Schoenholz & Pennington, "Dynamical Isometry and a Mean Field Theory of CNNs: How to
        Train 10,000-Layer Vanilla Convolutional Neural Networks" (ICML 2018), section 2 and algorithm 1 (no equation
        number).

    Deviation:
        The paper has one gain, the critical one of tanh with its bias variance; here it is the activation's own. The
        paper has neither groups nor even kernels.
    """
    if gain is not None:
        _ = DeltaOrthogonal(gain)  # its check: finite and >= 0
    name = "delta_orthogonal" if gain is None else f"delta_orthogonal({gain!r})"
    return Scheme(name, _rule(gain), "Xiao et al. 2018, section 2")
