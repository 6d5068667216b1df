"""Fills in which an element depends on the whole matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium import random
from initium.init._door import Source, overridable, stream_of

if TYPE_CHECKING:
    from typing import SupportsFloat

    import torch


@overridable
def orthogonal_(
    tensor: torch.Tensor,
    gain: SupportsFloat = 1,
    generator: Source = None,
    *,
    batch_axes: int = 0,
) -> torch.Tensor:
    r"""Fill with a Haar-distributed matrix of orthonormal rows or columns, as ``torch.nn.init.orthogonal_``.

    ``Q^H Q = gain^2 I`` where rows >= the rest, else ``Q Q^H = gain^2 I``, of the tensor seen as (rows, rest); see
    ``initium.random.orthogonal_``.

    Args:
        tensor: A floating or complex tensor of 2 or more axes, filled in place.
        gain: The singular values.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        batch_axes: How many leading axes count matrices, each with numbers of its own.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: Fewer than 2 axes, a gain that is NaN or infinite, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values.

    Example:
        >>> import torch
        >>> from initium.init import orthogonal_
        >>> w = orthogonal_(torch.empty(8, 3, dtype=torch.float64), gain=2.0)
        >>> torch.allclose(w.T @ w, 4 * torch.eye(3, dtype=torch.float64))
        True

    Reference:
        Saxe et al. (2014), Exact solutions to the nonlinear dynamics of learning in deep linear neural networks,
        section 3 (no equation number); Stewart (1980), section 3.

    Deviation:
        Also in bfloat16, float16 and complex numbers, in channels_last and any other layout; computed in float64, and on
        a CPU the bits do not depend on the number of threads. Meanwhile ``torch.get_num_threads()`` is 1.
    """
    return random.orthogonal_(tensor, stream_of(generator), gain, batch_axes=batch_axes)


@overridable
def delta_orthogonal_(tensor: torch.Tensor, gain: SupportsFloat = 1, generator: Source = None) -> torch.Tensor:
    r"""Fill a convolution's weight so that the convolution is an isometry times a gain.

    ``W[:, :, centre] = gain * Q``, ``Q^H Q = I``, and 0 elsewhere; see ``initium.random.delta_orthogonal_``.

    Args:
        tensor: A floating or complex tensor (out, in, \*kernel) of 3 to 5 axes with out >= in, filled in place.
        gain: The singular values of the convolution.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: Another number of axes, out < in, a gain that is NaN or infinite, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values.

    Example:
        >>> import torch
        >>> from initium.init import delta_orthogonal_
        >>> w, x = delta_orthogonal_(torch.empty(16, 8, 3, 3)), torch.randn(1, 8, 10, 10)
        >>> torch.allclose(torch.conv2d(x, w, padding=1).norm(), x.norm())
        True

    Reference:
        Xiao et al. (2018), Dynamical Isometry and a Mean Field Theory of CNNs, section 2 (no equation number).
    """
    return random.delta_orthogonal_(tensor, stream_of(generator), gain)


@overridable
def sparse_(
    tensor: torch.Tensor,
    sparsity: SupportsFloat,
    std: SupportsFloat = 0.01,
    generator: Source = None,
) -> torch.Tensor:
    r"""Fill a matrix with draws from a normal law, the same number of zeros in each column, as torch's.

    ``ceil(sparsity * rows)`` zeros a column, N(0, std^2) elsewhere; see ``initium.random.sparse_``.

    Args:
        tensor: A floating or complex matrix (rows, columns), filled in place.
        sparsity: The share of zeros in each column, in [0, 1].
        std: The standard deviation of the others, >= 0.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: Not 2 axes, a sparsity outside [0, 1], std < 0 or NaN, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values.

    Example:
        >>> import torch
        >>> from initium.init import sparse_
        >>> (sparse_(torch.empty(10, 3), sparsity=0.1) == 0).sum(dim=0)
        tensor([1, 1, 1])

    Reference:
        Martens (2010), Deep learning via Hessian-free optimization, section 5 (no equation number).

    Deviation:
        ``generator`` decides the places of the zeros too; torch draws them from the default generator.
    """
    return random.sparse_(tensor, stream_of(generator), sparsity, std)
