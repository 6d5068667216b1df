"""What every test runs under: few threads, and in CI the same Hypothesis examples each time."""

import os

# One worker a core already fills the machine; read by OpenMP when torch and scikit-learn load, so set first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# No deadline: the first call of an operation in torch is slow, and timing is measured in benchmarks, never asserted.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("desk"), derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
