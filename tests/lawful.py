"""Law 3, for any verb: everything of a model that a failed call must leave as it was, and calls that fail at any operation."""

import random
from hashlib import sha256

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode


def digest(tensor):
    """Stands for a tensor's bytes, and is short where a comparison fails."""
    return sha256(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()


def fingerprint(model):
    """Everything that law 3 speaks of."""
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    modules = list(model.modules())
    return {
        "values": {name: digest(tensor) for name, tensor in tensors.items()},
        "identity": {name: (id(tensor), tensor.data_ptr()) for name, tensor in tensors.items()},
        "grad": {name: None if p.grad is None else digest(p.grad) for name, p in model.named_parameters()},
        "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
        "modes": [module.training for module in modules],
        "hooks": [len(m._forward_hooks) + len(m._backward_hooks) + len(m._forward_pre_hooks) for m in modules],
        "random": (digest(torch.get_rng_state()), random.getstate(), str(np.random.get_state())),  # noqa: NPY002
        "switches": (torch.is_grad_enabled(), torch.backends.mha.get_fastpath_enabled(), torch.backends.cudnn.enabled),
    }


class Failing(TorchDispatchMode):
    """Counts operations of torch, forward and backward, and raises at the one that is asked for, once."""

    def __init__(self, at=None, error=KeyboardInterrupt):
        super().__init__()
        self.at, self.error, self.count = at, error, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        if self.count == self.at:
            raise self.error
        return func(*args, **(kwargs or {}))
