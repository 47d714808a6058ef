"""Stable Diffusion's parts by diffusers and transformers in float64: three small random networks and the embedded one.

    python tests/reference/sd.py            # writes tests/reference/fixtures/sd_{a,b,c}/ and sd_tiny.safetensors

A random network's weights are not kept: both sides make them from seeds (fill, below; vw_test_fill in
tests/support/test.c). A folder holds its configurations, as a hub directory has them, and
  weights.txt           a line a tensor: component, name in its file, file's number, type, scale, shift, shape;
                        values are shift + scale * fill(seed of the name that diffusers has today)
  expected.safetensors  pixels from seed 1 -> moments; z from seed 2 -> decoded; rows of states from words;
                        x (seed 3), t, row -> predicted; word_gradient of sum(predicted * direction (seed 4))
                        ids [K, J]: the texts, whose token at `position` has the vector of `words` (seed 5, halved)
Made with the versions in the files' metadata.
"""

import json
import math
import pathlib
import zlib

import diffusers
import numpy as np
import torch
import transformers
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizerFast

from clip import block, write_tokenizer

HERE = pathlib.Path(__file__).parent / "fixtures"
ROOT = pathlib.Path(__file__).parents[2]
VERSIONS = {"torch": torch.__version__, "diffusers": diffusers.__version__, "transformers": transformers.__version__}


