"""What the reference implementation computes with a model directory, for `viswords verify DIR --reference FILE`.

    python tests/reference/verify.py MODEL_DIR -o FILE [--texts FILE] [--pictures FILE...] [--words WORD...]

Runs transformers in float64 on any CLIP directory of the hub and writes inputs and outputs of every stage into one
safetensors file, so that each stage of viswords is compared alone, from the reference's inputs. Layout: docs/verify.md.
An OWL-v2 directory goes to verify_owl.py, a Stable Diffusion directory of diffusers to verify_sd.py. Needs torch,
transformers, safetensors, Pillow, numpy
(and diffusers for Stable Diffusion). Made the fixtures with torch 2.15.0, transformers 4.57.6.
"""

import argparse
import io
import json
import math
import pathlib

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

TEXTS = ["a photo of a dog", "A PHOTO of  a Dog's bowl, 2024!", "", "caf\u00e9 \u4f60\u597d \U0001f98a",
         "don't you'll we've I'm", "a very\tlong\nword: antidisestablishmentarianism", "three red-blue hammers (small)"]
TEMPLATES = ["a photo of a {}", "{} in a box", "the small {} , seen from far away"]
CLASSES = ["dog", "hammer", "cup of tea", "camera", "old tree"]
STEPS, STATES = 10, 2
LEARN = {"eta": 0.1, "lr": 1e-3, "weight_decay": 1e-2, "steps": STEPS}


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("model", type=pathlib.Path)
    p.add_argument("-o", "--out", type=pathlib.Path, required=True)
    p.add_argument("--texts", type=pathlib.Path, help="texts to compare, one a line, instead of the built-in ones")
    p.add_argument("--pictures", type=pathlib.Path, nargs="*", help="JPEG or PNG files instead of the built-in ones")
    p.add_argument("--words", nargs="*", help="anchors: words of one token each, instead of entries of the vocabulary")
    p.add_argument("--alpha", choices=["drop", "white"],
                   help="transparent pictures: alpha dropped, as transformers 4 does, or on white, as 5 does; default: as this one")
    p.add_argument("--size", type=int, help="Stable Diffusion: side of the pictures; default: as trained, at most 256")
    p.add_argument("--threads", type=int, default=1, help="Stable Diffusion: of torch")
    p.add_argument("--small", action="store_true", help="two pictures and no states by layer: a fixture of the tests")
    return p.parse_args()


def load(folder):
    kinds = dict(torch_dtype=torch.float64, attn_implementation="sdpa")  # eager rounds its softmax to fp32
    try:
        return transformers.CLIPModel.from_pretrained(folder, **kinds).eval()
    except OSError:  # a directory that has only model.fp16.safetensors
        return transformers.CLIPModel.from_pretrained(folder, variant="fp16", **kinds).eval()


def processor_of(folder, config):
    """On Pillow, also where torchvision is installed, which resamples otherwise (transformers 5 then prefers it)."""
    on_pillow = hasattr(transformers, "CLIPImageProcessorPil")  # asked first: naming the other warns
    kind = transformers.CLIPImageProcessorPil if on_pillow else transformers.CLIPImageProcessor
    try:
        return kind.from_pretrained(folder)
    except OSError:
        S = config.vision_config.image_size
        return kind(size={"shortest_edge": S}, crop_size={"height": S, "width": S})


def opened(data, alpha):
    image = Image.open(io.BytesIO(data))
    if alpha == "white" and ("A" in image.getbands() or image.info.get("transparency") is not None):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image.convert("RGB")


def synthetic_pictures():
    """Smooth colours and edges in odd sizes, as bytes of JPEG and PNG files."""
    out, rng = [], np.random.default_rng(7)
    for mode, (w, h), kind in [("RGB", (97, 61), "JPEG"), ("RGBA", (33, 150), "PNG"), ("L", (300, 41), "PNG"),
                               ("P", (64, 64), "PNG"), ("CMYK", (120, 90), "JPEG"), ("RGB", (9, 7), "PNG")]:
        y, x = np.mgrid[:h, :w] / max(h, w)
        phase = rng.uniform(0, 6, 3)
        rgb = np.stack([np.sin(9 * x + p) * np.cos(7 * y - p) for p in phase], -1) * 100 + 128
        rgb[h // 4 : h // 2, w // 3 : w // 2] = rng.uniform(0, 255, 3)
        image = Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).convert(mode)
        if mode == "RGBA":
            image.putalpha(Image.fromarray((255 * x / x.max()).astype(np.uint8)))
        file = io.BytesIO()
        image.save(file, kind)
        out.append((f"built in, {mode} {w} x {h} {kind}", file.getvalue()))
    return out


def strings(name, texts):
    """UTF-8 bytes of all texts in a row, and where each ends."""
    raw = [t.encode() for t in texts]
    data = torch.tensor(list(b"".join(raw)) or [0], dtype=torch.uint8)
    return {name: data, name + ".end": torch.tensor(np.cumsum([len(r) for r in raw]), dtype=torch.int64)}


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


