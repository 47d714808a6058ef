"""Samplers' trajectories by diffusers' schedulers in float64, step by step.

    python tests/reference/schedule.py   # writes tests/reference/fixtures/schedule.safetensors, schedule_keys.safetensors

For each case <sampler>.<config>.<steps>: timesteps [n], and x [n, 12], the latents behind each step. They start at twice
fill(7, 12); the network's part is played by tanh(0.7 x + fill(100 + step)). The schedulers' own tables, which diffusers
makes in float32, are replaced by the same in float64; its own steps must agree to float32's rounding. The second file
has the keys that few configurations set, with the first 4 latents alone.
"""

import pathlib

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
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
SIGMA_MIN, V = dict(final_sigmas_type="sigma_min"), dict(prediction_type="v_prediction", timestep_spacing="trailing")
ZERO_SNR = dict(SCALED, rescale_betas_zero_snr=True, clip_sample=False)
KEYS = {  # name: config, steps
    "karras": (dict(SCALED, use_karras_sigmas=True), (1, 2, 9)),
    "karras_v": (dict(SCALED, **V, **SIGMA_MIN, use_karras_sigmas=True, solver_type="heun"), (9,)),
    "first": (dict(SCALED, solver_order=1), (3,)),
    "heun": (dict(SCALED, solver_type="heun"), (4,)),
    "sigma_min": (dict(SCALED, **SIGMA_MIN), (4, 15)),
    "full": (dict(SCALED, **SIGMA_MIN, lower_order_final=False), (4,)),
    "euler": (dict(SCALED, **SIGMA_MIN, euler_at_final=True), (15,)),
    "zero_snr": (dict(ZERO_SNR, **V), (5,)),
    "zero_snr_noise": (dict(ZERO_SNR, timestep_spacing="leading"), (5,)),
    "zero_snr_karras": (dict(ZERO_SNR, **V, use_karras_sigmas=True), (5,)),
}


def in_double(scheduler):
    c = scheduler.config
    if c.beta_schedule == "scaled_linear":
        betas = torch.linspace(c.beta_start**0.5, c.beta_end**0.5, c.num_train_timesteps, dtype=torch.float64) ** 2
    else:
        betas = torch.linspace(c.beta_start, c.beta_end, c.num_train_timesteps, dtype=torch.float64)
    if c.rescale_betas_zero_snr:
        betas = rescale_zero_terminal_snr(betas)
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, 0)
    if c.rescale_betas_zero_snr and isinstance(scheduler, DPMSolverMultistepScheduler):
        scheduler.alphas_cumprod[-1] = 2**-24
    if hasattr(scheduler, "final_alpha_cumprod"):
        one = torch.tensor(1.0, dtype=torch.float64)
        scheduler.final_alpha_cumprod = one if c.set_alpha_to_one else scheduler.alphas_cumprod[0]


def sigmas_in_double(s, timesteps):
    c, all_of_them = s.config, ((1 - s.alphas_cumprod) / s.alphas_cumprod).sqrt()
    sigma = all_of_them[timesteps]
    if c.use_karras_sigmas:
        sigma = torch.as_tensor(s._convert_to_karras(all_of_them.numpy()[::-1].copy(), len(timesteps)))
    s.sigmas = torch.cat([sigma, all_of_them[:1] if c.final_sigmas_type == "sigma_min" else torch.zeros(1).double()])


def dpm_step(s, i, n, x, prediction):
    """One step by the scheduler's own formulas; its step() rounds the latents to float32."""
    c = s.config
    ends_alone = c.final_sigmas_type == "zero" or c.euler_at_final or (c.lower_order_final and n < 15)
    s._step_index = i
    s.model_outputs = [s.model_outputs[-1], s.convert_model_output(prediction, sample=x)]
    if i == 0 or c.solver_order == 1 or (i + 1 == n and ends_alone):
        return s.dpm_solver_first_order_update(s.model_outputs[1], sample=x)
    return s.multistep_dpm_solver_second_order_update(s.model_outputs, sample=x)


def scheduler(kind, config):
    return {"ddim": DDIMScheduler, "dpm++": DPMSolverMultistepScheduler}[kind].from_config(config)


def trajectory(kind, config, n):
    theirs, s = scheduler(kind, config), scheduler(kind, config)
    in_double(s)
    theirs.set_timesteps(n), s.set_timesteps(n)
    t = theirs.timesteps
    if kind == "dpm++":
        sigmas_in_double(s, t)
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
    save("schedule", arrays)
    arrays = {}
    for kind in ("ddim", "dpm++"):
        for name, (config, steps) in KEYS.items():
            for n in steps if kind == "dpm++" or name in ("zero_snr", "zero_snr_noise") else ():
                t, x = trajectory(kind, config, n)
                arrays[f"{kind}.{name}.{n}.timesteps"], arrays[f"{kind}.{name}.{n}.x"] = t, x[:, :4]
    save("schedule_keys", arrays)


def save(name, arrays):
    path = pathlib.Path(__file__).parent / "fixtures" / f"{name}.safetensors"
    save_file({k: v.contiguous() for k, v in arrays.items()}, path,
              metadata={"torch": torch.__version__, "diffusers": diffusers.__version__, "numpy": np.__version__})
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
