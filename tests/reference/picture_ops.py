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
    fixtures[f"{name}.grad"] = torch.autograd.grad(outputs[0], inputs[0], dy, retain_graph=True)[0].numpy()


def take(name, n, b, *shape):
    table, index = rand(n, *shape).requires_grad_(), torch.randint(0, n, (b,), dtype=torch.int32)
    keep(name, [table, index], [table[index.long()]])


def group_norm(name, groups, eps, silu, *shape):
    c = shape[-1]
    x, gamma, beta = (rand(*shape) * 3 + 1).requires_grad_(), rand(c), rand(c)
    y = F.group_norm(x.movedim(-1, 1), groups, gamma, beta, eps).movedim(1, -1)
    var, mean = torch.var_mean(x.reshape(shape[0], -1, groups, c // groups), dim=(1, 3), unbiased=False)
    keep(name, [x, gamma, beta], [F.silu(y) if silu else y * 1, mean, (var + eps).rsqrt()])


def activate(name, function, *shape):
    x = (rand(*shape) * 6).requires_grad_()
    keep(name, [x], [function(x)])


def geglu(x):
    value, gate = x.chunk(2, dim=-1)
    return value * F.gelu(gate)


def upsample(name, h, w, *shape):
    x = rand(*shape).requires_grad_()
    keep(name, [x], [F.interpolate(x.movedim(-1, 1), size=(h, w), mode="nearest").movedim(1, -1)])


def concat(name, *shapes):
    a, b = (rand(*s).requires_grad_() for s in shapes)
    keep(name, [a, b], [torch.cat([a, b], -1)])


def conv2d(name, shape, out, side, stride, padding, bias=True, shift=False, residual=False):
    """padding: top, bottom, left, right."""
    x, weight = rand(*shape).requires_grad_(), rand(out, shape[-1], side, side)
    top, bottom, left, right = padding
    b = rand(out) if bias else None
    y = F.conv2d(F.pad(x.movedim(-1, 1), (left, right, top, bottom)), weight, b, stride).movedim(1, -1)
    s = rand(shape[0], out) if shift else None
    r = rand(*y.shape) if residual else None
    if shift:
        y = y + s[:, None, None]
    if residual:
        y = y + r
    keep(name, [x, weight, b, s, r], [y * 1])


def cross_attention(name, heads, shape, texts, states, rows):
    """Beside the gradient to q, grad1 is that to kv."""
    c, b = shape[-1], shape[0]
    q, kv = (2 * rand(*shape)).requires_grad_(), (2 * rand(texts, states, 2 * c)).requires_grad_()
    row = torch.tensor(rows, dtype=torch.int32)
    k, v = kv[row.long()].reshape(b, states, 2, heads, c // heads).permute(2, 0, 3, 1, 4)
    scores = q.reshape(b, -1, heads, c // heads).transpose(1, 2) @ k.transpose(-1, -2) / (c // heads) ** 0.5
    y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(shape)
    keep(name, [q, kv, row], [y, scores.logsumexp(-1)])
    dy = torch.from_numpy(fixtures[f"{name}.dy"])
    fixtures[f"{name}.grad1"] = torch.autograd.grad(y, kv, dy, retain_graph=True)[0].numpy()


def case(seed, function, *arguments, **options):
    """Every case has a seed of its own: a new one leaves the others as they are."""
    torch.manual_seed(seed)
    function(*arguments, **options)


case(1, take, "take_shared", 3, 8, 2, 5)
case(2, group_norm, "group_norm_one", 1, 1e-5, False, 2, 5)
case(3, group_norm, "group_norm_odd", 3, 1e-6, True, 2, 3, 5, 21)
case(4, group_norm, "group_norm_32", 32, 1e-5, True, 1, 4, 4, 64)
case(5, activate, "silu", F.silu, 3, 7)
case(6, activate, "gelu", F.gelu, 3, 7)
case(7, activate, "geglu", geglu, 2, 3, 14)
case(8, upsample, "upsample_twice", 6, 10, 2, 3, 5, 4)
case(9, upsample, "upsample_odd", 5, 7, 1, 3, 4, 3)
case(10, concat, "concat", (2, 3, 5), (2, 3, 4))
case(11, conv2d, "conv2d_same", (2, 5, 7, 3), 9, 3, 1, (1, 1, 1, 1))
case(12, conv2d, "conv2d_half", (1, 9, 6, 5), 4, 3, 2, (1, 1, 1, 1), shift=True)
case(13, conv2d, "conv2d_corner", (1, 8, 6, 4), 5, 3, 2, (0, 1, 0, 1), bias=False, residual=True)
case(14, conv2d, "conv2d_point", (2, 5, 4, 11), 6, 1, 1, (0, 0, 0, 0), shift=True, residual=True)
case(15, cross_attention, "cross_attention", 2, (3, 2, 3, 8), 2, 5, [1, 0, 1])

path = pathlib.Path(__file__).parent / "fixtures" / "picture_ops.safetensors"
versions = {"torch": torch.__version__, "numpy": np.__version__, "safetensors": safetensors.__version__}
tensors = {k: np.ascontiguousarray(v) for k, v in fixtures.items()}
safetensors.numpy.save_file(tensors, path, metadata={k: str(v) for k, v in versions.items()})
print(path, path.stat().st_size, versions)
