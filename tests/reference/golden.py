"""A whole classification study in PyTorch float64: what viswords must reproduce (docs/protocol.md, every step of it).

    cd tests/reference
    viswords draws ../golden/golden.yaml -o fixtures/golden_draws.safetensors
    viswords draws ../../jobs/studies/smoke.yaml -o draws.safetensors
    python golden.py ../golden/golden.yaml fixtures/golden_draws.safetensors fixtures/golden_golden.safetensors
    python golden.py ../../jobs/studies/smoke.yaml draws.safetensors fixtures/golden_smoke.safetensors
    viswords draws ../golden/vectors.yaml -o draws.safetensors
    python golden.py ../golden/vectors.yaml draws.safetensors fixtures/golden_vectors.safetensors

Written to be read beside the protocol, the plain way: whole token rows through all of the text tower, all classes'
texts in every softmax, nothing cached but the picture features. Only the random draws come from viswords.
Ran with Python 3.11, torch 2.15.0, transformers 4.57.6, pillow 13.0, safetensors 0.8.

Writes, for each `<model>/<data>` with n trials in the order of the plan, as F64:
  words [n, vectors d], history [n, steps]                the training loss of every step
  fixed_start, fixed_end, grad_norm, kkt, radius [n]
  metrics, counts [n, 4]                                  recall, recall_10, accuracy, others; of how many pictures
  baselines, baseline_counts [m, 4]                       NaN where a baseline does not exist
Metadata "json": {"trials": {"<model>/<data>": [{concept, anchor, delta, replica}, ...]},
"baselines": {"<model>/<data>": [{concept, kind, anchor}, ...]}}, deltas as texts.
"""

import json
import math
import pathlib
import sys

import torch
import yaml
from draws_check import learn_of
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

torch.set_default_dtype(torch.float64)
METRICS = ["recall", "recall_10", "accuracy", "others"]
TIE = 1e-3


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


