"""Which layers belong together."""

from dataclasses import asdict, replace

import pytest

from diagnose.handmade import healthy, perceptron
from initium.report._stretches import blocks, layers
from report.hostile import hostile


def named(*names: str):
    signal = healthy(perceptron(len(names), 8))
    return replace(signal, rows=tuple(replace(row, name=name) for row, name in zip(signal.rows, names, strict=True)))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("embed.weight h.0.a.weight h.0.b.weight h.1.a.weight h.1.b.weight head.weight", []),
        ("h.0.a.weight h.0.b.weight h.1.a.weight h.1.b.weight h.2.a.weight h.2.b.weight", [(3, 4)]),
        ("0.0.a.weight 0.0.b.weight 0.1.a.weight 0.1.b.weight 0.2.a.weight 0.2.b.weight 0.3.a.weight 0.3.b.weight", [(3, 4), (7, 8)]),
        ("0.weight 2.weight 4.weight 6.weight", []),
        ("one.weight", []),
    ],
)  # fmt: skip
def test_blocks_are_what_shares_a_number(names: str, expected: list[tuple[int, int]]) -> None:
    assert [(each.first, each.last) for each in blocks(named(*names.split()))] == expected


def test_layers_apart_are_stretches_apart() -> None:
    signal = named(*(f"{place}.weight" for place in range(6)))
    finding = replace(hostile(12).findings[0], layers=("0.weight", "1.weight", "4.weight"), begins="4.weight")
    found = asdict(layers(finding, signal))
    assert found == {"places": (1, 2, 5), "first": 5, "runs": ({"first": 1, "last": 2}, {"first": 5, "last": 5})}


def test_a_finding_about_no_layer_begins_nowhere() -> None:
    assert layers(replace(hostile(12).findings[0], layers=()), named("0.weight")).first == 0
