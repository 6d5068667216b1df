"""Random numbers as values: ``f(seed, name, index)``, the same on any device, in any order, whole or in slices.

The stream is version 1: its bits are a contract, and a change of any of them is a new version.
"""

from initium.random._factor import factor_
from initium.random._fills import bernoulli_, bits, normal_, permutation, trunc_normal_, uniform_
from initium.random._heap import hand_back
from initium.random._matrices import delta_orthogonal_, orthogonal_, sparse_
from initium.random._once import Once
from initium.random._repeats import Repeats
from initium.random._stream import Stream
from initium.random._truncated import std_before_truncation, truncated_std

__all__ = [
    "Once",
    "Repeats",
    "Stream",
    "bernoulli_",
    "bits",
    "delta_orthogonal_",
    "factor_",
    "hand_back",
    "normal_",
    "orthogonal_",
    "permutation",
    "sparse_",
    "std_before_truncation",
    "trunc_normal_",
    "truncated_std",
    "uniform_",
]
