"""What travels through a network: moments of activations and gradients at every use of a weight."""

from initium.signal._coordinates import Coordinate, Coordinates, coordinate_check
from initium.signal._distinct import rounding
from initium.signal._gates import LABELS, Gates, Layer
from initium.signal._laws import Law, laws_of
from initium.signal._measure import measure
from initium.signal._moments import UnitMoments, unit_moments
from initium.signal._objective import Loss, Objective, answer, check_loss, objective
from initium.signal._parts import by_units
from initium.signal._predict import predict, there_and_back
from initium.signal._predicting import Predicting
from initium.signal._states import Ran, Reading, reading, run_layer, run_steps, walked
from initium.signal._values import needs_values

__all__ = [
    "LABELS",
    "Coordinate",
    "Coordinates",
    "Gates",
    "Law",
    "Layer",
    "Loss",
    "Objective",
    "Predicting",
    "Ran",
    "Reading",
    "UnitMoments",
    "answer",
    "by_units",
    "check_loss",
    "coordinate_check",
    "laws_of",
    "measure",
    "needs_values",
    "objective",
    "predict",
    "reading",
    "rounding",
    "run_layer",
    "run_steps",
    "there_and_back",
    "unit_moments",
    "walked",
]