class Reference:
    def __init__(self, folder):
        self.model = load(folder)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True)
        self.config = self.model.config
        self.processor = processor_of(folder, self.config)
        self.table = self.model.text_model.embeddings.token_embedding.weight.detach()
        self.scale = self.model.logit_scale.exp().detach()
        self.spliced = None  # (rows, positions, vectors) that replace embeddings of the next pass
        self.model.text_model.embeddings.token_embedding.register_forward_hook(self.splice)

    def splice(self, module, args, out):
        if self.spliced is None:
            return out
        position, vectors = self.spliced
        out = out.clone()
        out[torch.arange(len(out)), position] = vectors
        return out

    def text_features(self, ids):
        return unit(self.model.text_projection(self.model.text_model(input_ids=ids).pooler_output))

    def image_features(self, pixels):
        return unit(self.model.visual_projection(self.model.vision_model(pixel_values=pixels).pooler_output))

    def ids(self, texts):
        limit = self.config.text_config.max_position_embeddings
        rows = self.tokenizer(texts, padding=True, return_tensors="pt").input_ids
        if rows.shape[1] > limit:
            raise SystemExit(f"a text has {rows.shape[1]} tokens; the network takes {limit}")
        return rows

    def template(self, text, word):
        """Token row of a template and the place of its word."""
        before, after = text.split("{}")
        part = lambda t: self.tokenizer(t, add_special_tokens=False).input_ids
        start, end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        head = [start, *part(before)]
        return [*head, word, *part(after), end], len(head)

    def word_features(self, words, rows):
        """words [K, C] in templates rows[K] = (ids, position)."""
        pad, longest = self.tokenizer.eos_token_id, max(len(ids) for ids, _ in rows)
        ids = torch.tensor([r + [pad] * (longest - len(r)) for r, _ in rows])
        self.spliced = torch.tensor([p for _, p in rows]), words
        out = self.text_features(ids)
        self.spliced = None
        return out

    def entries(self, words, n=4):
        """Token ids of the anchors: those named, else n whole words spread over the vocabulary."""
        if words:
            split = [self.tokenizer(w, add_special_tokens=False).input_ids for w in words]
            for word, ids in zip(words, split):
                if len(ids) != 1:
                    raise SystemExit(f"--words {word}: {len(ids)} tokens; expected a word of one")
            return [ids[0] for ids in split]
        special = set(self.tokenizer.all_special_ids)
        whole = sorted(i for t, i in self.tokenizer.get_vocab().items() if t.endswith("</w>") and i not in special)
        return [whole[(2 * i + 1) * len(whole) // (2 * n)] for i in range(n)]


def texts_part(ref, texts, small):
    ids = ref.ids(texts)
    out = strings("texts", texts) | {"ids": ids.int()}
    with torch.no_grad():
        out["text_features"] = ref.text_features(ids)
        if not small:
            states = ref.model.text_model(input_ids=ids[:STATES], output_hidden_states=True).hidden_states
            out |= {f"text_states.{i}": s for i, s in enumerate(states)}
    return out


def pictures_part(ref, pictures, alpha, small):
    shape = dict(input_data_format="channels_last", return_tensors="pt")  # said: 1 or 3 rows would be taken for channels
    pixels = torch.cat([ref.processor(opened(d, alpha), **shape).pixel_values for _, d in pictures]).float()
    out = {f"picture.{i}": torch.tensor(list(data), dtype=torch.uint8) for i, (_, data) in enumerate(pictures)}
    out["pixels"] = pixels.permute(0, 2, 3, 1)
    with torch.no_grad():
        out["image_features"] = torch.cat([ref.image_features(p[None].double()) for p in pixels])
        if not small:
            states = ref.model.vision_model(pixel_values=pixels[:1].double(), output_hidden_states=True).hidden_states
            out |= {f"image_states.{i}": s for i, s in enumerate(states)}
    return out


def project(v, anchor, radius):
    distance = (v - anchor).norm(dim=1, keepdim=True)
    return torch.where(distance > radius, anchor + (v - anchor) * (radius / distance), v)


class Learning:
    """The one-against-the-classes loss of docs/protocol.md for words that are an additional class."""

    def __init__(self, ref, rows, classes, features, label):
        self.ref, self.rows, self.features, self.label = ref, rows, features, label
        with torch.no_grad():
            self.texts = [ref.text_features(ref.ids([t.format(c) for c in classes])) for t in TEMPLATES]

    def loss(self, v, template, picture):
        """[K]: mean over the pictures [K, 2] of a row; the first shows the word's concept."""
        q = self.ref.word_features(v, [self.rows[int(t)] for t in template])
        out = []
        for k, t in enumerate(template):
            texts = torch.cat([self.texts[int(t)], q[k : k + 1]])
            z = self.ref.scale * self.features[picture[k]] @ texts.T
            target = torch.stack([z[0, -1], z[1, self.label[picture[k, 1]]]])
            out.append((z.logsumexp(1) - target).mean())
        return torch.stack(out)

    def gradient(self, v, template, picture):
        v = v.detach().requires_grad_()
        loss = self.loss(v, template, picture)
        return loss.detach(), torch.autograd.grad(loss.sum(), v)[0]

    def run(self, optimiser, start, anchor, radius, draws):
        """(words [steps, K, C], losses [steps, K]) after and before each step."""
        v, words, losses = start.clone(), [], []
        m1, m2 = torch.zeros_like(v), torch.zeros_like(v)
        free = radius.isinf()
        reach = torch.where(free, anchor.norm(dim=1, keepdim=True), radius)
        for s in range(STEPS):
            loss, g = self.gradient(v, draws["draws.template"][s], draws["draws.picture"][s])
            if optimiser == "pgd":
                eta = LEARN["eta"] / 2 * (1 + math.cos(math.pi * s / STEPS))
                v = v - eta * reach * g / g.norm(dim=1, keepdim=True)
            else:
                m1, m2 = 0.9 * m1 + 0.1 * g, 0.999 * m2 + 0.001 * g * g
                v = v - LEARN["lr"] * LEARN["weight_decay"] * free * v
                v = v - LEARN["lr"] * (m1 / (1 - 0.9 ** (s + 1))) / ((m2 / (1 - 0.999 ** (s + 1))).sqrt() + 1e-8)
            v = project(v, anchor, radius)
            words.append(v), losses.append(loss)
        return torch.stack(words), torch.stack(losses)


def words_part(ref, anchors, m, learning_of):
    """Words in templates, their loss and gradient, ten steps of both optimisers. The last word is free. Steps draw from
    m pictures; learning_of(ref, rows of templates, class of each picture) has the loss."""
    g = torch.Generator().manual_seed(3)
    K = len(anchors)
    anchor = ref.table[anchors]
    radius = 0.02 * (1 + torch.arange(K)[:, None]) * anchor.norm(dim=1, keepdim=True)
    radius[-1] = math.inf
    step = torch.randn(anchor.shape, generator=g, dtype=anchor.dtype)
    start = anchor + 0.5 * torch.where(radius.isinf(), 0.1 * anchor.norm(dim=1, keepdim=True), radius) * unit(step)
    rows = [ref.template(t, anchors[0]) for t in TEMPLATES]
    label = torch.arange(m) % len(CLASSES)
    learning = learning_of(ref, rows, label)
    template = torch.randint(len(TEMPLATES), (STEPS, K), generator=g)
    draws = {"draws.template": template, "draws.picture": torch.randint(m, (STEPS, K, 2), generator=g)}
    out = strings("templates", TEMPLATES)
    with torch.no_grad():
        out["word_features"] = ref.word_features(start, [rows[int(t)] for t in template[0]])
    out["word_loss"], out["word_gradient"] = learning.gradient(start, template[0], draws["draws.picture"][0])
    for optimiser in ("pgd", "adamw"):
        out[optimiser + ".words"], out[optimiser + ".loss"] = learning.run(optimiser, start, anchor, radius, draws)
    return out | {"anchors": anchor, "words": start, "radius": radius[:, 0], "picture_class": label.int()} | {
        k: v.int() for k, v in draws.items()}


def main():
    args = parse()
    if (args.model / "model_index.json").exists():
        import verify_sd  # needs diffusers, which CLIP does not

        verify_sd.write(args)
        return
    if json.loads((args.model / "config.json").read_text()).get("model_type") == "owlv2":
        import verify_owl

        verify_owl.write(args)
        return
    torch.set_default_dtype(torch.float64)  # masks are built in the default type
    ref = Reference(args.model)
    texts = args.texts.read_text().splitlines() if args.texts else TEXTS
    pictures = [(p.name, p.read_bytes()) for p in args.pictures] if args.pictures else synthetic_pictures()
    alpha = args.alpha or ("drop" if int(transformers.__version__.split(".")[0]) < 5 else "white")
    out = texts_part(ref, texts, args.small) | pictures_part(
        ref, pictures[: 2 if args.small else None], alpha, args.small)
    out["logits"] = ref.scale * out["image_features"] @ out["text_features"].T
    learning_of = lambda ref, rows, label: Learning(ref, rows, CLASSES, out["image_features"], label)
    out |= strings("classes", CLASSES) | words_part(ref, ref.entries(args.words), len(out["image_features"]), learning_of)
    about = {"kind": "clip", "pictures": [name for name, _ in pictures],
             "alpha": alpha, "pillow": int(PIL.__version__.split(".")[0]), **LEARN}
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}, Pillow {PIL.__version__}"
    save_file({k: v.detach().contiguous() for k, v in out.items()}, args.out,
              metadata={"format": "viswords-reference 1", "made_with": versions, "json": json.dumps(about)})
    print(f"{args.out}: {len(texts)} texts, {len(pictures)} pictures, {STEPS} steps ({versions})")


if __name__ == "__main__":
    main()
