"""Fixtures of the ops that diffusion needs beside a network's: by diffusers and PyTorch in float64.

    python tests/reference/diffusion_ops.py   # writes tests/reference/fixtures/diffusion_ops.safetensors

Names as in ops.py: <name>.in<i>, <name>.out<i>, <name>.dy and <name>.grad, the gradient to input 0.
tests/kernels/test_diffusion_ops.c runs `ref` on them. The versions of a run are kept in the file's metadata.
"""

import math
import pathlib

import diffusers
import numpy as np
import safetensors.numpy
import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.embeddings import get_timestep_embedding

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
fixtures = {}


def rand(*shape):
    return torch.rand(shape) * 2 - 1


def keep(name, inputs, outputs):
    for i, x in enumerate(inputs):
        fixtures[f"{name}.in{i}"] = x.detach().numpy()
    for i, y in enumerate(outputs):
        fixtures[f"{name}.out{i}"] = y.detach().numpy()


def timesteps(name, width, flip, shift):
    """diffusers makes its angles in float32: 1e-4 away from the double that is kept, at t = 999."""
    t = torch.tensor([0, 1, 37, 500, 999], dtype=torch.int32)
    half = width // 2
    angle = t.double()[:, None] * torch.exp(-math.log(10000) * torch.arange(half) / (half - shift))
    y = torch.cat([angle.cos(), angle.sin()] if flip else [angle.sin(), angle.cos()], -1)
    theirs = get_timestep_embedding(t, width, flip_sin_to_cos=flip, downscale_freq_shift=shift)
    assert (y - theirs).abs().max() < 2e-4
    keep(name, [t], [y])


def noised(name, prediction):
    scheduler = diffusers.DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    scheduler.alphas_cumprod = abar = torch.cumprod(1 - betas, 0)
    t = torch.tensor([0, 999, 400], dtype=torch.int32)
    x, n = rand(3, 2, 3, 4), torch.randn(3, 2, 3, 4)
    if prediction == "velocity":
        y, coef = scheduler.get_velocity(x, n, t.long()), torch.stack([-(1 - abar).sqrt(), abar.sqrt()], 1)
    else:
        y, coef = scheduler.add_noise(x, n, t.long()), torch.stack([abar.sqrt(), (1 - abar).sqrt()], 1)
    rows = coef[t.long()]
    keep(name, [x, n, rows, torch.arange(3, dtype=torch.int32)], [y])


def moments(name):
    x, noise = rand(2, 3, 2, 8) * 3, torch.randn(2, 3, 2, 4)
    x[0, 0, 0, 4:6] = torch.tensor([-40.0, 25.0])
    d = DiagonalGaussianDistribution(x.movedim(-1, 1))
    z = d.mean + d.std * noise.movedim(-1, 1)
    keep(name, [x, noise], [z.movedim(1, -1) * 0.18215])


def mse(name, trials, of, *shape):
    x, target = rand(*shape).requires_grad_(), rand(*shape)
    rows = shape[0] // trials
    y = F.mse_loss(x, target, reduction="none").reshape(trials, -1).mean(1) * rows / (of or rows)
    keep(name, [x, target], [y])
    dy = rand(trials)
    fixtures[f"{name}.dy"] = dy.numpy()
    fixtures[f"{name}.grad"] = torch.autograd.grad(y, x, dy)[0].numpy()


def case(seed, function, *arguments):
    """Every case has a seed of its own: a new one leaves the others as they are."""
    torch.manual_seed(seed)
    function(*arguments)


case(1, timesteps, "timestep_cosine", 12, True, 0)
case(2, timesteps, "timestep_sine", 10, False, 1)
case(3, noised, "mix_noise", "noise")
case(4, noised, "mix_velocity", "velocity")
case(5, moments, "sample_moments")
case(6, mse, "mse", 2, 0, 6, 3, 5)
case(7, mse, "mse_slice", 3, 4, 6, 7)

path = pathlib.Path(__file__).parent / "fixtures" / "diffusion_ops.safetensors"
versions = {"torch": torch.__version__, "diffusers": diffusers.__version__}
safetensors.numpy.save_file({k: np.ascontiguousarray(v) for k, v in fixtures.items()}, path, metadata=versions)
print(path, path.stat().st_size, versions)
