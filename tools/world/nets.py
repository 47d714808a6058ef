"""The networks of the embedded CLIP: its configuration, a fast forward pass, and the teacher.

The forward passes work on the modules of transformers' CLIPModel, so what is trained is what is
shipped; they leave out padding and masks, which the trained captions do not need.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPModel

WIDTH, PATCH, SIDE = 144, 8, 64
TEXT_WIDTH, TEXT_MLP = 192, 288
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)


def pixels(pictures):
    """A list of uint8 pictures as normalised (B, 3, S, S)."""
    x = torch.stack([torch.from_numpy(p) for p in pictures]).permute(0, 3, 1, 2).float() / 255
    return (x - MEAN) / STD


# --- CLIP -------------------------------------------------------------------------------------

def build_clip(n_vocab):
    """A CLIPModel of the embedded size, initialised to train fast. End of text is the last id."""
    start, end = n_vocab - 2, n_vocab - 1
    text = dict(vocab_size=n_vocab, hidden_size=TEXT_WIDTH, intermediate_size=TEXT_MLP,
                num_hidden_layers=6, num_attention_heads=3, max_position_embeddings=77,
                hidden_act="quick_gelu", projection_dim=192,
                pad_token_id=end, bos_token_id=start, eos_token_id=end)
    vision = dict(image_size=SIDE, patch_size=PATCH, hidden_size=WIDTH, intermediate_size=4 * WIDTH,
                  num_hidden_layers=6, num_attention_heads=4, hidden_act="quick_gelu",
                  projection_dim=192)
    m = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=192))
    init_vision(m)
    init_text(m)
    return m


def init_mlp(layer, out_scale):
    for fc, scale in ((layer.mlp.fc1, 0.7), (layer.mlp.fc2, out_scale)):
        nn.init.normal_(fc.weight, std=scale * fc.in_features ** -0.5)
        nn.init.zeros_(fc.bias)


@torch.no_grad()
def init_mimetic(attn):
    """Attention as trained transformers have it: q'k near the identity, v'out near minus it.

    (Trockman and Kolter 2023, arXiv 2305.09828.) Small vision transformers learn sooner so.
    """
    n, heads = attn.embed_dim, attn.num_heads
    head = n // heads
    for h in range(heads):
        u, s, vt = torch.linalg.svd(0.7 * torch.randn(n, n) * n ** -0.5 + 0.7 * torch.eye(n))
        root = s[:head].sqrt()
        attn.q_proj.weight[h * head:(h + 1) * head] = (u[:, :head] * root).T
        attn.k_proj.weight[h * head:(h + 1) * head] = vt[:head] * root[:, None]
    u, s, vt = torch.linalg.svd(0.4 * torch.randn(n, n) * n ** -0.5 - 0.4 * torch.eye(n))
    attn.v_proj.weight.copy_((u * s.sqrt()).T)
    attn.out_proj.weight.copy_(vt.T * s.sqrt())


@torch.no_grad()
def init_vision(m):
    """Sine and cosine positions, mimetic attention; the patch embedding comes from the data."""
    v = m.vision_model
    c = m.config.vision_config
    n, width = c.image_size // c.patch_size, c.hidden_size
    wave = 100.0 ** -(torch.arange(width // 4) / (width // 4))
    phase = torch.arange(n).float()[:, None] * wave
    axis = torch.cat([phase.sin(), phase.cos()], 1)
    grid = torch.cat([axis[None].expand(n, n, -1), axis[:, None].expand(n, n, -1)], 2)
    v.embeddings.position_embedding.weight.zero_()
    v.embeddings.position_embedding.weight[1:] = 0.4 * grid.reshape(n * n, width)
    v.embeddings.class_embedding.copy_(0.3 * torch.randn(width))
    for layer in v.encoder.layers:
        init_mimetic(layer.self_attn)
        for p in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj,
                  layer.self_attn.out_proj):
            nn.init.zeros_(p.bias)
        init_mlp(layer, 0.5)
    nn.init.normal_(m.visual_projection.weight, std=width ** -0.5)


@torch.no_grad()
def whiten_patches(m, x):
    """Set the patch embedding to a whitening of the patches of the pictures x."""
    w = m.vision_model.embeddings.patch_embedding.weight
    width, patch = w.shape[0], w.shape[-1]
    p = cut_patches(x, patch).reshape(-1, 3 * patch * patch)
    values, vectors = torch.linalg.eigh(p.T @ p / len(p))
    top = min(width, len(values))
    basis = vectors.flip(1)[:, :top] / (values.flip(0)[:top] + 2e-2).sqrt()
    turn = torch.linalg.qr(torch.randn(width, width))[0][:, :top]
    w.copy_((0.7 * turn @ basis.T).reshape(w.shape))


def init_text(m):
    t, n = m.text_model, m.config.text_config.hidden_size
    nn.init.normal_(t.embeddings.token_embedding.weight, std=0.02)
    nn.init.normal_(t.embeddings.position_embedding.weight, std=0.01)
    for layer in t.encoder.layers:
        a = layer.self_attn
        for p, scale in ((a.q_proj, 1), (a.k_proj, 1), (a.v_proj, 1), (a.out_proj, 0.5)):
            nn.init.normal_(p.weight, std=scale * n ** -0.5)
            nn.init.zeros_(p.bias)
        init_mlp(layer, 0.4)
    nn.init.normal_(m.text_projection.weight, std=n ** -0.5)


def block(layer, x, causal):
    """One pre-norm block. x is [B, T, C]; T is short, so plain products are fastest."""
    B, T, C = x.shape
    a = layer.self_attn
    H = a.num_heads
    h = layer.layer_norm1(x)
    q, k, v = (p(h).view(B, T, H, C // H).transpose(1, 2) for p in (a.q_proj, a.k_proj, a.v_proj))
    score = (q * (C // H) ** -0.5) @ k.transpose(-1, -2)
    if causal:
        score = score + torch.full((T, T), -1e4, device=x.device).triu(1)
    x = x + a.out_proj((score.softmax(-1) @ v).transpose(1, 2).reshape(B, T, C))
    h = layer.mlp.fc1(layer.layer_norm2(x))
    return x + layer.mlp.fc2(h * torch.sigmoid(1.702 * h))


def cut_patches(x, patch):
    """(B, 3, S, S) -> (B, n * n, 3 * patch * patch)."""
    B, n = len(x), x.shape[-1] // patch
    return x.view(B, 3, n, patch, n, patch).permute(0, 2, 4, 1, 3, 5).reshape(B, n * n, -1)


def image_states(m, x, keep=None):
    """What the projection sees; `keep` (B, K) names the patches to look at, all where None."""
    v = m.vision_model
    e = v.embeddings
    where = e.position_embedding.weight
    h = cut_patches(x, e.patch_size) @ e.patch_embedding.weight.flatten(1).T + where[1:]
    if keep is not None:
        h = h.gather(1, keep[..., None].expand(-1, -1, h.shape[-1]))
    h = torch.cat([(e.class_embedding + where[0]).expand(len(x), 1, -1), h], 1)
    h = v.pre_layrnorm(h)
    for layer in v.encoder.layers:
        h = block(layer, h, False)
    return v.post_layernorm(h[:, 0])


def image_features(m, x, keep=None):
    """Unit image features."""
    return F.normalize(m.visual_projection(image_states(m, x, keep)), dim=-1)


def text_states(m, ids, vectors=None):
    """What the projection sees of ids (Q, T), all of one length with the end of text last.

    `vectors` (Q, T, C) stands in for the token embeddings where given.
    """
    t = m.text_model
    h = t.embeddings.token_embedding(ids) if vectors is None else vectors
    h = h + t.embeddings.position_embedding.weight[:h.shape[1]]
    for layer in t.encoder.layers:
        h = block(layer, h, True)
    return t.final_layer_norm(h[:, -1])


def text_features(m, ids, vectors=None):
    """Unit text features."""
    return F.normalize(m.text_projection(text_states(m, ids, vectors)), dim=-1)


# --- teacher ----------------------------------------------------------------------------------

def conv_bn(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class Residual(nn.Module):
    """Two 3 x 3 convolutions around a skip; starts as the identity."""

    def __init__(self, width):
        super().__init__()
        self.first = conv_bn(width, width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x):
        return F.relu(x + self.norm(self.second(self.first(x))))


class Teacher(nn.Module):
    """A small CNN that names one thing a picture; it learns from far fewer pictures than a ViT.

    Returns unit features; `prototypes` are the concepts' places among them.
    """

    def __init__(self, n_concepts, widths=(32, 48, 96, 192), features=192):
        super().__init__()
        a, b, c, d = widths
        self.fine = nn.Sequential(conv_bn(3, a, 2), conv_bn(a, b, 2), Residual(b),
                                  conv_bn(b, c, 2), Residual(c), Residual(c))
        self.coarse = nn.Sequential(conv_bn(c, d, 2), Residual(d), Residual(d))
        self.up = nn.Conv2d(d, d, 1, bias=False)
        self.lateral = nn.Conv2d(c, d, 1, bias=False)
        self.norm = nn.BatchNorm2d(d)
        self.attend = nn.Conv2d(d, 1, 1)
        self.out = nn.Linear(d, features)
        self.prototypes = nn.Parameter(torch.randn(n_concepts, features))
        self.log_scale = nn.Parameter(torch.tensor(2.7))

    def forward(self, x):
        fine = self.fine(x.contiguous(memory_format=torch.channels_last))
        up = F.interpolate(self.up(self.coarse(fine)), scale_factor=2, mode="bilinear")
        h = F.relu(self.norm(up + self.lateral(fine)))
        weight = self.attend(h).flatten(1).softmax(1)
        return F.normalize(self.out(torch.einsum("bcp,bp->bc", h.flatten(2), weight)), dim=1)


# --- optimiser --------------------------------------------------------------------------------

def orthogonalise(g, steps=5):
    """Newton-Schulz iteration towards the nearest semi-orthogonal matrix."""
    x = g.T if g.shape[0] > g.shape[1] else g
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if g.shape[0] > g.shape[1] else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal (Jordan et al. 2024), for inner matrices."""

    def __init__(self, params, lr=0.02, momentum=0.95, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if "mean" not in state:
                    state["mean"] = torch.zeros_like(p)
                mean = state["mean"].lerp_(p.grad, 1 - group["momentum"])
                g = p.grad.lerp(mean, group["momentum"]).flatten(1)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                stretch = max(1, g.shape[0] / g.shape[1]) ** 0.5
                p.add_(orthogonalise(g).reshape(p.shape), alpha=-group["lr"] * stretch)
