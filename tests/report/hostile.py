"""A report that would break a page: names that are markup, figures that are zero or not finite, nested findings."""

import math
from dataclasses import replace

from diagnose.handmade import perceptron, travelled, with_rows
from initium.records import Code, Finding
from initium.report import Report

HOSTILE = '</script><script>window.hacked = 1</script><img src=x onerror="hacked = 1">.weight'
ZERO, NAN, INFINITE, NAMED = 4, 6, 7, 2


def hostile(depth: int) -> Report:
    """Two findings about layers 3 to 9, the second explained by the first, and one about the last layer."""
    signal = travelled(perceptron(depth, 64), 1.0)
    signal = with_rows(signal, range(NAMED, NAMED + 1), name=HOSTILE)
    signal = with_rows(signal, range(ZERO, ZERO + 1), grad_rms=0.0, weight_grad_norm=0.0)
    signal = with_rows(signal, range(NAN, NAN + 1), unit_std=math.nan, finite=False)
    signal = with_rows(signal, range(INFINITE, INFINITE + 1), unit_std=math.inf, finite=False)
    signal = replace(signal, rows=tuple(replace(row, elements=4096, fan_in=64.0) for row in signal.rows))
    names = [row.name for row in signal.rows]
    first = Finding(
        code="vanishing-signal",
        severity="error",
        layers=tuple(names[2:9]),
        message=f"The signal falls, first at `{names[3]}`.",
        measured=1e-3,
        expected=1.0,
        cause=f"`{HOSTILE}` & <b>others</b> are small.",
        cure="Give them another gain.",
        remedy=Code("initium.initialize(model, batch)  # </pre>"),
        begins=names[3],
    )
    second = replace(first, code="gain-mismatch", severity="warning", part_of="vanishing-signal", begins="")
    third = replace(
        first, code="output-prior", severity="info", layers=(names[-1],), part_of="no-such-finding", begins=""
    )
    return Report((first, second, third), signal, "<i>Net</i>")
