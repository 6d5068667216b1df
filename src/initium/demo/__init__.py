"""The illnesses that ``initium demo`` shows, on real digits: found, explained, cured, and trained both ways."""

from initium.demo._case import Case
from initium.demo._cases import CASES
from initium.demo._data import DemoError
from initium.demo._run import run
from initium.demo._stage import Recorder, Stage, Tick

__all__ = ["CASES", "Case", "DemoError", "Recorder", "Stage", "Tick", "run"]
