"""Starts that look at the whole network: LSUV on data in one pass, and the predicted signal's."""

from initium.calibrate._auto import auto
from initium.calibrate._lsuv import lsuv

__all__ = ["auto", "lsuv"]
