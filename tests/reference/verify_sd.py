"""What diffusers and transformers compute with a Stable Diffusion directory: the part of verify.py for those.

Everything in float64. Layout of the file: docs/verify.md. Needs torch, transformers, diffusers, safetensors, numpy.
Made the fixture with torch 2.15.0, transformers 4.57.6, diffusers 0.39.0.
"""

import json

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizerFast

from schedule import dpm_step, in_double, sigmas_in_double
from sd import DoubleTimesteps, channels_first, channels_last, fill, states_of, tower_of

TEXTS = ["a photo of a dog", "A DRAWING of a red hammer, 2024!", "caf\u00e9 \u4f60\u597d \U0001f98a", ""]
TEMPLATE, GUIDANCE, STEPS, WORDS = "a photo of a {} there", 4.0, 5, 2
SAMPLERS = {"ddim": DDIMScheduler, "dpm++": DPMSolverMultistepScheduler}
MOST_SIDE, SMALL_STRIDE = 256, 19


def load(kind, folder, **options):
    try:
        return kind.from_pretrained(folder, **options).double().eval().requires_grad_(False)
    except OSError:  # a directory that has only *.fp16.safetensors
        return kind.from_pretrained(folder, variant="fp16", **options).double().eval().requires_grad_(False)


class Reference:
    def __init__(self, folder):
        self.text = load(CLIPTextModel, folder / "text_encoder", dtype=torch.float32, attn_implementation="sdpa")
        self.unet = load(UNet2DConditionModel, folder / "unet", torch_dtype=torch.float32)
        self.vae = load(AutoencoderKL, folder / "vae", torch_dtype=torch.float32)
        self.unet.time_proj = DoubleTimesteps(self.unet.time_proj)
        # the slow one cuts Chinese otherwise where ftfy is missing
        self.tokenizer = CLIPTokenizerFast.from_pretrained(folder / "tokenizer")
        self.config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
        self.positions = self.text.config.max_position_embeddings
        self.factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.steps = self.sampler("ddim").config.num_train_timesteps
        torch.set_default_dtype(torch.float64)

    def ids(self, texts):
        rows = self.tokenizer(texts, padding="max_length", max_length=self.positions, return_tensors="pt").input_ids
        if rows.shape[1] > self.positions:
            raise SystemExit(f"a text has {rows.shape[1]} tokens; the network takes {self.positions}")
        return rows

    def sampler(self, name):
        s = SAMPLERS[name].from_config(self.config)
        in_double(s)
        return s

    def predict(self, x, t, states):
        return channels_last(self.unet(channels_first(x), t, encoder_hidden_states=states).sample)


def texts_part(ref, texts, small):
    """Tokens and states. What the networks behind them are given is rounded to fp16, so that it is small and exact."""
    ids, stride = ref.ids(texts), SMALL_STRIDE if small else 1
    with torch.no_grad():
        states = ref.text(ids).last_hidden_state
    raw = [t.encode() for t in texts]
    ends = torch.tensor([len(r) for r in raw]).cumsum(0)
    out = {"texts": torch.tensor(list(b"".join(raw)), dtype=torch.uint8), "texts.end": ends, "ids": ids.int()}
    return out | {"text_states": states[:, ::stride], "context": states[:2].half()}, {"stride": stride}


def pictures_part(ref, h, w):
    pixels, z = fill(1, 1, ref.factor * h, ref.factor * w, 3).float(), fill(2, 1, h, w, ref.vae.config.latent_channels)
    with torch.no_grad():
        moments = ref.vae.encode(channels_first(pixels.double())).latent_dist.parameters
        picture = ref.vae.decode(channels_first(z)).sample
    return {"pixels": pixels, "moments": channels_last(moments), "z": z, "picture": channels_last(picture)}


