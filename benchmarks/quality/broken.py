"""Generators that are broken on purpose: the battery is worth what it catches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from initium.random import Stream, bernoulli_, bits, normal_, uniform_
from quality import chunk, streams, words
from quality.battery import tallies
from quality.cases import cases
from quality.results import suspects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quality.cases import Draw
    from quality.results import Result

    Fault = Callable[[torch.Tensor], torch.Tensor]

COUNT, PER = 1 << 22, 1 << 15


@dataclass(frozen=True, slots=True)
class Attempt:
    """A generator and the tests that it is put to.

    Attributes:
        name: What is wrong with it.
        run: The results at a small count.
        sound: Whether nothing is wrong with it, and nothing may be caught.
    """

    name: str
    run: Callable[[], list[Result]]
    sound: bool = False


def attempts() -> Iterator[Attempt]:
    """Sound sources first, then the broken ones."""
    for word in cases():
        yield Attempt(f"{word}, as it is", lambda word=word: _of(word), sound=True)
    yield Attempt("torch.randn", lambda: _of("normal", lambda out, *_: out.normal_(generator=GENERATOR)), sound=True)
    yield Attempt("words, as they are", _words, sound=True)
    yield Attempt("neighbours, as they are", _neighbours, sound=True)
    for (word, name), draw in VALUES.items():
        yield Attempt(f"{word}: {name}", lambda word=word, draw=draw: _of(word, draw))
    for name, change in WORDS.items():
        yield Attempt(f"words: {name}", lambda change=change: _words(change))
    for name, change in STREAMS.items():
        yield Attempt(f"streams: {name}", lambda change=change: _neighbours(change))


def caught(results: list[Result]) -> list[Result]:
    """The suspects, worst first."""
    return sorted((results[place] for place in suspects(results)), key=lambda result: result.p)


GENERATOR = torch.Generator().manual_seed(0)


def _nothing(_: int) -> None:
    return None


def _of(word: str, draw: Draw | None = None) -> list[Result]:
    case = cases()[word] if draw is None else replace(cases()[word], draw=draw)
    return chunk.run(case, Stream(0).child(word), tallies(case, COUNT), COUNT, _nothing)


def _words(change: Callable[[torch.Tensor, int], torch.Tensor] = lambda drawn, _: drawn) -> list[Result]:
    def draw(stream: Stream, count: int, start: int) -> torch.Tensor:
        return change(bits(stream, count, start), start)

    return words.run("words", words.long(Stream(0).child(streams.NAME), COUNT, draw), COUNT, _nothing)


def _neighbours(change: Callable[[Stream, int], tuple[Stream, int]] = lambda *place: place) -> list[Result]:
    def draw(stream: Stream, count: int, start: int) -> torch.Tensor:
        stream, start = change(stream, start)
        return bits(stream, count, start)

    results = list(streams.far_places(Stream(0).child(streams.NAME), PER, _nothing, draw))
    for name, some in streams.neighbours(0).items():
        results += streams.compare(name, some, [], PER, _nothing, draw=draw)
    return results


def _then(word: str, fault: Fault) -> Draw:
    """A sound draw, spoiled afterwards."""
    return lambda out, stream, start: out.copy_(fault(cases()[word].draw(out, stream, start)))


def _twelve(out: torch.Tensor, stream: Stream, start: int) -> torch.Tensor:
    out.zero_()
    for i in range(12):
        out += uniform_(torch.empty_like(out), stream.child(str(i)), -0.5, 0.5, start)
    return out


def _repeated(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[204::200] = x[200:-4:200]
    return x


def _antithetic(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[1::64] = -x[0::64]
    return x


def _even(x: torch.Tensor) -> torch.Tensor:
    blocks = x.view(-1, 1024)
    return (blocks - blocks.mean(dim=1, keepdim=True) / 10).view(-1)


VALUES: dict[tuple[str, str], Draw] = {
    ("normal", "std 0.3 % too large"): lambda out, stream, start: normal_(out, stream, 0.0, 1.003, start),
    ("normal", "mean 0.004"): lambda out, stream, start: normal_(out, stream, 0.004, 1.0, start),
    ("normal", "the sum of twelve uniforms"): _twelve,
    ("normal", "nothing beyond 4 std"): _then("normal", lambda x: x.clamp(-3.999, 3.999)),
    ("normal", "one value in 200 is that of four before"): _then("normal", _repeated),
    ("normal", "one pair in 32 is antithetic"): _then("normal", _antithetic),
    ("normal", "block means a tenth too near to 0"): _then("normal", _even),
    ("normal", "rounded to bfloat16"): _then("normal", lambda x: x.bfloat16()),
    ("uniform", "0.1 % too narrow"): _then("uniform", lambda x: x * (1 - 2.0**-10)),
    ("uniform", "9 bits"): _then("uniform", lambda x: (x * 256).floor() / 256),
    ("uniform", "the end of 2^-10 is never reached"): _then("uniform", lambda x: torch.where(x > 1 - 2.0**-10, -x, x)),
    ("truncated", "clamped to the bounds"): lambda out, stream, start: normal_(out, stream, start=start).clamp_(-2, 2),
    ("far", "an exponential tail"): lambda out, stream, start: (
        uniform_(out, stream, start=start).log_().div_(-5).add_(5)
    ),
    ("narrow", "uniform"): lambda out, stream, start: uniform_(out, stream, 0.25, 0.5, start),
    ("bernoulli", "p = 0.302"): lambda out, stream, start: bernoulli_(out, stream, 0.302, start),
}


def _parity(drawn: torch.Tensor, _: int) -> torch.Tensor:
    blocks = drawn.view(-1, 4).clone()
    blocks[::50, 3] = blocks[::50, 0] ^ blocks[::50, 1] ^ blocks[::50, 2]
    return blocks.view(-1)


def _congruential(drawn: torch.Tensor, start: int) -> torch.Tensor:
    """X -> 1664525 x + 1013904223 modulo 2^32, 2^20 steps from a seed of its own for each chunk."""
    x, powers, sums = start + 1, [], []
    power, total = 1, 0
    for _ in range(1 << 10):
        power, total = power * 1664525 & 0xFFFFFFFF, total * 1664525 + 1013904223 & 0xFFFFFFFF
        powers.append(power)
        sums.append(total)
    rows = []
    while 1024 * len(rows) < len(drawn):
        rows.append(torch.tensor(powers).mul(x).add(torch.tensor(sums)) & 0xFFFFFFFF)
        x = int(rows[-1][-1])
    return torch.cat(rows)[: len(drawn)]


WORDS: dict[str, Callable[[torch.Tensor, int], torch.Tensor]] = {
    "bit 17 is always set": lambda drawn, _: drawn | 1 << 17,
    "bit 0 is set in one word of 150 too many": lambda drawn, _: drawn | (torch.arange(len(drawn)) % 150 == 0).long(),
    "the fourth of a block is the sum of the others, once in 50 blocks": _parity,
    "one word in 100 is the one before": lambda drawn, _: _copied(drawn),
    "a linear congruential generator": _congruential,
    "24 bits": lambda drawn, _: drawn & 0xFFFFFF00,
}


def _copied(drawn: torch.Tensor) -> torch.Tensor:
    drawn = drawn.clone()
    drawn[100::100] = drawn[99:-1:100]
    return drawn


STREAMS: dict[str, Callable[[Stream, int], tuple[Stream, int]]] = {
    "the lowest bit of the seed is lost": lambda stream, start: (Stream(stream.seed & ~1, stream.name), start),
    "the seed is cut to 64 bits": lambda stream, start: (Stream(stream.seed & (1 << 64) - 1, stream.name), start),
    "the name is cut to 7 letters": lambda stream, start: (Stream(stream.seed, (stream.name or "")[:7]), start),
    "children are their parents": lambda stream, start: (Stream(stream.seed, (stream.name or "").split("/")[0]), start),
    "the next seed is the same stream, one later": lambda stream, start: (
        Stream(stream.seed & ~63, stream.name),
        start + (stream.seed & 63),
    ),
    "the counter has 32 bits": lambda stream, start: (stream, start % (1 << 34)),
}
