"""Fixtures of the ops that picture networks need: inputs, outputs and gradients in float64 by PyTorch.

    python tests/reference/picture_ops.py   # writes tests/reference/fixtures/picture_ops.safetensors

Names as in ops.py: <name>.in<i>, <name>.out<i>, <name>.dy and <name>.grad, the gradient to input 0.
tests/kernels/test_network_fixtures.c runs `ref` on them. The versions of a run are kept in the file's metadata.
"""

import pathlib

import numpy as np
import safetensors
import safetensors.numpy
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
fixtures = {}


def rand(*shape):
    return torch.rand(shape) * 2 - 1


def keep(name, inputs, outputs):
    """The gradient is that of sum(outputs[0] * dy) to inputs[0]."""
    for i, x in enumerate(inputs):
        if x is not None:
            fixtures[f"{name}.in{i}"] = x.detach().numpy()
    for i, y in enumerate(outputs):
        fixtures[f"{name}.out{i}"] = y.detach().numpy()
    dy = rand(*outputs[0].shape)
    fixtures[f"{name}.dy"] = dy.numpy()
    fixtures[f"{name}.grad"] = torch.autograd.grad(outputs[0], inputs[0], dy)[0].numpy()


def take(name, n, b, *shape):
    table, index = rand(n, *shape).requires_grad_(), torch.randint(0, n, (b,), dtype=torch.int32)
    keep(name, [table, index], [table[index.long()]])


def case(seed, function, *arguments, **options):
    """Every case has a seed of its own: a new one leaves the others as they are."""
    torch.manual_seed(seed)
    function(*arguments, **options)


case(1, take, "take_shared", 3, 8, 2, 5)

path = pathlib.Path(__file__).parent / "fixtures" / "picture_ops.safetensors"
versions = {"torch": torch.__version__, "numpy": np.__version__, "safetensors": safetensors.__version__}
tensors = {k: np.ascontiguousarray(v) for k, v in fixtures.items()}
safetensors.numpy.save_file(tensors, path, metadata={k: str(v) for k, v in versions.items()})
print(path, path.stat().st_size, versions)
