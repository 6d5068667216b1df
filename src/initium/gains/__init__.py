"""Activation -> exact second moments, forward and backward.

Closed forms where they exist, quadrature to 1e-10 for everything else, any function of your own included.
"""

from initium.gains._activation import Activation
from initium.gains._describe import Nonlinearity, describe
from initium.gains._gain import gain, small_signal_gain, variance_slope
from initium.gains._moments import Moments, moments
from initium.gains._reach import Reach, reach, saturation
from initium.gains._recognise import recognise
from initium.gains._table import ACTIVATIONS, known_activations
from initium.gains._transformed import Transformed, dks_activation, tat_activation

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Moments",
    "Nonlinearity",
    "Reach",
    "Transformed",
    "describe",
    "dks_activation",
    "gain",
    "known_activations",
    "moments",
    "reach",
    "recognise",
    "saturation",
    "small_signal_gain",
    "tat_activation",
    "variance_slope",
]
