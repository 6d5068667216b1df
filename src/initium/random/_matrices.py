"""Whole-matrix draws: orthogonal, delta-orthogonal, sparse. An element depends on the whole, so there is no ``start``."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import torch

from initium import checks
from initium.errors import ArgumentError
from initium.random import _door
from initium.random._fills import bits, normal_
from initium.random._haar import WIDTH, orthonormal
from initium.random._reference import CHUNK
from initium.random._threads import unsplit_if_forked

if TYPE_CHECKING:
    from typing import SupportsFloat

    from initium.random._stream import Stream

HALF = 16


def orthogonal_(out: torch.Tensor, stream: Stream, gain: SupportsFloat = 1.0, *, batch_axes: int = 0) -> torch.Tensor:
    r"""Fill with a Haar-distributed matrix of orthonormal rows or columns, times a gain.

    ``Q = H_1 H_2 ... H_k diag(-sign(a_1), ..., -sign(a_k))`` with Householder reflectors ``H_j = I - tau_j v_j v_j^H``
    straight from Gaussian columns x_j of falling length: ``a = x_1``, ``v = x / v0`` below its leading 1,
    ``v0 = a + sign(a) |x|``, ``tau = 1 + |a| / |x|``. A tensor of more axes is the matrix (rows, rest).
    ``Q^H Q = gain^2 I`` where rows >= rest, else ``Q Q^H = gain^2 I``.

    Args:
        out: A floating or complex tensor of 2 or more axes (after the batch axes), filled in place.
        stream: A named stream.
        gain: The singular values of what is written, >= 0 or not.
        batch_axes: How many leading axes count matrices, each with numbers of its own.

    Returns:
        ``out``.

    Raises:
        ArgumentError: Fewer than 2 axes, a gain that is NaN or infinite, an expanded tensor, an unnamed stream.
        ArgumentTypeError: ``out`` holds integers or truth values, or ``stream`` is no stream.

    Example:
        >>> import torch
        >>> from initium.random import Stream, orthogonal_
        >>> w = orthogonal_(torch.empty(64, 16), Stream(0).child("head.weight"))
        >>> bool((w.T @ w - torch.eye(16)).abs().max() < 1e-6)
        True

    Reference:
        Stewart (1980), SIAM J. Numer. Anal. 17(3), section 3; Mezzadri (2007), section 5, for the signs.

    Deviation:
        Computed in float64, whatever the dtype, and each group of columns by one thread: on a CPU the bits do not depend
        on the number of threads. Meanwhile ``torch.get_num_threads()`` is 1.
    """
    out, stream = checks.destination(out), _door.named(stream)
    gain, batch_axes = checks.finite(gain, "gain"), checks.integer(batch_axes, "batch_axes")
    if not 0 <= batch_axes <= out.dim() - 2:
        raise ArgumentError(
            f"a matrix needs 2 or more axes (out, in, *kernel) after {batch_axes} batch axes; got {checks.described(out)}."
            " For a vector use `normal_`."
        )
    if checks.holds_nothing(out):
        return out
    count, rows = math.prod(out.shape[:batch_axes]), out.shape[batch_axes]
    cols = math.prod(out.shape[batch_axes + 1 :])
    with torch.no_grad():
        whole = out if out.is_contiguous() else torch.empty_like(out, memory_format=torch.contiguous_format)
        _fill(whole.view(count, rows, cols), stream, gain)
        return _copied(out, whole)


def _copied(out: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    if whole is not out:
        with unsplit_if_forked():
            out.copy_(whole)
    return out


def _fill(out: torch.Tensor, stream: Stream, gain: float) -> None:
    """Fill (count, rows, cols): matrix by matrix, or as many small ones at a time as a chunk holds."""
    count, rows, cols = out.shape
    long, short = max(rows, cols), min(rows, cols)
    few = max(1, CHUNK // (rows * cols)) if short <= WIDTH else 1
    for place in range(0, count, few):
        part = out[place] if few == 1 or count == 1 else out[place : place + few]
        draw = partial(_gaussian, part, stream, place * rows * cols)
        orthonormal(long, short, draw, partial(_write, part, gain))


def _gaussian(like: torch.Tensor, stream: Stream, start: int, first: int, last: int) -> torch.Tensor:
    """Rows ``first`` to ``last`` of the tall Gaussian matrices whose first element has the flat index ``start``."""
    *batch, cols = *like.shape[:-2], min(like.shape[-2:])
    dtype = torch.complex128 if like.is_complex() else torch.float64
    rows = torch.empty(*batch, last - first, cols, dtype=dtype, device=like.device)
    return normal_(rows, stream, start=start + first * cols)


def _write(out: torch.Tensor, gain: float, first: int, columns: torch.Tensor) -> None:
    """Write columns of a tall matrix, or rows of a wide one, from ``first`` on."""
    columns = columns if gain == 1 else columns.mul_(gain)
    tall = out.shape[-2] >= out.shape[-1]
    if not tall or out.element_size() < _single(out).itemsize:
        # torch transposes fast within one dtype, and a narrow dtype is the rounded float32.
        columns = columns.to(_single(out))
    last = first + columns.shape[-1]
    if tall:
        out[..., first:last].copy_(columns)
    else:
        out[..., first:last, :].copy_(columns.mT)


def _single(out: torch.Tensor) -> torch.dtype:
    """The dtype in which values are handed over: float32's bits decide, save for a float64 destination."""
    if out.is_complex():
        return torch.complex128 if out.dtype == torch.complex128 else torch.complex64
    return torch.float64 if out.dtype == torch.float64 else torch.float32


