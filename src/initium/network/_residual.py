"""A weight's place on a residual stream: values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Place = Literal["stream", "inside", "last", "shortcut", "beside"]


@dataclass(frozen=True, slots=True)
class Stream:
    """A residual stream: values to which one branch after the other is added.

    Attributes:
        number: 0, 1, ... in the order in which they begin; an encoder's and a decoder's are two.
        branches: How many branches it has.
        crossing: How many of them also read another stream (cross-attention).
        length: The most weights in a row inside any of its branches.
    """

    number: int
    branches: int
    crossing: int
    length: int


@dataclass(frozen=True, slots=True)
class Residual:
    r"""Where a weight stands in a network of residual branches, ``x + f(x)``.

    Attributes:
        place: ``stream``: on the stream itself (a stem, a transition, a head); ``inside`` a branch; ``last`` of a branch,
            so that its output is added, possibly through dropout, scales, gates and norms, to a value that bypasses the
            branch; ``shortcut``: it carries the stream past a branch (a projection); ``beside``: it serves several
            branches and is on no stream (a modulation by a condition).
        stream: The stream that its branch comes back to, or that it is the beginning of; ``None`` elsewhere.
        index: 0, 1, ... for the branches of that stream in execution order.
        length: The most weights in a row inside the branch.
        alpha: What the stream is multiplied by before the sum, ``None`` where it is no known number.
        factor: The constants that the branch's output is multiplied by.
        multipliers: The parameters that multiply the branch's output.
        norm_first: True where the branch starts with a normalisation (pre-norm).
        norm_last: True where the branch's output is normalised before the sum.
        norm_after: True where the sum is normalised on the stream (post-norm).
        norm_before_last: True where what the last weight reads was normalised since the weight before it (sub-norm).
        crosses: True where the branch also reads another stream (cross-attention).
        silencers: The parameters at whose zero the branch starts silent: its first multiplier, the weight that makes its
            gate, or the scale of its last norm; empty where those are its last weights themselves.
        encoder: The other stream that this stream's branches read.
        decoder: The other stream whose branches read this one.
        leaves: True where the stream's last sum is what the model gives out, by way of no weight and no norm.
        join: The node of the sum at which the branch comes back; empty outside of branches.
        bypass: The node of the value that it is added to.
    """

    place: Place
    stream: Stream | None = None
    index: int = 0
    length: int = 0
    alpha: float | None = 1.0
    factor: float = 1.0
    multipliers: tuple[str, ...] = ()
    norm_first: bool = False
    norm_last: bool = False
    norm_after: bool = False
    norm_before_last: bool = False
    crosses: bool = False
    silencers: tuple[str, ...] = ()
    encoder: Stream | None = None
    decoder: Stream | None = None
    leaves: bool = False
    join: str = ""
    bypass: str = ""

    @property
    def branches(self) -> int:
        """How many branches the stream has; 0 on none."""
        return self.stream.branches if self.stream else 0

    @property
    def in_branch(self) -> bool:
        """True inside a branch and at its end."""
        return self.place in {"inside", "last"}
