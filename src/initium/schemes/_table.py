"""The schemes by name."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from initium.schemes._deepnorm import deepnorm
from initium.schemes._delta_orthogonal import delta_orthogonal
from initium.schemes._depth_scaled import depth_scaled
from initium.schemes._fixup import fixup
from initium.schemes._glorot import glorot_normal, glorot_uniform
from initium.schemes._gpt2 import gpt2
from initium.schemes._he import he_normal, he_uniform
from initium.schemes._lecun import lecun_normal, lecun_uniform
from initium.schemes._mimetic import mimetic
from initium.schemes._one_law import normal, uniform, zeros
from initium.schemes._orthogonal import orthogonal
from initium.schemes._rnn import rnn
from initium.schemes._shaped import dks, tat
from initium.schemes._siren import siren
from initium.schemes._subln import subln
from initium.schemes._t_fixup import t_fixup
from initium.schemes._textbook import textbook
from initium.schemes._zero_residual import zero_residual

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from initium.schemes._rule import Scheme

SCHEMES: Mapping[str, Callable[..., Scheme]] = MappingProxyType(
    {
        "textbook": textbook,
        "zeros": zeros,
        "normal": normal,
        "uniform": uniform,
        "glorot_uniform": glorot_uniform,
        "glorot_normal": glorot_normal,
        "he_uniform": he_uniform,
        "he_normal": he_normal,
        "lecun_uniform": lecun_uniform,
        "lecun_normal": lecun_normal,
        "orthogonal": orthogonal,
        "delta_orthogonal": delta_orthogonal,
        "gpt2": gpt2,
        "depth_scaled": depth_scaled,
        "zero_residual": zero_residual,
        "fixup": fixup,
        "t_fixup": t_fixup,
        "deepnorm": deepnorm,
        "subln": subln,
        "mimetic": mimetic,
        "rnn": rnn,
        "siren": siren,
        "dks": dks,
        "tat": tat,
    }
)
"""Every named scheme, as the function that makes it."""
