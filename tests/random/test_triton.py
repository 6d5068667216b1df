"""The Triton backend, without a GPU: its bits by the interpreter, its instructions by the compiler."""

import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TRITON = version("triton") if find_spec("triton") else "0"
needs_triton = pytest.mark.skipif(
    tuple(map(int, TRITON.split(".")[:2])) < (3, 3), reason=f"needs Triton 3.3; here is {TRITON} (0: none)"
)


def run(name, **environment):
    """The tests of a file that is no test file itself, in a fresh interpreter."""
    kept = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / name)]
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_triton
def test_interpreted_it_has_the_bits_of_the_reference():
    run("interpreted_triton.py", TRITON_INTERPRET="1")


@needs_triton
def test_compiled_it_rounds_every_operation_by_itself(tmp_path):
    run("compiled_triton.py", TRITON_CACHE_DIR=str(tmp_path))
