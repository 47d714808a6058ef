"""Pictures of data/sd-tiny by diffusers, from given latents.

    python tests/reference/drawing.py   # writes tests/reference/fixtures/drawing.safetensors

For each sampler: latents [2, h, w, 4] behind the last step in float64, and the pictures [2, 32, 32, 3] of diffusers' own
StableDiffusionPipeline in float32. Both start at 1.7 fill(11 + picture, h, w, 4); texts, guidance and steps: below.
"""

import pathlib

import diffusers
import torch
import transformers
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, StableDiffusionPipeline
from safetensors.torch import save_file

from schedule import dpm_step, in_double
from sd import DoubleTimesteps, channels_first, channels_last, fill

ROOT = pathlib.Path(__file__).parents[2]
TEXTS, NEGATIVE, GUIDANCE = ["a photo of a dog", "a drawing of a red hammer"], "tree, blue", 4.0
SAMPLERS = {"ddim": (DDIMScheduler, 10), "dpm++": (DPMSolverMultistepScheduler, 8)}


def start():
    return torch.stack([1.7 * fill(11 + i, 8, 8, 4) for i in range(2)])


def pipeline(known, n):
    pipe = StableDiffusionPipeline.from_pretrained(ROOT / "data" / "sd-tiny", torch_dtype=torch.float32)
    pipe.scheduler = known.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    options = dict(negative_prompt=[NEGATIVE] * 2, guidance_scale=GUIDANCE, num_inference_steps=n, height=32, width=32,
                   latents=channels_first(start()).float())
    pictures = torch.from_numpy(pipe(TEXTS, output_type="np", **options).images)
    return pipe, channels_last(pipe(TEXTS, output_type="latent", **options).images), pictures


@torch.no_grad()
def in_float64(pipe, known, n):
    text, unet = pipe.text_encoder.double(), pipe.unet.double()
    unet.time_proj = DoubleTimesteps(unet.time_proj)
    s = known.from_config(pipe.scheduler.config)
    in_double(s)
    s.set_timesteps(n)
    if known is DPMSolverMultistepScheduler:
        s.sigmas = torch.cat([((1 - s.alphas_cumprod) / s.alphas_cumprod).sqrt()[s.timesteps], torch.zeros(1).double()])
    rows = pipe.tokenizer([NEGATIVE] * 2 + TEXTS, padding="max_length", max_length=77, return_tensors="pt").input_ids
    torch.set_default_dtype(torch.float64)
    states, x = text(rows).last_hidden_state, channels_first(start())
    for i, t in enumerate(s.timesteps):
        without, given = unet(torch.cat([x, x]), t[None].expand(4), encoder_hidden_states=states).sample.chunk(2)
        p = without + GUIDANCE * (given - without)
        x = s.step(p, t, x).prev_sample if known is DDIMScheduler else dpm_step(s, i, n, x, p)
    torch.set_default_dtype(torch.float32)
    return channels_last(x)


def main():
    torch.set_num_threads(1)
    arrays = {}
    for name, (known, n) in SAMPLERS.items():
        pipe, theirs, pictures = pipeline(known, n)
        latents = in_float64(pipe, known, n)
        print(name, "float32 pipeline against float64:", (theirs - latents).abs().max().item())
        assert (theirs - latents).abs().max() < 1e-3
        arrays[f"{name}.latents"], arrays[f"{name}.pictures"] = latents, (pictures * 255).round().to(torch.uint8)
    path = pathlib.Path(__file__).parent / "fixtures" / "drawing.safetensors"
    save_file({k: v.contiguous() for k, v in arrays.items()}, path, metadata={"torch": torch.__version__, "diffusers": diffusers.__version__,
                        "transformers": transformers.__version__})
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