def delta_orthogonal_(out: torch.Tensor, stream: Stream, gain: SupportsFloat = 1.0) -> torch.Tensor:
    r"""Fill a convolution's weight with a Haar-distributed matrix at its centre tap, and zeros around it.

    ``W[:, :, centre] = gain * Q``, ``Q^H Q = I``, ``centre = size // 2`` on each kernel axis: with circular padding
    and stride 1 the convolution is then ``gain`` times an isometry.

    Args:
        out: A floating or complex tensor (out, in, \*kernel) of 3 to 5 axes with out >= in, filled in place.
        stream: A named stream.
        gain: The singular values of the convolution.

    Returns:
        ``out``.

    Raises:
        ArgumentError: Another number of axes, out < in, a gain that is NaN or infinite, an expanded tensor.
        ArgumentTypeError: ``out`` holds integers or truth values, or ``stream`` is no stream.

    Example:
        >>> import torch
        >>> from initium.random import Stream, delta_orthogonal_
        >>> w = delta_orthogonal_(torch.empty(8, 4, 3, 3), Stream(0).child("conv.weight"))
        >>> int(w.count_nonzero())
        32

    Reference:
        Xiao et al. (2018), Dynamical Isometry and a Mean Field Theory of CNNs, section 2 (no equation number).
    """
    out, stream = checks.destination(out), _door.named(stream)
    if out.dim() not in {3, 4, 5}:
        raise ArgumentError(
            f"a convolution's weight has 3, 4 or 5 axes (out, in, *kernel); got {checks.described(out)}. "
            "For a matrix use `orthogonal_`."
        )
    if out.shape[0] < out.shape[1]:
        raise ArgumentError(
            f"a convolution preserves norms only where out >= in; got out {out.shape[0]}, in {out.shape[1]}. "
            "Use `orthogonal_`, whose flattened matrix has no such limit, or widen the layer."
        )
    gain = checks.finite(gain, "gain")
    if checks.holds_nothing(out):
        return out
    centre = (slice(None), slice(None), *(size // 2 for size in out.shape[2:]))
    with torch.no_grad():
        # Made before anything is written: a backend, or a generator, can still refuse.
        matrix = orthogonal_(torch.empty_like(out[centre], memory_format=torch.contiguous_format), stream, gain)
        with unsplit_if_forked():
            out.zero_()[centre] = matrix
    return out


def sparse_(out: torch.Tensor, stream: Stream, sparsity: SupportsFloat, std: SupportsFloat = 0.01) -> torch.Tensor:
    r"""Fill a matrix with draws from a normal law, the same number of zeros in each column.

    Each column of ``rows`` elements has ``ceil(sparsity * rows)`` zeros at places drawn without replacement, and
    N(0, std^2) elsewhere. The places come from the child ``mask``: word ``column * rows + row`` ranks an element.

    Args:
        out: A floating or complex matrix (rows, columns), filled in place.
        stream: A named stream.
        sparsity: The share of zeros in each column, in [0, 1].
        std: The standard deviation of the others, >= 0.

    Returns:
        ``out``.

    Raises:
        ArgumentError: Not 2 axes, a sparsity outside [0, 1], std < 0 or NaN, an expanded tensor, an unnamed stream.
        ArgumentTypeError: ``out`` holds integers or truth values, or ``stream`` is no stream.

    Example:
        >>> import torch
        >>> from initium.random import Stream, sparse_
        >>> w = sparse_(torch.empty(10, 3), Stream(0).child("in.weight"), 0.25)
        >>> (w == 0).sum(dim=0)
        tensor([3, 3, 3])

    Reference:
        Martens (2010), Deep learning via Hessian-free optimization, section 5 (no equation number).
    """
    out, stream = checks.destination(out), _door.named(stream)
    if out.dim() != 2:  # noqa: PLR2004  a matrix
        raise ArgumentError(f"a sparse fill needs a matrix of 2 axes (rows, columns); got {checks.described(out)}.")
    sparsity, std = checks.number(sparsity, "sparsity"), checks.scale(std, "std")
    if not 0 <= sparsity <= 1:
        raise ArgumentError(f"sparsity is the share of zeros in [0, 1]; got {sparsity!r}.")
    if checks.holds_nothing(out):
        return out
    with torch.no_grad(), unsplit_if_forked():
        # torch scatters into neither float8 nor complex32: there the whole is made beside and copied.
        beside = torch.finfo(out.dtype).bits < HALF or out.dtype == torch.complex32
        whole = torch.empty_like(out, dtype=_single(out)) if beside else out
        normal_(whole, stream, 0.0, std)
        _zero_columns(whole, stream.child("mask"), math.ceil(sparsity * out.shape[0]))
        return out if whole is out else out.copy_(whole)


def _zero_columns(out: torch.Tensor, stream: Stream, zeros: int) -> None:
    """Zero so many elements of each column, as many columns at a time as a chunk holds."""
    rows, cols = out.shape
    block = max(1, CHUNK // rows)
    for first in range(0, cols, block):
        part = out[:, first : first + block]
        ranks = bits(stream, part.numel(), first * rows, device=out.device).view(-1, rows)
        part.scatter_(0, ranks.argsort(dim=1, stable=True)[:, :zeros].T, 0)
