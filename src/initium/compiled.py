"""Numba, where it pays: machine code for loops that torch has no operation for, kept between processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def compiled(function: Callable[..., Any], signature: Any, **options: Any) -> Callable[..., Any]:  # noqa: ANN401  Numba's own types
    """A function as machine code, from Numba's cache or anew.

    Args:
        function: What Numba can compile.
        signature: The types of its arguments and of what it returns.
        options: Numba's own.

    Returns:
        The function, compiled.

    Raises:
        ImportError: Numba is not there, or told to compile nothing.

    Example:
        >>> from initium.compiled import compiled
        >>> compiled(lambda x: 2 * x, "int64(int64)")(3)
        6
    """
    from numba import config, njit  # noqa: PLC0415  takes as long to load as a small model to fill

    if config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]  set when Numba reads its variables
        raise ImportError("NUMBA_DISABLE_JIT is set")
    try:
        return njit(signature, cache=True, **options)(function)
    except Exception:  # noqa: BLE001  a cache that cannot be read or written fails in many ways, and costs only time
        return njit(signature, **options)(function)
