"""A fresh interpreter, for what one process can do only once."""

import os
import subprocess
import sys
import textwrap


def python(code: str, **environment: str) -> str:
    """What it prints; the environment's variables besides our own."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | environment,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()
