"""The names that torch deprecated: each warns as torch does and calls the one with the underscore."""

from __future__ import annotations

import warnings
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from initium.init._constant import constant_
from initium.init._elementwise import normal_, uniform_
from initium.init._glorot import xavier_normal_, xavier_uniform_
from initium.init._he import kaiming_normal_, kaiming_uniform_
from initium.init._identity import dirac_, eye_
from initium.init._matrices import orthogonal_, sparse_

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def _deprecated(function: Callable[P, R]) -> Callable[P, R]:
    new = function.__name__
    old = new.removesuffix("_")

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = old
    call.__doc__ = f"Deprecated, as in torch: use `{new}`, which takes and does the same."
    return call


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
