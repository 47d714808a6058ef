"""What transformers computes with an OWL-v2 directory: the part of verify.py for those.

Everything in float64. Layout of the file: docs/verify.md. The box bias' logarithms are taken in double (owlv2.py).
Needs torch, transformers, safetensors, Pillow, numpy, scipy. Made the fixture with torch 2.15.0, transformers 4.57.6.
"""

import io
import json

import numpy as np
import torch
import transformers
from golden_owl import corners, giou
from owlv2 import box_bias
from PIL import Image
from safetensors.torch import save_file
from scipy.optimize import linear_sum_assignment
from transformers import Owlv2ForObjectDetection

import verify
from verify import LEARN, TEXTS, Learning, opened, strings, synthetic_pictures, words_part

SMALL_STRIDE, LARGE_STRIDE, LARGE = 37, 17, 256  # of the numbers that are kept; from so many patches on


def load(folder):
    kinds = dict(dtype=torch.float64)
    for variant in (None, "fp16"):
        for attention in ("sdpa", None):  # transformers 4 has one kind of attention here, which rounds nothing
            try:
                extra = dict(attn_implementation=attention) if attention else {}
                return Owlv2ForObjectDetection.from_pretrained(folder, variant=variant, **extra, **kinds).eval()
            except ValueError:
                continue
            except OSError:
                break
    raise SystemExit(f"{folder}: no weights")


class Owl(verify.Reference):
    """verify.py's texts and words, with this network's text tower."""

    def __init__(self, folder):
        self.detector = load(folder).requires_grad_(False)
        self.model = self.detector.owlv2
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True)
        self.config = self.detector.config
        pil = getattr(transformers, "Owlv2ImageProcessorPil", None)
        self.processor = (pil or transformers.Owlv2ImageProcessor).from_pretrained(folder)
        self.table = self.model.text_model.embeddings.token_embedding.weight.detach()
        self.spliced = None
        self.model.text_model.embeddings.token_embedding.register_forward_hook(self.splice)
        v = self.config.vision_config
        self.size = self.processor.size["height"]
        self.side = self.size // v.patch_size
        self.other = self.size != v.image_size
        bias = box_bias(self.detector, self.side)
        self.detector.box_bias, self.detector.compute_box_bias = bias, lambda *_, **__: bias

    def prepared(self, image):
        """[S, S, 3] before it is normalised."""
        x = self.processor(image, do_normalize=False, return_tensors="pt").pixel_values[0]
        return x.permute(1, 2, 0).float()

    def normalised(self, rgb):
        mean, std = (torch.tensor(x, dtype=torch.float64) for x in (self.processor.image_mean, self.processor.image_std))
        return ((torch.from_numpy(rgb).double() / 255 - mean) / std).permute(2, 0, 1)[None]

    def patches(self, pixels):
        """What a picture's patches are before a text meets them."""
        m = self.detector
        grid, _ = m.image_embedder(pixel_values=pixels, interpolate_pos_encoding=self.other)
        x = grid.flatten(1, 2)
        e = m.class_head.dense0(x)
        e = e / (e.norm(dim=-1, keepdim=True) + 1e-6)
        scale = m.class_head.elu(m.class_head.logit_scale(x)) + 1
        out = (e, m.class_head.logit_shift(x)[..., 0], scale[..., 0],
               m.box_predictor(x, grid, interpolate_pos_encoding=self.other), m.objectness_predictor(x))
        return dict(zip(("embedding", "shift", "scale", "boxes", "objectness"), out))


def logits(seen, q):
    """[m, n, N]: texts of unit length at all patches."""
    q = q / (q.norm(dim=-1, keepdim=True) + 1e-6)
    return (torch.einsum("mpd,kd->mkp", seen["embedding"], q) + seen["shift"][:, None]) * seen["scale"][:, None]


