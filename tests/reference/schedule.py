"""Samplers' trajectories by diffusers' schedulers in float64, step by step.

    python tests/reference/schedule.py   # writes tests/reference/fixtures/schedule.safetensors

For each case <sampler>.<config>.<steps>: timesteps [n], and x [n, 12], the latents behind each step. They start at twice
fill(7, 12); the network's part is played by tanh(0.7 x + fill(100 + step)). The schedulers' own tables, which diffusers
makes in float32, are replaced by the same in float64; its own steps must agree to float32's rounding.
"""

import pathlib

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from safetensors.torch import save_file

from sd import fill

SCALED = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
CONFIGS = {
    "v": dict(SCALED, prediction_type="v_prediction", set_alpha_to_one=False, steps_offset=1, clip_sample=False),
    "epsilon": dict(SCALED, set_alpha_to_one=False, steps_offset=1, clip_sample=False, timestep_spacing="leading"),
    "silent": {},  # linear betas, DDIM clips and ends without noise
    "linspace": dict(SCALED, prediction_type="v_prediction", clip_sample=False, timestep_spacing="linspace"),
    "trailing": dict(SCALED, clip_sample=False, timestep_spacing="trailing", steps_offset=1),
    "short": dict(SCALED, num_train_timesteps=40, clip_sample=False),
}
STEPS = [1, 2, 7, 10]


def in_double(scheduler):
    c = scheduler.config
    if c.beta_schedule == "scaled_linear":
        betas = torch.linspace(c.beta_start**0.5, c.beta_end**0.5, c.num_train_timesteps, dtype=torch.float64) ** 2
    else:
        betas = torch.linspace(c.beta_start, c.beta_end, c.num_train_timesteps, dtype=torch.float64)
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, 0)
    if hasattr(scheduler, "final_alpha_cumprod"):
        one = torch.tensor(1.0, dtype=torch.float64)
        scheduler.final_alpha_cumprod = one if c.set_alpha_to_one else scheduler.alphas_cumprod[0]


def dpm_step(s, i, n, x, prediction):
    """One step by the scheduler's own formulas; its step() rounds the latents to float32."""
    s._step_index = i
    s.model_outputs[0] = s.model_outputs[1]
    s.model_outputs[1] = s.convert_model_output(prediction, sample=x)
    if i == 0 or i + 1 == n:
        return s.dpm_solver_first_order_update(s.model_outputs[1], sample=x)
    return s.multistep_dpm_solver_second_order_update(s.model_outputs, sample=x)


def scheduler(kind, config):
    if kind == "ddim":
        return DDIMScheduler(**config)
    return DPMSolverMultistepScheduler(**{k: v for k, v in config.items() if k not in ("set_alpha_to_one", "clip_sample")})


def trajectory(kind, config, n):
    theirs, s = scheduler(kind, config), scheduler(kind, config)
    in_double(s)
    theirs.set_timesteps(n), s.set_timesteps(n)
    t = theirs.timesteps
    if kind == "dpm++":
        sigma = ((1 - s.alphas_cumprod) / s.alphas_cumprod).sqrt()[t]
        s.sigmas = torch.cat([sigma, torch.zeros(1, dtype=torch.float64)])
    x = y = 2 * fill(7, 12)
    steps = []
    for i in range(n):
        p, q = (torch.tanh(0.7 * v + fill(100 + i, 12)) for v in (x, y))
        x = s.step(p, t[i], x).prev_sample if kind == "ddim" else dpm_step(s, i, n, x, p)
        y = theirs.step(q, t[i], y).prev_sample
        assert x.dtype == torch.float64 and (x - y).abs().max() < 2e-5 * x.abs().max().clamp(min=1), (kind, config, n, i)
        steps.append(x)
    return t.to(torch.int32), torch.stack(steps)


def main():
    arrays = {}
    for kind in ("ddim", "dpm++"):
        for name, config in CONFIGS.items():
            for n in STEPS:
                t, x = trajectory(kind, config, n)
                arrays[f"{kind}.{name}.{n}.timesteps"], arrays[f"{kind}.{name}.{n}.x"] = t, x
        for name in ("v", "trailing"):
            s = scheduler(kind, CONFIGS[name])
            s.set_timesteps(50)
            arrays[f"{kind}.{name}.50.timesteps"] = s.timesteps.to(torch.int32)
    path = pathlib.Path(__file__).parent / "fixtures" / "schedule.safetensors"
    save_file({k: v.contiguous() for k, v in arrays.items()}, path,
              metadata={"torch": torch.__version__, "diffusers": diffusers.__version__, "numpy": np.__version__})
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