def fill(seed, *shape):
    """Uniform numbers in (-1, 1): the 23 high bits of the words of a Philox4x32-10 stream (vw_test_fill)."""
    n = math.prod(shape)
    c = [np.arange((n + 3) // 4, dtype=np.uint64), np.uint64(0), np.uint64(99), np.uint64(0)]
    c = [np.broadcast_to(x, c[0].shape).copy() for x in c]
    k0, k1, low, word = seed & 0xFFFFFFFF, seed >> 32, np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [p1 >> word ^ c[1] ^ np.uint64(k0), p1 & low, p0 >> word ^ c[3] ^ np.uint64(k1), p0 & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    words = np.stack(c, 1).reshape(-1)[:n]
    return torch.from_numpy(2 * ((words >> np.uint64(9)).astype(np.float64) + 0.5) * 2.0**-23 - 1).reshape(shape)


def channels_last(x):
    return x.movedim(1, -1).contiguous()


def channels_first(x):
    return x.movedim(-1, 1).contiguous()


# Only what differs from the classes' defaults, as old directories of the hub have it.
NETWORKS = {
    # three levels, heads a level, linear projections, velocity, odd latents, no padding; the new names
    "sd_a": dict(
        latent=(5, 7), scheduler={"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear",
                                  "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "v_prediction",
                                  "set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False},
        text=dict(vocab_size=61, hidden_size=20, intermediate_size=36, num_hidden_layers=2, num_attention_heads=2,
                  max_position_embeddings=11, hidden_act="gelu", eos_token_id=2),
        unet=dict(block_out_channels=[16, 24, 32], layers_per_block=1, cross_attention_dim=20, downsample_padding=0,
                  attention_head_dim=[2, 3, 4], norm_num_groups=4, use_linear_projection=True, sample_size=8,
                  down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
                  up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
        vae=dict(block_out_channels=[8, 12, 16], layers_per_block=1, norm_num_groups=4,
                 down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3)),
    # two levels, convolutions as projections, one number of heads, two layers, epsilon; fp16 in shards, old names
    "sd_b": dict(
        latent=(6, 4), half=True, old=True,
        scheduler={"_class_name": "PNDMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085,
                   "beta_end": 0.012, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1},
        text=dict(vocab_size=45, hidden_size=12, intermediate_size=20, num_hidden_layers=1, num_attention_heads=3,
                  max_position_embeddings=9, hidden_act="quick_gelu", eos_token_id=44),
        unet=dict(block_out_channels=[8, 16], layers_per_block=2, cross_attention_dim=12, attention_head_dim=2,
                  norm_num_groups=4, sample_size=6, down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
                  up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"]),
        vae=dict(block_out_channels=[8, 16], layers_per_block=2, norm_num_groups=4,
                 down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2)),
    # layers and depth a level, attention in the coarsest alone, sines first and shifted; no quantising convolutions, no
    # attention in the autoencoder
    "sd_c": dict(
        latent=(3, 5), scheduler={"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"},
        text=dict(vocab_size=37, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=1,
                  max_position_embeddings=8, hidden_act="gelu", layer_norm_eps=1e-3, eos_token_id=36),
        unet=dict(block_out_channels=[12, 20], layers_per_block=[1, 2], transformer_layers_per_block=[1, 2],
                  cross_attention_dim=16, attention_head_dim=[1, 5], norm_num_groups=2, norm_eps=1e-4,
                  flip_sin_to_cos=False, freq_shift=1, use_linear_projection=True, sample_size=4,
                  down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
                  up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"]),
        vae=dict(block_out_channels=[6, 10], layers_per_block=1, norm_num_groups=2, use_quant_conv=False,
                 use_post_quant_conv=False, mid_block_add_attention=False, scaling_factor=0.5,
                 down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2)),
}
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def scale_of(name, shape):
    """(scale, shift) of a tensor's values: attention far from uniform, norms near one."""
    if "norm" in name and name.endswith("weight"):
        return 0.3, 1.0
    if name.endswith("bias"):
        return 0.2, 0.0
    if "embeddings" in name:
        return 1.0, 0.0
    return round(2 / math.prod(shape[1:]) ** 0.5, 6), 0.0


def stored_name(component, name, spec):
    """Old directories: the autoencoder's attention by its old names; the text encoder without its prefix."""
    if spec.get("old") and component == "vae" and ".attentions." in name:
        for now, old in OLD.items():
            name = name.replace(f".{now}.", f".{old}.")
    return name.removeprefix("text_model.") if spec.get("old") else name


def seeded(component, model, spec, lines):
    """Gives a model its weights, and weights.txt its lines."""
    state = {}
    for i, (name, p) in enumerate(sorted(model.state_dict().items())):
        if name.endswith("position_ids"):
            continue
        scale, shift = scale_of(name, p.shape)
        seed = zlib.crc32(f"{component}.{name}".encode())
        x = shift + scale * fill(seed, *p.shape)
        if spec.get("half"):
            x = x.half().double()
        state[name] = x
        stored, shape = stored_name(component, name, spec), list(p.shape)
        if stored != name and "proj_attn.weight" in stored or "query.weight" in stored:
            shape += [1, 1]  # some of them were convolutions
        lines.append(" ".join(map(str, [component, stored, i % 3 if spec.get("half") else 0,
                                        "F16" if spec.get("half") else "F32", seed, scale, shift, *shape])))
        if not spec.get("half"):
            state[name] = x.float().double()
    model.load_state_dict(state, strict=False)
    return model.double().eval()


class DoubleTimesteps(torch.nn.Module):
    """diffusers makes a timestep's angles in float32, 1e-4 from what they are."""

    def __init__(self, theirs):
        super().__init__()
        self.theirs = theirs

    def forward(self, t):
        half = self.theirs.num_channels // 2
        w = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) /
                      (half - self.theirs.downscale_freq_shift))
        a = t.double()[:, None] * w
        y = [a.cos(), a.sin()] if self.theirs.flip_sin_to_cos else [a.sin(), a.cos()]
        y = torch.cat(y, -1)
        assert (y - self.theirs(t)).abs().max() < 2e-4
        return y


def tower_of(text):
    """The tower of a CLIPTextModel, which is the model itself from transformers 5 on."""
    return getattr(text, "text_model", text)


def states_of(text, ids, position, words):
    """All states of token rows whose token at `position` has a vector of `words` in place of its embedding."""
    tower = tower_of(text)
    x = tower.embeddings.token_embedding(ids).clone()
    x[torch.arange(len(ids)), position] = words
    x = x + tower.embeddings.position_embedding.weight[: ids.shape[1]]
    mask = torch.full((ids.shape[1],) * 2, float("-inf"), dtype=x.dtype).triu(1)[None, None]
    for layer in tower.encoder.layers:
        x = block(layer, x, mask)
    return tower.final_layer_norm(x)


def expected(text, unet, vae, latent, ids, position, pick):
    """All arrays of the file's docstring; `pick` thins the states that are kept."""
    torch.set_default_dtype(torch.float64)
    unet.time_proj = DoubleTimesteps(unet.time_proj)
    h, w = latent
    factor, C, K, B = 2 ** (len(vae.config.block_out_channels) - 1), text.config.hidden_size, len(ids), 3
    pixels, z = fill(1, 1, factor * h, factor * w, 3), fill(2, 1, h, w, 4)
    x, direction = fill(3, B, h, w, 4), fill(4, B, h, w, 4)
    words = (fill(5, K, C) / 2).requires_grad_()
    t, row = torch.tensor([0, 431, 999]), torch.tensor([1, 0, 1])
    with torch.no_grad():
        moments = vae.encode(channels_first(pixels)).latent_dist.parameters
        decoded = vae.decode(channels_first(z)).sample
        own = tower_of(text).embeddings.token_embedding.weight[ids[torch.arange(K), position]]
        plain = text(input_ids=ids).last_hidden_state
        assert (states_of(text, ids, position, own) - plain).abs().max() < 1e-12
    states = states_of(text, ids, position, words)
    predicted = channels_last(unet(channels_first(x), t, encoder_hidden_states=states[row]).sample)
    (gradient,) = torch.autograd.grad((predicted * direction).sum(), words)
    torch.set_default_dtype(torch.float32)
    i32 = lambda v: v.to(torch.int32).contiguous()
    return {"moments": channels_last(moments), "decoded": channels_last(decoded), "states": pick(plain).contiguous(),
            "predicted": predicted.detach(), "word_gradient": gradient, "ids": i32(ids), "position": i32(position),
            "t": i32(t), "row": i32(row), "latent": torch.tensor([h, w], dtype=torch.int32)}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def write_directory(folder, spec):
    write_json(folder / "model_index.json", {
        "_class_name": "StableDiffusionPipeline", "safety_checker": [None, None],
        "scheduler": ["diffusers", spec["scheduler"]["_class_name"]], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"]})
    write_json(folder / "scheduler" / "scheduler_config.json", spec["scheduler"])
    write_json(folder / "text_encoder" / "config.json", spec["text"])
    write_json(folder / "unet" / "config.json", {"_class_name": "UNet2DConditionModel", **spec["unet"]})
    write_json(folder / "vae" / "config.json", {"_class_name": "AutoencoderKL", **spec["vae"]})
    (folder / "tokenizer").mkdir(exist_ok=True)
    write_tokenizer(folder / "tokenizer", spec["text"]["vocab_size"])
    write_json(folder / "tokenizer" / "tokenizer_config.json", {"pad_token": "!"})


def random_network(name, spec):
    folder, lines = HERE / name, []
    write_directory(folder, spec)
    text = seeded("text_encoder", CLIPTextModel(CLIPTextConfig(**spec["text"])), spec, lines)
    unet = seeded("unet", UNet2DConditionModel(**spec["unet"]), spec, lines)
    vae = seeded("vae", AutoencoderKL(**spec["vae"]), spec, lines)
    (folder / "weights.txt").write_text("\n".join(lines) + "\n")
    vocab, J = spec["text"]["vocab_size"], spec["text"]["max_position_embeddings"]
    ids = torch.zeros(2, J, dtype=torch.long)
    ids[:, 0], ids[0, 1:5], ids[1, 1:4] = vocab - 2, torch.tensor([7, 3, 9, vocab - 1]), torch.tensor([5, 2, vocab - 1])
    arrays = expected(text, unet, vae, spec["latent"], ids, torch.tensor([2, 1]), lambda s: s)
    save_file(arrays, folder / "expected.safetensors", metadata=VERSIONS)


def embedded():
    root = ROOT / "data" / "sd-tiny"
    text = CLIPTextModel.from_pretrained(root / "text_encoder", dtype=torch.float32).double().eval()
    unet = UNet2DConditionModel.from_pretrained(root / "unet", torch_dtype=torch.float32).double().eval()
    vae = AutoencoderKL.from_pretrained(root / "vae", torch_dtype=torch.float32).double().eval()
    tokenizer = CLIPTokenizerFast.from_pretrained(root / "tokenizer")
    rows = tokenizer(["a photo of a dog", "hammer!!!"], padding="max_length", max_length=77).input_ids
    arrays = expected(text, unet, vae, (8, 8), torch.tensor(rows), torch.tensor([5, 1]), lambda s: s[:, ::11, ::3])
    save_file(arrays, HERE / "sd_tiny.safetensors", metadata=VERSIONS)


def main():
    torch.set_num_threads(1)
    for name, spec in NETWORKS.items():
        random_network(name, spec)
    embedded()


if __name__ == "__main__":
    main()
