"""The embedded OWL-v2: its configuration, a fast forward pass, its training targets.

The forward pass works on the modules of transformers' Owlv2ForObjectDetection, so what is trained
is what is shipped (check_owl.py compares the two).
"""

import torch
import torch.nn.functional as F
from transformers import Owlv2Config, Owlv2ForObjectDetection

import nets

SIDE, PATCH = 96, 12
GRID = SIDE // PATCH
TEXT_LAYERS, TEXT_MLP = 4, 192
CORE = 0.27         # half axes of the ellipse whose patches answer for a thing, in parts of its box


def build(n_vocab):
    """An Owlv2ForObjectDetection of the embedded size, as transformers initialises it."""
    text = dict(vocab_size=n_vocab, hidden_size=192, intermediate_size=TEXT_MLP,
                num_hidden_layers=TEXT_LAYERS, num_attention_heads=3, max_position_embeddings=16,
                pad_token_id=0, bos_token_id=n_vocab - 2, eos_token_id=n_vocab - 1)
    vision = dict(image_size=SIDE, patch_size=PATCH, hidden_size=nets.WIDTH,
                  intermediate_size=4 * nets.WIDTH, num_hidden_layers=6, num_attention_heads=4)
    return Owlv2ForObjectDetection(Owlv2Config.from_text_vision_configs(text, vision, projection_dim=192))


@torch.no_grad()
def start_from(m, tok, earlier, earlier_ids):
    """Take over an earlier network (state dict) with its word ids (word -> id, start, end)."""
    tokens = "owlv2.text_model.embeddings.token_embedding.weight"
    mine = m.state_dict()
    for name, value in mine.items():
        if name != tokens:
            value.copy_(earlier[name].float())
    torch.nn.init.normal_(mine[tokens], std=earlier[tokens].float().std().item())
    vocabulary = tok.get_vocab()
    for token, old in earlier_ids.items():
        if token in vocabulary:
            mine[tokens][vocabulary[token]] = earlier[tokens][old].float()


def patch_features(m, x):
    """What the heads see of normalised pictures (B, 3, S, S): (B, patches, width)."""
    v = m.owlv2.vision_model
    e = v.embeddings
    h = nets.cut_patches(x, PATCH) @ e.patch_embedding.weight.flatten(1).T
    h = torch.cat([e.class_embedding.to(h.dtype).expand(len(x), 1, -1), h], 1) + e.position_embedding.weight
    h = v.pre_layernorm(h)
    for layer in v.encoder.layers:
        h = nets.block(layer, h, False)
    h = v.post_layernorm(h)
    return m.layer_norm(h[:, 1:] * h[:, :1])


def text_states(m, ids, vectors=None):
    """Pooled states of ids (Q, T), all of one length with the end of text last.

    `vectors` (Q, T, C) stands in for the token embeddings where given.
    """
    t = m.owlv2.text_model
    h = t.embeddings.token_embedding(ids) if vectors is None else vectors
    h = h + t.embeddings.position_embedding.weight[:h.shape[1]]
    for layer in t.encoder.layers:
        h = nets.block(layer, h, True)
    return t.final_layer_norm(h[:, -1])


def queries(m, ids, vectors=None):
    """Unit text queries (Q, 192)."""
    return F.normalize(m.owlv2.text_projection(text_states(m, ids, vectors)).float(), dim=-1)


def box_bias():
    """The box each patch starts from, as logits (patches, 4): its own square."""
    def logit(c):
        return torch.log(c + 1e-4) - torch.log1p(-c + 1e-4)
    g = torch.arange(1, GRID + 1) / GRID
    centre = torch.stack([g[None].expand(GRID, GRID), g[:, None].expand(GRID, GRID)], -1)
    size = torch.full((GRID * GRID, 2), 1 / GRID)
    return torch.cat([logit(centre.reshape(-1, 2)), logit(size)], 1)


def heads(m, f):
    """(unit embeddings, shift, scale, boxes cxcywh, objectness logit) of patch features."""
    c = m.class_head
    unit = F.normalize(c.dense0(f).float(), dim=-1, eps=1e-6)
    shift, scale = c.logit_shift(f).float(), F.elu(c.logit_scale(f).float()) + 1
    boxes = torch.sigmoid(m.box_head(f).float() + box_bias().to(f.device))
    return unit, shift, scale, boxes, m.objectness_head(f).float()[..., 0]


def assign(boxes, labels):
    """Which patch answers for which thing.

    boxes: a list of (n, 4) x, y, w, h in pixels; labels: a list of (n,). Returns label (B, P)
    (-1: background), box (B, P, 4) as cxcywh in parts of the side, centre (B, P) bool: the patch
    that holds a thing's centre, and thing (B, P), the running number of the thing. A patch
    belongs to a thing when its centre lies in the core of the box; the smaller box wins. A larger
    core (the inner 70 %) left more than one box a thing.
    """
    B, P = len(boxes), GRID * GRID
    label, thing = torch.full((B, P), -1), torch.full((B, P), -1)
    box, centre = torch.zeros(B, P, 4), torch.zeros(B, P, dtype=torch.bool)
    g = torch.arange(GRID) * PATCH + PATCH / 2
    start = 0
    for b in range(B):
        bx = torch.as_tensor(boxes[b]).float()
        order = (-bx[:, 2] * bx[:, 3]).argsort().tolist()
        for last in (False, True):      # the patches under the centres after all others
            for i in order:
                x, y, w, h = bx[i].tolist()
                cx, cy = x + w / 2, y + h / 2
                mid = min(int(cy // PATCH), GRID - 1) * GRID + min(int(cx // PATCH), GRID - 1)
                inside = ((g[:, None] - cy) / (CORE * h)) ** 2 + ((g[None] - cx) / (CORE * w)) ** 2 < 1
                at = torch.tensor([mid]) if last else inside.flatten().nonzero()[:, 0]
                label[b, at], thing[b, at] = int(labels[b][i]), start + i
                box[b, at] = torch.tensor([cx, cy, w, h]) / SIDE
                centre[b, at] = last
        start += len(bx)
    return label, box, centre, thing


def giou(a, b):
    """Generalised IoU of boxes cxcywh (n, 4) and (n, 4) (Rezatofighi et al. 2019)."""
    a0, a1, b0, b1 = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    inter = (torch.min(a1, b1) - torch.max(a0, b0)).clamp(min=0).prod(1)
    union = a[:, 2:].prod(1) + b[:, 2:].prod(1) - inter + 1e-7
    hull = (torch.max(a1, b1) - torch.min(a0, b0)).prod(1) + 1e-7
    return inter / union - (hull - union) / hull


def focal(logits, positive, weight):
    """Sum of focal terms (Lin et al. 2017, gamma 2) over positives, .75 times those of the rest."""
    p = torch.sigmoid(logits)
    hit = -(1 - p) ** 2 * F.logsigmoid(logits)
    miss = -0.75 * weight * p ** 2 * F.logsigmoid(-logits)
    return torch.where(positive, hit, miss).sum()