class Clip:
    """A hub directory: the text tower by its equations, the pictures by transformers."""

    def __init__(self, folder):
        self.w = {k: v.double() for k, v in load_file(folder / "model.safetensors").items() if v.is_floating_point()}
        self.tokenizer = CLIPTokenizerFast.from_pretrained(folder)
        self.processor = CLIPImageProcessor.from_pretrained(folder)
        self.vision = CLIPModel.from_pretrained(folder, dtype=torch.float64).eval()
        self.text = self.vision.config.text_config
        assert self.text.hidden_act == "quick_gelu" and self.text.eos_token_id != 2
        self.table = self.w["text_model.embeddings.token_embedding.weight"]
        self.scale = self.w["logit_scale"].exp()
        self.trained = {word: self.token(word) for word in (folder / "trained_words.txt").read_text().split()}
        self.check()

    @torch.no_grad()
    def check(self):
        """Our text tower against transformers', on padded rows; a word by its own vector against its text."""
        word, filled = next(iter(self.trained)), "a photo of a {} at night"
        ids = self.tokenizer([filled.format(word)], padding="max_length", max_length=77, return_tensors="pt").input_ids
        theirs = unit(self.vision.get_text_features(input_ids=ids))
        for ours in (self.texts([filled.format(word)]), self.words(self.table[[self.token(word)]], filled)):
            assert (ours - theirs).abs().max() < 1e-12

    def token(self, word):
        ids = self.tokenizer.encode(word, add_special_tokens=False)
        assert len(ids) == 1, f"{word} is {len(ids)} tokens"
        return ids[0]

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + self.text.layer_norm_eps).sqrt()
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def encode(self, x, end):
        """Unit-length features of embedded rows x [B, T, d], read at the end-of-text positions `end` [B]."""
        (B, T, d), H = x.shape, self.text.num_attention_heads
        x = x + self.w["text_model.embeddings.position_embedding.weight"][:T]
        causal = torch.full((T, T), -math.inf).triu(1)
        heads = lambda y: y.view(B, T, H, d // H).transpose(1, 2)
        for i in range(self.text.num_hidden_layers):
            at = f"text_model.encoder.layers.{i}."
            h = self.norm(x, at + "layer_norm1")
            q, k, v = (heads(self.linear(h, f"{at}self_attn.{n}_proj")) for n in "qkv")
            p = (q @ k.transpose(-1, -2) / math.sqrt(d // H) + causal).softmax(-1)
            x = x + self.linear((p @ v).transpose(1, 2).reshape(B, T, d), at + "self_attn.out_proj")
            h = self.linear(self.norm(x, at + "layer_norm2"), at + "mlp.fc1")
            x = x + self.linear(h * torch.sigmoid(1.702 * h), at + "mlp.fc2")
        x = self.norm(x, "text_model.final_layer_norm")[torch.arange(B), end]
        return unit(x @ self.w["text_projection.weight"].T)

    def texts(self, texts):
        """Features [n, p] of texts."""
        ids = torch.tensor(self.tokenizer(texts, padding=True).input_ids)
        return self.encode(self.table[ids], (ids == self.text.eos_token_id).int().argmax(1))

    def words(self, v, template):
        """Features [K, p] of a template with the words v [K, d] or [K, vectors, d] in place of {}."""
        v = v if v.dim() == 3 else v[:, None]
        before, after = (self.tokenizer.encode(part.strip(), add_special_tokens=False) for part in template.split("{}"))
        ids = [self.text.bos_token_id, *before, *[0] * v.shape[1], *after, self.text.eos_token_id]
        rows = self.table[ids].expand(len(v), -1, -1)
        at = 1 + len(before)
        rows = torch.cat([rows[:, :at], v, rows[:, at + v.shape[1] :]], 1)
        return self.encode(rows, torch.full((len(v),), len(ids) - 1))

    def pictures(self, root, paths):
        """Features [n, p]: resized and cropped 8-bit pictures, then all in float64."""
        mean, std = (torch.tensor(v)[:, None, None] for v in (self.processor.image_mean, self.processor.image_std))
        out = []
        for at in range(0, len(paths), 64):
            images = [Image.open(root / p).convert("RGB") for p in paths[at : at + 64]]
            raw = self.processor(images, do_rescale=False, do_normalize=False, return_tensors="pt").pixel_values
            out.append(self.vision.get_image_features((raw.double() / 255 - mean) / std))
        return unit(torch.cat(out))


class Task:
    """One concept and replica on a data set: its draws, its pictures, the texts of the classes."""

    def __init__(self, clip, data, draws, learn, texts, concept):
        self.clip, self.draws, self.learn, self.texts = clip, draws, learn, texts
        number, C = data["number"].get(concept), len(data["classes"])
        self.word = number if number is not None and number < C else C  # an additional class, or its concept's place
        self.null = number is None
        for part, (features, label) in data["pictures"].items():
            own = label == number if not self.null else torch.isin(torch.arange(len(label)), draws["null_" + part])
            known = (label < C) & ~own  # pictures of the other classes; other concepts beside the classes play no part
            setattr(self, part, (features, torch.where(own, self.word, label), own, known))

    def logits(self, v, template, pictures):
        """[K, S, classes (+ 1)]: the words in their place among the texts of the classes."""
        texts = self.texts[template]
        if self.word == len(texts):
            texts = torch.cat([texts, texts[:1]])
        texts = texts.repeat(len(v), 1, 1)
        texts[:, self.word] = self.clip.words(v, template)
        return self.clip.scale * pictures @ texts.transpose(1, 2)

    def loss(self, v, step, prefix=""):
        """Mean cross-entropy [K] over the pictures of one step."""
        template = self.learn["templates"][self.draws[prefix + "template"][step]]
        picture = torch.cat([self.draws[prefix + "positive"][step], self.draws[prefix + "negative"][step]])
        z = self.logits(v, template, self.train[0][picture])
        label = self.train[1][picture].expand(len(v), -1)
        return (z.logsumexp(-1) - z.gather(-1, label[..., None])[..., 0]).mean(1)

    def gradient(self, v, step, prefix=""):
        v = v.detach().requires_grad_()
        loss = self.loss(v, step, prefix)
        return loss.detach(), torch.autograd.grad(loss.sum(), v)[0]

    def fixed(self, v):
        parts = [self.gradient(v, s, "watch_") for s in range(32)]
        return (torch.stack(p).mean(0) for p in zip(*parts))

    @torch.no_grad()
    def judge(self, v):
        """[K, 4]: the metrics; a lead below TIE is a tie, and a tie is wrong."""
        features, label, own, known = (x[self.test[2] | self.test[3]] for x in self.test)
        z = self.logits(v, self.learn["judge_template"], features)
        right = (z >= z.gather(-1, label.expand(len(v), -1)[..., None]) - TIE).sum(-1) == 1
        recall_10 = (z[:, own, self.word, None] - TIE > z[:, own][..., self.draws["others_10"]]).all(-1)
        parts = right[:, own], recall_10, right[:, known] if self.null else right, right[:, known]
        self.counts = [float(x.shape[1]) for x in parts]
        return torch.stack([x.double().mean(1) for x in parts], 1)


def delta_text(delta):
    return "free" if math.isinf(delta) else repr(float(delta)).removesuffix(".0")


def project(v, anchor, radius):
    distance = (v - anchor).norm(dim=-1, keepdim=True)
    return torch.where(distance > radius, anchor + (v - anchor) * (radius / distance), v)


def learn_words(task, anchor, radius):
    """All anchors and deltas of a concept at once; rows do not touch each other. anchor [K, d] or, for words of several
    vectors, [K, vectors, d]: each vector is stepped and projected alone. radius [K, 1] or [K, 1, 1]."""
    learn, v, history = task.learn, anchor.clone(), []
    steps, optimiser = learn["steps"], learn.get("optimiser", "pgd")
    free, m1, m2 = radius.isinf(), torch.zeros_like(v), torch.zeros_like(v)
    reach = torch.where(free, anchor.norm(dim=-1, keepdim=True), radius)
    start, _ = task.fixed(v)
    for s in range(steps):
        loss, g = task.gradient(v, s)
        history.append(loss)
        length = g.norm(dim=-1, keepdim=True)
        assert (length > 0).all() and length.isfinite().all()
        if optimiser == "pgd":
            eta = learn.get("eta", 0.1) / 2 * (1 + math.cos(math.pi * s / steps))
            v = v - eta * reach * g / length
        else:
            lr, decay = learn.get("lr", 1e-3), learn.get("weight_decay", 1e-2) * free
            m1, m2 = 0.9 * m1 + 0.1 * g, 0.999 * m2 + 0.001 * g * g
            v = v - lr * decay * v - lr * (m1 / (1 - 0.9 ** (s + 1))) / ((m2 / (1 - 0.999 ** (s + 1))).sqrt() + 1e-8)
        v = project(v, anchor, radius)
    end, g = task.fixed(v)
    distance = (v - anchor).norm(dim=-1, keepdim=True)
    normal = (v - anchor) / distance
    inward = (g * normal).sum(-1, keepdim=True).clamp(max=0)
    rest = torch.where(distance >= radius * (1 - 1e-5), g - inward * normal, g).flatten(1).norm(dim=1)
    length = g.flatten(1).norm(dim=1)
    return {"words": v.flatten(1), "history": torch.stack(history, 1), "fixed_start": start, "fixed_end": end,
            "grad_norm": length, "kkt": rest / length, "radius": radius.flatten(), "metrics": task.judge(v)}


def radius_of(clip, anchor):
    """Distance from the anchor to its nearest neighbour."""
    rows = [i for i in clip.trained.values() if i != clip.token(anchor)]
    return (clip.table[rows] - clip.table[clip.token(anchor)]).norm(dim=1).min()


def baselines(task, concept, anchors, vectors):
    """(kind, anchor, metrics or None): untouched anchors, the real name, a random word; the first and the last as often
    as a word has vectors."""
    clip = task.clip
    row = lambda i: clip.table[i].expand(1, vectors, -1)
    name = task.judge(clip.table[[clip.token(concept)]]) if concept in clip.trained else None
    return [*(("anchor", a, task.judge(row([clip.token(a)]))) for a in anchors), ("name", "", name),
            ("random_word", "", task.judge(row(task.draws["random_word"])))]


@torch.no_grad()
def load_data(clip, root, info):
    """Features and class of all pictures; concepts beside the classes are numbered after them."""
    number = {c: i for i, c in enumerate(dict.fromkeys(info["classes"] + [c for _, c in info["train"]]))}
    parts = {part: (clip.pictures(root, [p for p, _ in info[part]]), torch.tensor([number[c] for _, c in info[part]]))
             for part in ("train", "test")}
    return {"classes": info["classes"], "number": number, "pictures": parts}


def run_group(study, clip, learn, data, draws, name, model):
    """All trials of a model on a data set, in the order of the plan: (tensors, trials, baselines)."""
    spec, vectors, out, trials, base = {**study["trials"], **model.get("trials", {})}, model.get("vectors", 1), {}, [], []
    with torch.no_grad():
        templates = [*learn["templates"], learn["judge_template"]]
        texts = {t: clip.texts([t.format(c.replace("_", " ")) for c in data["classes"]]) for t in templates}
    anchors = [str(a) for a in spec["anchors"]]
    pairs = [(a, math.inf if d == "free" else d) for a in anchors for d in spec["deltas"]]
    anchor = clip.table[[clip.token(a) for a, _ in pairs]]
    radius = torch.stack([d * radius_of(clip, a) for a, d in pairs])[:, None]
    if vectors > 1:
        anchor, radius = anchor[:, None].expand(-1, vectors, -1), radius[..., None]
    concepts = [str(c) for c in study["data"][name]["concepts"]]
    for concept in concepts + [f"null-{j}" for j in range(spec.get("null_concepts", 1))]:
        for replica in range(spec.get("replicas", 1)):
            here = f"{concept}/{replica}/"
            mine = {k[len(here) :]: v for k, v in draws.items() if k.startswith(here)}
            task = Task(clip, data, mine, learn, texts, concept)
            for k, v in learn_words(task, anchor, radius).items():
                out.setdefault(k, []).append(v)
            out.setdefault("counts", []).append(torch.tensor([task.counts] * len(pairs)))
            trials += [{"concept": concept, "anchor": a, "delta": delta_text(d), "replica": replica} for a, d in pairs]
            for kind, a, metrics in [] if task.null or replica else baselines(task, concept, anchors, vectors):
                out.setdefault("baselines", []).append(torch.full((1, 4), math.nan) if metrics is None else metrics)
                out.setdefault("baseline_counts", []).append(torch.tensor([task.counts]))
                base.append({"concept": concept, "kind": kind, "anchor": a})
    return {k: torch.cat(v) for k, v in out.items()}, trials, base


def main(study_path, draws_path, out_path):
    study, loaded, tensors, names = yaml.safe_load(study_path.read_text()), {}, {}, {"trials": {}, "baselines": {}}
    draws = {k: v.long() for k, v in load_file(draws_path).items()}
    with safe_open(draws_path, "pt") as f:
        info = json.loads(f.metadata()["json"])
    for model, spec in study["models"].items():
        folder = study_path.parent / spec["weights"]
        if folder not in loaded:
            loaded[folder] = Clip(folder)
        clip = loaded[folder]
        learn = {**learn_of(study, model), **info["models"][model]}
        for name, data in study["data"].items():
            group = f"{model}/{name}"
            if (folder, name) not in loaded:
                loaded[folder, name] = load_data(clip, study_path.parent / data["root"], info["data"][name])
            mine = {k[len(group) + 1 :]: v for k, v in draws.items() if k.startswith(group + "/")}
            got, trials, base = run_group(study, clip, learn, loaded[folder, name], mine, name, spec)
            names["trials"][group], names["baselines"][group] = trials, base
            tensors |= {f"{group}/{k}": v.contiguous() for k, v in got.items()}
            for row, loss, metrics in zip(trials, got["fixed_end"].tolist(), got["metrics"].tolist()):
                print(group, *row.values(), f"loss {loss:.4f}", *(f"{k} {v:.3f}" for k, v in zip(METRICS, metrics)))
    save_file(tensors, out_path, metadata={"json": json.dumps(names)})


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:4]))
