"""What travels through a network: moments of activations and gradients at every use of a weight."""

from initium.signal._coordinates import Coordinate, Coordinates, coordinate_check
from initium.signal._distinct import rounding
from initium.signal._laws import Law
from initium.signal._measure import measure
from initium.signal._moments import UnitMoments, unit_moments
from initium.signal._predict import predict, predicted_with
from initium.signal._predicting import Predicting
from initium.signal._values import needs_values

__all__ = [
    "Coordinate",
    "Coordinates",
    "Law",
    "Predicting",
    "UnitMoments",
    "coordinate_check",
    "measure",
    "needs_values",
    "predict",
    "predicted_with",
    "rounding",
    "unit_moments",
]
