"""The embedded Stable Diffusion: pictures, networks, schedule, sampler.

The forward passes of attention and text work on the modules of diffusers and transformers, so
what is trained is what is shipped; they are plain products, which on a CPU in bf16 are faster than the
fused attention.
"""
import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

import scenes

SIDE, LATENT = 32, 8
TEXT_WIDTH, TEXT_LAYERS, POSITIONS = 192, 6, 77
SHORT = 10              # positions of a caption while training: what the longest template needs
SCALING = 0.18215           # of the latents, as in all Stable Diffusion
# Calm pictures, as 32 px and a small UNet ask for: one thing in the middle of a pale ground,
# filling the frame, turned and recoloured a little.
PORTRAIT = scenes.Style(rotation=10.0, colour=0.2)
FRAME = (0.82, 1.0)         # longer side of the thing, in parts of the picture's


# --- pictures ---------------------------------------------------------------------------------

def hidden_from_unet(entry, drawing):
    """The UNet learns one drawing of each concept, Noto's; the judge knows the others as well.

    127 names with one look each are what so small a network learns within half an hour.
    """
    return drawing != "noto"


def pale_ground(r):
    """Smooth colours between light grey and white, float."""
    tone = r.uniform(0.6, 0.95) + r.uniform(-0.08, 0.08, 3) + r.uniform(-0.08, 0.08, (3, 3, 1))
    return cv2.resize(tone.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def portrait(r, bank, label, split):
    """One picture (uint8, SIDE x SIDE x 3) of a drawing of concept `label`."""
    drawings = getattr(bank[label], split)
    tile = drawings[int(r.integers(len(drawings)))][0]
    t = scenes.crop_to_solid(scenes.pose(r, tile, 2 * SIDE, PORTRAIT))
    scale = SIDE * r.uniform(*FRAME) / max(t.shape[:2])
    w, h = (max(1, round(n * scale)) for n in (t.shape[1], t.shape[0]))
    t = cv2.resize(t, (w, h), interpolation=cv2.INTER_AREA)
    matrix, offset = scenes.colour_change(r, PORTRAIT)
    alpha = t[..., 3:]
    rgb = np.clip(t[..., :3] @ matrix.T + offset * alpha, 0, alpha)
    img = pale_ground(r)
    x, y = (int(np.clip((SIDE - n) // 2 + r.integers(-1, 2), 0, SIDE - n)) for n in (w, h))
    img[y:y + h, x:x + w] = img[y:y + h, x:x + w] * (1 - alpha) + rgb
    return np.clip(img * 255 + 0.5, 0, 255).astype(np.uint8)


def portraits(bank, per_drawing, split, seed):
    """(pictures, labels) as arrays: `per_drawing(concept)` pictures for each of its drawings."""
    made, labels = [], []
    for i, c in enumerate(bank):
        for j, drawing in enumerate(getattr(c, split)):
            alone = [scenes.Concept(c.name, c.role, [drawing], [drawing])]
            for k in range(per_drawing(c)):
                made.append(portrait(np.random.default_rng([seed, i, j, k]), alone, 0, split))
                labels.append(i)
    return np.stack(made), np.array(labels)


def to_range(pictures):
    """uint8 (B, S, S, 3) as float (B, 3, S, S) in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(x):
    """The way back."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


# --- networks ---------------------------------------------------------------------------------

def build_vae():
    return AutoencoderKL(
        in_channels=3, out_channels=3, down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3, block_out_channels=[32, 48, 64],
        layers_per_block=1, latent_channels=4, norm_num_groups=16, sample_size=SIDE,
        scaling_factor=SCALING)


def build_unet():
    return UNet2DConditionModel(
        sample_size=LATENT, in_channels=4, out_channels=4,
        down_block_types=["CrossAttnDownBlock2D"] * 2, up_block_types=["CrossAttnUpBlock2D"] * 2,
        block_out_channels=[64, 96], layers_per_block=1, cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=[2, 3],      # diffusers' name for the numbers of heads
        use_linear_projection=True, norm_num_groups=32)


def build_text(n_vocab):
    """CLIPTextModel as in 2.1: exact gelu, all 77 states used, "!" (id 0) for padding."""
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=n_vocab, hidden_size=TEXT_WIDTH, intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=TEXT_LAYERS, num_attention_heads=3, max_position_embeddings=POSITIONS,
        hidden_act="gelu", projection_dim=TEXT_WIDTH, pad_token_id=0,
        bos_token_id=n_vocab - 2, eos_token_id=n_vocab - 1))


def attend(q, k, v, heads, mask=None):
    """Attention by plain products; q (B, T, C), k and v (B, S, C)."""
    q, k, v = (x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2) for x in (q, k, v))
    score = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        score = score + mask
    return (score.softmax(-1).to(v.dtype) @ v).transpose(1, 2).flatten(2)


class PlainAttention:
    """For unet.set_attn_processor."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        h = attend(attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context), attn.heads)
        return attn.to_out[0](h)


def padded(tok, texts):
    """Ids (B, 77), filled up with "!" (id 0) as 2.1 does."""
    return torch.tensor([i + [0] * (POSITIONS - len(i)) for i in tok(texts).input_ids])


def text_states(m, ids, vectors=None, layers=None):
    """All states (B, T, C) of ids (B, T); `vectors` stands in for the token embeddings where given,
    `layers` keeps the first so many."""
    t = m.text_model
    h = t.embeddings.token_embedding(ids) if vectors is None else vectors
    T = h.shape[1]
    h = h + t.embeddings.position_embedding.weight[:T]
    mask = torch.full((T, T), -1e4, device=h.device).triu(1)
    for layer in t.encoder.layers[:layers]:
        a, x = layer.self_attn, layer.layer_norm1(h)
        h = h + a.out_proj(attend(a.q_proj(x), a.k_proj(x), a.v_proj(x), a.num_heads, mask))
        h = h + layer.mlp(layer.layer_norm2(h))
    return t.final_layer_norm(h)


@torch.no_grad()
def fold_statistics(vae, pictures):
    """Make SCALING times the latents zero-mean and unit in each channel, exactly.

    Encoder: z' = (z - mean) / (std * SCALING) in quant_conv; decoder: the way back in
    post_quant_conv. Reconstructions stay as they were.
    """
    z = torch.cat([vae.encode(x).latent_dist.mean for x in pictures.split(256)])
    mean, k = z.mean((0, 2, 3)), z.std((0, 2, 3)) * SCALING
    q, p, n = vae.quant_conv, vae.post_quant_conv, len(mean)
    q.weight[:n] /= k.view(-1, 1, 1, 1)
    q.bias[:n] = (q.bias[:n] - mean) / k
    q.bias[n:] -= 2 * k.log()
    p.bias += p.weight[:, :, 0, 0] @ mean
    p.weight *= k.view(1, -1, 1, 1)


@torch.no_grad()
def psnr(vae, x):
    """Mean PSNR in dB of reconstructions from the latents' means; x in [-1, 1]."""
    r = torch.cat([vae.decode(vae.encode(c).latent_dist.mean).sample.clamp(-1, 1) for c in x.split(128)])
    return (10 * torch.log10(4 / ((r - x) ** 2).mean((1, 2, 3)))).mean().item()


# --- schedule and sampler ---------------------------------------------------------------------

ABAR = torch.cumprod(1 - torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000) ** 2, 0)


