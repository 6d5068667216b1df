"""Starts that look at data: LSUV, in one pass over the traced network."""

from initium.calibrate._lsuv import lsuv

__all__ = ["lsuv"]
