"""Starts that look at the whole network: LSUV and its kin on data, and the predicted signal's."""

from initium.calibrate._auto import auto
from initium.calibrate._autoinit import autoinit
from initium.calibrate._data_dependent import data_dependent
from initium.calibrate._gradinit import gradinit
from initium.calibrate._lsuv import lsuv
from initium.calibrate._metainit import metainit
from initium.calibrate._output_prior import output_prior
from initium.calibrate._within_layer import within_layer

__all__ = ["auto", "autoinit", "data_dependent", "gradinit", "lsuv", "metainit", "output_prior", "within_layer"]
