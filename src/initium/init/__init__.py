"""A drop-in for ``torch.nn.init``: every function under its name and with its arguments, and more of them.

Each fills one tensor in place and returns it. A random fill takes ONE key from ``generator`` (torch's default one if
None, so ``torch.manual_seed`` holds); every value is then a function of that key and its index, the same on any device.
"""

from initium.init._constant import constant_, ones_, zeros_
from initium.init._deprecated import (
    constant,
    dirac,
    eye,
    kaiming_normal,
    kaiming_uniform,
    normal,
    orthogonal,
    sparse,
    uniform,
    xavier_normal,
    xavier_uniform,
)
from initium.init._elementwise import normal_, trunc_normal_, uniform_
from initium.init._fans import Fans, fans

# Layers copied from torch reach these by torch's private names.
from initium.init._fans import calculate_correct_fan as _calculate_correct_fan  # noqa: F401  # pyright: ignore[reportUnusedImport]
from initium.init._fans import calculate_fan_in_and_fan_out as _calculate_fan_in_and_fan_out  # noqa: F401  # pyright: ignore[reportUnusedImport]
from initium.init._gain import calculate_gain
from initium.init._glorot import glorot_normal_, glorot_uniform_, xavier_normal_, xavier_uniform_
from initium.init._he import he_normal_, he_uniform_, kaiming_normal_, kaiming_uniform_
from initium.init._identity import dirac_, eye_, identity_
from initium.init._matrices import delta_orthogonal_, orthogonal_, sparse_
from initium.init._scaling import lecun_normal_, lecun_uniform_, variance_scaling_

__all__ = [
    "Fans",
    "calculate_gain",
    "constant",
    "constant_",
    "delta_orthogonal_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "fans",
    "glorot_normal_",
    "glorot_uniform_",
    "he_normal_",
    "he_uniform_",
    "identity_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "variance_scaling_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]