def noised(x, noise, t):
    """(x_t, the velocity that the UNet learns)."""
    a, s = ABAR[t].sqrt().view(-1, 1, 1, 1), (1 - ABAR[t]).sqrt().view(-1, 1, 1, 1)
    return a * x + s * noise, a * noise - s * x


@torch.no_grad()
def ddim(unet, context, empty, steps=20, guidance=4.0, seed=0):
    """Latents of unit scale for states (B, T, C); `empty` (1, T', C) are those of no caption.

    Leading spacing, offset 1, last step with the first alpha, as diffusers' DDIMScheduler.
    """
    n, stride = len(context), 1000 // steps
    x = torch.randn(n, 4, LATENT, LATENT, generator=torch.Generator().manual_seed(seed))
    for t in range((steps - 1) * stride + 1, 0, -stride):
        v = unet(x, t, encoder_hidden_states=context).sample.float()
        if guidance != 1:
            v0 = unet(x, t, encoder_hidden_states=empty.expand(n, -1, -1)).sample.float()
            v = v0 + guidance * (v - v0)
        a, b = ABAR[t], ABAR[max(t - stride, 0)]
        clean, noise = a.sqrt() * x - (1 - a).sqrt() * v, a.sqrt() * v + (1 - a).sqrt() * x
        x = b.sqrt() * clean + (1 - b).sqrt() * noise
    return x


@torch.no_grad()
def pictures_of(unet, vae, context, empty, seed=0, chunk=64, **sampling):
    """Pictures (B, 3, SIDE, SIDE) in [-1, 1] for the states of captions."""
    out = []
    with torch.autocast("cpu", torch.bfloat16):
        for i in range(0, len(context), chunk):
            z = ddim(unet, context[i:i + chunk], empty, seed=seed + i, **sampling)
            out.append(vae.decode(z / SCALING).sample.float().clamp(-1, 1))
    return torch.cat(out)
