"""Whether a start is healthy: one check a file, pure functions of what was read and what was measured."""

from initium.diagnose._examine import examine
from initium.diagnose._explained import Explanation, explained
from initium.diagnose._nonfinite import of_batch
from initium.diagnose._table import CHECKS, Check

__all__ = ["CHECKS", "Check", "Explanation", "examine", "explained", "of_batch"]