def unet_part(ref, context, h, w):
    t, row = torch.tensor([0, 431 * ref.steps // 1000, ref.steps - 1]), torch.tensor([1, 0, 1])
    x = 1.5 * fill(3, 3, h, w, ref.unet.config.in_channels)
    with torch.no_grad():
        y = ref.predict(x, t, context[row])
    return {"unet.x": x, "unet.t": t.int(), "unet.row": row.int(), "unet.prediction": y}


def word_part(ref, h, w):
    """Words of their own in a text, two pictures each: the loss of a step of learning, and its gradient."""
    before, after = (ref.tokenizer(t, add_special_tokens=False).input_ids for t in TEMPLATE.split("{}"))
    ids = ref.ids([TEMPLATE.format("x")])[0]
    start, pad = [ref.tokenizer.bos_token_id, *before], ref.tokenizer.pad_token_id
    row = [*start, 0, *after, ref.tokenizer.eos_token_id]
    ids = torch.tensor([row + [pad] * (ref.positions - len(row))] * WORDS)
    table = tower_of(ref.text).embeddings.token_embedding.weight
    words = (table.std() * 1.7 * fill(5, WORDS, table.shape[1])).requires_grad_()
    x, noise = (s * fill(i, 2 * WORDS, h, w, ref.unet.config.in_channels) for i, s in ((6, 1.5), (7, 1.7)))
    t = torch.tensor([ref.steps * k // (2 * WORDS) + 3 for k in range(2 * WORDS)])
    abar = ref.sampler("ddim").alphas_cumprod[t].reshape(-1, 1, 1, 1)
    noisy = abar.sqrt() * x + (1 - abar).sqrt() * noise
    is_velocity = ref.config.get("prediction_type", "epsilon") == "v_prediction"
    target = abar.sqrt() * noise - (1 - abar).sqrt() * x if is_velocity else noise
    states = states_of(ref.text, ids, torch.tensor([len(start)] * WORDS), words)
    y = ref.predict(noisy, t, states.repeat_interleave(2, 0))
    loss = ((y - target) ** 2).reshape(WORDS, -1).mean(1)
    (gradient,) = torch.autograd.grad(loss.sum(), words)
    raw = torch.tensor(list(TEMPLATE.encode()), dtype=torch.uint8)
    return {"template": raw, "template.end": torch.tensor([len(raw)]), "words": words.detach(), "word.latents": x,
            "word.noise": noise, "word.t": t.int(), "word_loss": loss.detach(), "word_gradient": gradient}


@torch.no_grad()
def sampler_part(ref, name, context, start):
    """Latents behind each step, guided away from text 0 towards text 1."""
    s = ref.sampler(name)
    s.set_timesteps(STEPS)
    if name == "dpm++":
        sigmas_in_double(s, s.timesteps)
    x, out = channels_first(start), []
    for i, t in enumerate(s.timesteps):
        without, given = ref.unet(torch.cat([x, x]), t[None].expand(2), encoder_hidden_states=context).sample.chunk(2)
        p = without + GUIDANCE * (given - without)
        x = s.step(p, t, x).prev_sample if name == "ddim" else dpm_step(s, i, STEPS, x, p)
        out.append(channels_last(x)[0])
    return {f"{name}.latents": torch.stack(out)}


def write(args):
    torch.set_num_threads(max(1, args.threads))
    ref = Reference(args.model)
    texts = args.texts.read_text().splitlines() if args.texts else TEXTS[: 2 if args.small else None]
    if len(texts) < 2:
        raise SystemExit("expected at least two texts")
    side = args.size or min(ref.unet.config.sample_size * ref.factor, MOST_SIDE)
    if side % ref.factor:
        raise SystemExit(f"--size {side}: expected a multiple of {ref.factor}")
    h = w = side // ref.factor
    out, about = texts_part(ref, texts, args.small)
    context = out["context"].double()
    out |= pictures_part(ref, h, w) | unet_part(ref, context, h, w) | word_part(ref, h, w)
    out["start"] = 1.7 * fill(11, 1, h, w, ref.unet.config.in_channels)
    for name in SAMPLERS:
        out |= sampler_part(ref, name, context, out["start"])
    about |= {"kind": "stable-diffusion", "guidance": GUIDANCE, "steps": STEPS}
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, diffusers {diffusers.__version__}"
    save_file({k: v.detach().contiguous() for k, v in out.items()}, args.out,
              metadata={"format": "viswords-reference 1", "made_with": versions, "json": json.dumps(about)})
    print(f"{args.out}: {len(texts)} texts, pictures of {side} pixels, {STEPS} steps ({versions})")