def synthetic_scenes(size, n):
    """PNG files of size x size: coarse waves, on which i + 1 rectangles lie; boxes in parts of the square."""
    rng, out = np.random.default_rng(11), []
    for i in range(n):
        y, x = np.mgrid[:size, :size] / size
        phase = rng.uniform(0, 6, 3)
        rgb = np.stack([np.sin(5 * x + p) * np.cos(4 * y - p) for p in phase], -1) * 100 + 128
        rgb = (rgb // 48 * 48).clip(0, 255).astype(np.uint8)
        boxes = []
        for _ in range(i + 1):
            w, h = (int(size * s) for s in rng.uniform(0.2, 0.45, 2))
            left, top = int(rng.integers(size - w)), int(rng.integers(size - h))
            rgb[top : top + h, left : left + w] = rng.integers(0, 256, 3)
            boxes.append([left + w / 2, top + h / 2, w, h])
        file = io.BytesIO()
        Image.fromarray(rgb).save(file, "PNG", optimize=True)
        out.append((rgb, file.getvalue(), torch.tensor(boxes, dtype=torch.float64) / size))
    return out


def match(seen, truth):
    """Patches that answer for the boxes of one picture, and what they cost together."""
    boxes, objectness = seen["boxes"], seen["objectness"]
    cost = 5 * torch.cdist(boxes, truth, p=1) + 2 * (1 - giou(corners(boxes), corners(truth)))
    cost = (cost - objectness.sigmoid()[:, None]).numpy()
    patch, box = linear_sum_assignment(cost)
    return torch.zeros(len(boxes)).index_fill(0, torch.tensor(patch), 1), cost[patch, box].sum()


class Detecting(Learning):
    """The focal loss of docs/protocol.md: one picture with the concept, one taken as if it had none of it."""

    def __init__(self, ref, rows, seen, matched):
        self.ref, self.rows, self.seen, self.matched = ref, rows, seen, matched

    def loss(self, v, template, picture):
        q = self.ref.word_features(v, [self.rows[int(t)] for t in template])
        z = logits(self.seen, q)
        out = []
        for k in range(len(v)):
            with_, without = picture[k].tolist()
            total = 0
            for scene, t in ((with_, self.matched[with_]), (without, torch.zeros_like(self.matched[without]))):
                p = z[scene, k].sigmoid()
                p_t, alpha_t = p * t + (1 - p) * (1 - t), 0.25 * t + 0.75 * (1 - t)
                bce = torch.nn.functional.binary_cross_entropy_with_logits(z[scene, k], t, reduction="none")
                total = total + (alpha_t * (1 - p_t) ** 2 * bce).sum()
            out.append(total / self.matched[with_].sum().clamp(min=1))
        return torch.stack(out)


def pictures_part(ref, pictures, alpha):
    """Pixels of the picture files, and what they are padded with."""
    out = {f"picture.{i}": torch.tensor(list(data), dtype=torch.uint8) for i, (_, data) in enumerate(pictures)}
    out["pixels"] = torch.stack([ref.prepared(opened(data, alpha)) for _, data in pictures])
    wide = ref.prepared(Image.fromarray(np.full((8, 64, 3), 200, np.uint8)))
    return out, "black" if wide[-1, ref.size // 2, 0] < 0.25 else "grey"


@torch.no_grad()
def scenes_part(ref, scenes, small):
    out = {f"scene.{i}": torch.tensor(list(data), dtype=torch.uint8) for i, (_, data, _) in enumerate(scenes)}
    rows = [ref.patches(ref.normalised(rgb)) for rgb, _, _ in scenes]
    seen = {k: torch.cat([r[k] for r in rows]) for k in rows[0]}
    if not small:
        states = ref.model.vision_model(pixel_values=ref.normalised(scenes[0][0]), output_hidden_states=True,
                                        interpolate_pos_encoding=ref.other).hidden_states
        out |= {f"image_states.{i}": s for i, s in enumerate(states)}
    pairs = [match({k: v[i] for k, v in seen.items()}, truth) for i, (_, _, truth) in enumerate(scenes)]
    matched, cost = torch.stack([m for m, _ in pairs]), torch.tensor([c for _, c in pairs])
    out |= {"truth": torch.cat([t for _, _, t in scenes]), "matched": matched.int(), "matching": cost,
            "truth.picture": torch.cat([torch.full((len(t),), i) for i, (_, _, t) in enumerate(scenes)]).int()}
    return out, seen, matched


def texts_part(ref, texts, small):
    ids = ref.ids(texts)
    out = strings("texts", texts) | {"ids": ids.int()}
    with torch.no_grad():
        out["text_features"] = ref.text_features(ids)
        if not small:
            states = ref.model.text_model(input_ids=ids[:2], output_hidden_states=True).hidden_states
            out |= {f"text_states.{i}": s for i, s in enumerate(states)}
    return out


def fitting(ref):
    """verify.py's texts that the network takes."""
    most = ref.config.text_config.max_position_embeddings
    return [t for t in TEXTS if len(ref.tokenizer(t).input_ids) <= most]


SAMPLED = {"pixels", "text_features", "embedding", "shift", "scale", "boxes", "objectness", "logits", "word_features",
           "word_gradient", "pgd.words", "adamw.words"}


def kept(out, stride):
    """Of large outputs every stride-th number, in row order."""
    is_sampled = lambda name: name in SAMPLED or name.startswith("image_states.")
    return {k: v.flatten()[::stride] if stride > 1 and is_sampled(k) else v for k, v in out.items()}


def write(args):
    torch.set_default_dtype(torch.float64)  # masks are built in the default type
    ref = Owl(args.model)
    texts = args.texts.read_text().splitlines() if args.texts else fitting(ref)
    pictures = [(p.name, p.read_bytes()) for p in args.pictures] if args.pictures else synthetic_pictures()
    alpha = args.alpha or ("drop" if int(transformers.__version__.split(".")[0]) < 5 else "white")
    stride = SMALL_STRIDE if args.small else LARGE_STRIDE if ref.side**2 > LARGE else 1
    out = texts_part(ref, texts, args.small)
    more, pad = pictures_part(ref, pictures[: 2 if args.small else None], alpha)
    scenes, seen, matched = scenes_part(ref, synthetic_scenes(ref.size, 2 if args.small else 3), args.small)
    out |= more | scenes | seen | {"logits": logits(seen, out["text_features"])}
    anchors = ref.entries(args.words, 3 if args.small else 4)
    out |= words_part(ref, anchors, len(matched), lambda ref, rows, _: Detecting(ref, rows, seen, matched))
    del out["picture_class"]
    about = {"kind": "owlv2", "pictures": [name for name, _ in pictures], "alpha": alpha, "pad": pad,
             "stride": stride, **LEARN}
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    save_file({k: v.detach().contiguous() for k, v in kept(out, stride).items()}, args.out,
              metadata={"format": "viswords-reference 1", "made_with": versions, "json": json.dumps(about)})
    print(f"{args.out}: {len(texts)} texts, {len(pictures)} pictures, {LEARN['steps']} steps ({versions})")
