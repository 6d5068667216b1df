"""Strings and numbers to what a terminal shows: tables, bars, pictures; it knows no model and no record."""

from initium.terminal._bars import Scale, bar, scales
from initium.terminal._chart import Chart, Lane, draw, number
from initium.terminal._gauge import gauge
from initium.terminal._names import apart
from initium.terminal._progress import progress
from initium.terminal._show import columns, fitting, on_console, page, show, speaks_unicode, write
from initium.terminal._table import table
from initium.terminal._text import Line, Span, as_ascii, cells, padded, paragraph, plain, shorten, wrapped

__all__ = [
    "Chart",
    "Lane",
    "Line",
    "Scale",
    "Span",
    "apart",
    "as_ascii",
    "bar",
    "cells",
    "columns",
    "draw",
    "fitting",
    "gauge",
    "number",
    "on_console",
    "padded",
    "page",
    "paragraph",
    "plain",
    "progress",
    "scales",
    "shorten",
    "show",
    "speaks_unicode",
    "table",
    "wrapped",
    "write",
]
