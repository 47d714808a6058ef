"""Fixtures of the ops of detection: inputs, outputs and gradients in float64 by PyTorch, assignments by SciPy.

    python tests/reference/detection_ops.py   # writes tests/reference/fixtures/detection_ops.safetensors

Names as in ops.py: <name>.in<i>, <name>.out<i>, <name>.dy and <name>.grad, the gradient to input 0. The box bias is
transformers' own code, its two roundings to fp32 included (kernels/grid_box.h). The versions of a run are kept in the
file's metadata.
"""

import pathlib

import numpy as np
import safetensors
import safetensors.numpy
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

torch.set_default_dtype(torch.float64)
torch.manual_seed(3)
torch.set_num_threads(1)
fixtures = {}


def rand(*shape):
    return torch.rand(shape) * 2 - 1


def keep(name, inputs, outputs):
    """The gradient is that of sum(outputs[0] * dy) to inputs[0], where that wants one."""
    for i, x in enumerate(inputs):
        fixtures[f"{name}.in{i}"] = x.detach().numpy()
    for i, y in enumerate(outputs):
        fixtures[f"{name}.out{i}"] = y.detach().numpy()
    if inputs[0].requires_grad:
        dy = rand(*outputs[0].shape)
        fixtures[f"{name}.dy"] = dy.numpy()
        fixtures[f"{name}.grad"] = torch.autograd.grad(outputs[0], inputs[0], dy)[0].numpy()


def box_bias(side):
    """Owlv2ForObjectDetection.compute_box_bias, its logarithms of fp32 arguments taken in double."""
    x = torch.arange(1, side + 1, dtype=torch.float32)
    grid = torch.stack(torch.meshgrid(x, x, indexing="xy"), -1) / side
    grid = grid.view(-1, 2).clip(0, 1)
    log = lambda c: (c + 1e-4).double().log() - (-c + 1e-4).double().log1p()
    return torch.cat([log(grid), log(torch.full_like(grid, 1.0) / side)], -1)


def patch_logits(name, words, patches, channels, pictures, rows, seen, factor):
    q = rand(words, channels).requires_grad_()
    features, shift, scale = rand(pictures, patches, channels), rand(pictures, patches), rand(pictures, patches) + 1
    picture = torch.randint(0, pictures, (rows, seen), dtype=torch.int32)
    at = picture.long().repeat_interleave(words // rows, 0)
    z = (factor * torch.einsum("kc,ksnc->ksn", q, features[at]) + shift[at]) * scale[at]
    keep(name, [q, features, shift, scale, picture], [z])


def focal_loss(name, words, patches, pictures, rows, seen, batch):
    z = (rand(words, seen, patches) * 5).requires_grad_()
    picture = torch.randint(0, pictures, (rows, seen), dtype=torch.int32)
    matched = (torch.rand(pictures, patches) < 0.2).to(torch.int32)
    boxes = matched.sum(1).to(torch.int32)
    every = torch.randint(0, pictures, (rows, batch), dtype=torch.int32)
    each = words // rows
    t = matched[picture.long()].repeat_interleave(each, 0).to(z.dtype)
    p = z.sigmoid()
    p_t, alpha_t = p * t + (1 - p) * (1 - t), 0.25 * t + 0.75 * (1 - t)
    loss = (alpha_t * (1 - p_t) ** 2 * F.binary_cross_entropy_with_logits(z, t, reduction="none")).sum((1, 2))
    count = boxes[every.long()].sum(1).clamp(min=1).repeat_interleave(each)
    keep(name, [z, picture, matched, boxes, every], [loss / count])


def match_patches(name, words, patches, boxes, rows, seen):
    """SciPy's assignment of each word's costs."""
    z = rand(words, seen, patches) * 4
    picture = torch.randint(0, len(boxes), (rows, seen), dtype=torch.int32)
    first = torch.tensor([0, *np.cumsum(boxes)], dtype=torch.int32)
    place, matched = rand(sum(boxes), patches) * 3, torch.zeros(words, seen, patches, dtype=torch.int32)
    p = z.sigmoid()
    word = 0.25 * (1 - p) ** 2 * F.softplus(-z) - 0.75 * p**2 * F.softplus(z)
    for k in range(words):
        for s, i in enumerate(picture[k // (words // rows)].tolist()):
            _, patch = linear_sum_assignment((place[first[i] : first[i + 1]] + word[k, s]).numpy())
            matched[k, s, torch.from_numpy(patch)] = 1
    keep(name, [z, picture, first, place], [matched])


x = rand(2, 10, 6)
keep("class_merge", [x], [x[:, 1:] * x[:, :1]])
x = rand(2, 5, 7)
keep("unit_rows", [x], [x / (x.norm(dim=-1, keepdim=True) + 1e-6)])
x = rand(3, 9, 1) * 4
keep("elu_plus", [x], [F.elu(x) + 1])
x = rand(2, 49, 4) * 5
keep("grid_box", [x], [(x + box_bias(7)).sigmoid()])
patch_logits("patch_logits", 5, 7, 11, 4, 1, 3, 0.75)
patch_logits("patch_logits_rows", 6, 9, 4, 3, 2, 2, 1.0)
focal_loss("focal_loss", 5, 7, 4, 1, 3, 6)
focal_loss("focal_loss_rows", 6, 9, 4, 3, 2, 2)
match_patches("match_patches", 4, 11, [2, 0, 5, 1], 1, 5)
match_patches("match_patches_rows", 6, 7, [3, 7], 2, 2)
path = pathlib.Path(__file__).parent / "fixtures" / "detection_ops.safetensors"
safetensors.numpy.save_file({k: np.ascontiguousarray(v) for k, v in fixtures.items()}, path,
                            {"torch": torch.__version__, "numpy": np.__version__})
