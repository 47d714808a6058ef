"""A whole detection study in PyTorch float64: what viswords must reproduce (docs/protocol.md, Detection).

    cd tests/reference
    viswords draws ../golden/owl.yaml -o fixtures/golden_owl_draws.safetensors
    python golden_owl.py ../golden/owl.yaml fixtures/golden_owl_draws.safetensors fixtures/golden_owl.safetensors
    viswords draws ../golden/owl_dynamic.yaml -o DRAWS   # and the same of owl_dynamic.yaml

Learning and its numbers are golden.py's; here are the network by transformers, the pictures by its slow processor,
matching by SciPy, the loss by its formula, average precision by pycocotools and, for VOC, by the development kit's
rule. Metrics [n, 13]: COCO's twelve in pycocotools' order, then VOC's; NaN where nothing is to be found. There are no
counts. Ran with Python 3.11, torch 2.15.0, transformers 4.57.6, pycocotools 2.0.11, SciPy 1.17.
"""

import contextlib
import io
import json
import math
import pathlib
import sys

import numpy as np
import torch
import yaml
from golden import Clip, Task, delta_text, learn_words, radius_of, unit
from draws_check import learn_of
from owlv2 import box_bias
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.optimize import linear_sum_assignment
from transformers import CLIPTokenizerFast, Owlv2ForObjectDetection, Owlv2ImageProcessor

torch.set_default_dtype(torch.float64)


class Owl(Clip):
    """A hub directory of OWL-v2: golden.py's text tower, pictures and heads by transformers."""

    def __init__(self, folder):
        weights = load_file(folder / "model.safetensors")
        self.w = {k.removeprefix("owlv2."): v.double() for k, v in weights.items() if v.is_floating_point()}
        self.tokenizer = CLIPTokenizerFast.from_pretrained(folder)
        self.processor = Owlv2ImageProcessor.from_pretrained(folder)
        self.vision = Owlv2ForObjectDetection.from_pretrained(folder, dtype=torch.float64).eval()
        side = self.vision.config.vision_config.image_size // self.vision.config.vision_config.patch_size
        self.vision.box_bias = box_bias(self.vision, side)
        self.text = self.vision.config.text_config
        self.text.eos_token_id, self.text.bos_token_id = self.tokenizer.eos_token_id, self.tokenizer.bos_token_id
        self.table = self.w["text_model.embeddings.token_embedding.weight"]
        self.trained = {word: self.token(word) for word in (folder / "trained_words.txt").read_text().split()}
        word, filled = next(iter(self.trained)), "a photo of a {}"
        ids = self.tokenizer([filled.format(word)], padding="max_length", max_length=16, return_tensors="pt").input_ids
        with torch.no_grad():
            theirs = unit(self.vision.owlv2.get_text_features(input_ids=ids))
            assert (self.words(self.table[[self.token(word)]], filled) - theirs).abs().max() < 1e-12

    @torch.no_grad()
    def picture(self, path):
        """(embedding [N, p], shift [N], scale [N], boxes [N, 4], objectness [N])."""
        mean, std = (torch.tensor(v) for v in (self.processor.image_mean, self.processor.image_std))
        raw = self.processor(Image.open(path).convert("RGB"), do_normalize=False, return_tensors="np").pixel_values[0]
        pixels = (torch.tensor(raw).double().permute(1, 2, 0) - mean) / std
        m = self.vision
        grid, _ = m.image_embedder(pixel_values=pixels.permute(2, 0, 1)[None])
        x = grid.flatten(1, 2)
        e = m.class_head.dense0(x)
        e = e / (e.norm(dim=-1, keepdim=True) + 1e-6)
        scale = m.class_head.elu(m.class_head.logit_scale(x)) + 1
        return [y[0] for y in (e, m.class_head.logit_shift(x)[..., 0], scale[..., 0], m.box_predictor(x, grid),
                               m.objectness_predictor(x))]


def giou(a, b):
    """[n, m] of boxes in corners."""
    low, high = torch.maximum(a[:, None, :2], b[None, :, :2]), torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = (high - low).clamp(min=0).prod(-1)
    hull = (torch.maximum(a[:, None, 2:], b[None, :, 2:]) - torch.minimum(a[:, None, :2], b[None, :, :2])).prod(-1)
    area = lambda x: (x[:, 2:] - x[:, :2]).prod(-1)
    both = area(a)[:, None] + area(b)[None] - inner
    return inner / both - (hull - both) / hull


def corners(box):
    return torch.cat([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], -1)


class Scenes:
    """One part of a COCO data set: pictures by their paths, boxes by owner."""

    def __init__(self, owl, root, paths, owners):
        self.seen = [owl.picture(root / p) for p in paths]
        part = paths[0].split("/")[0]
        self.coco = json.loads((root / "annotations" / f"instances_{part}.json").read_text())
        by_file = {p["file_name"]: p for p in self.coco["images"]}
        self.image = [by_file[p.split("/", 1)[1]] for p in paths]
        self.side = [float(max(p["width"], p["height"])) for p in self.image]
        self.category = {c["name"]: c["id"] for c in self.coco["categories"]}
        self.owners = owners

    def boxes(self, scene, owner):
        """Usable boxes of an owner in parts of the square, centre and size."""
        rows = [a["bbox"] for a in self.coco["annotations"] if a["image_id"] == self.image[scene]["id"]
                and a["category_id"] == self.category[self.owners[owner]] and not a.get("iscrowd", 0)]
        b = torch.tensor(rows).view(-1, 4) / self.side[scene]
        return torch.cat([b[:, :2] + b[:, 2:] / 2, b[:, 2:]], -1)


class Detection(Task):
    """One concept and replica: its scenes and draws."""

    def __init__(self, owl, train, test, draws, learn):
        self.clip, self.train, self.test, self.draws, self.learn, self.counts = owl, train, test, draws, learn, [0]
        self.null = False
        self.matched, self.place = {}, {}
        for scene, owner in zip(draws["with"].tolist(), draws["kept"].tolist()):
            self.place[scene] = self.places(scene, train.boxes(scene, owner))
            self.matched[scene] = self.match(scene, -train.seen[scene][4].sigmoid())

    def places(self, scene, truth):
        """[N, boxes]: what it costs that a patch answers for a box, by where they are."""
        boxes = self.train.seen[scene][3]
        return 5 * torch.cdist(boxes, truth, p=1) + 2 * (1 - giou(corners(boxes), corners(truth)))

    def match(self, scene, more):
        """1 at the patches [N] that answer, `more` added to what a patch costs."""
        patch, _ = linear_sum_assignment((self.place[scene] + more[:, None]).numpy())
        return torch.zeros(len(more)).index_fill(0, torch.tensor(patch), 1.0)

    def match_words(self, scene, z):
        """[K, N]: the patches of each word as its logits z are, by what the focal loss grows by at a matched one."""
        z = z.detach()
        p, softplus = z.sigmoid(), torch.nn.functional.softplus
        grown = 0.25 * (1 - p) ** 2 * softplus(-z) - 0.75 * p**2 * softplus(z)
        return torch.stack([self.match(scene, row) for row in grown])

    def logits(self, q, seen):
        """[K, N]: texts of unit length at a picture's patches."""
        e, shift, scale = seen[:3]
        return (q / (q.norm(dim=1, keepdim=True) + 1e-6) @ e.T + shift) * scale

    def loss(self, v, step, prefix=""):
        q = self.clip.words(v, self.learn["templates"][self.draws[prefix + "template"][step]])
        with_, without = (self.draws[prefix + k][step].tolist() for k in ("positive", "negative"))
        total, boxes = 0, sum(self.matched[s].sum() for s in with_)
        for scene, t in [(s, self.matched[s]) for s in with_] + [(s, 0 * self.matched[with_[0]]) for s in without]:
            z = self.logits(q, self.train.seen[scene])
            if self.learn.get("matching") == "dynamic" and t.any():
                t = self.match_words(scene, z)
            p = z.sigmoid()
            p_t, alpha_t = p * t + (1 - p) * (1 - t), 0.25 * t + 0.75 * (1 - t)
            bce = torch.nn.functional.binary_cross_entropy_with_logits(z, t.expand_as(z), reduction="none")
            total = total + (alpha_t * (1 - p_t) ** 2 * bce).sum(1)
        return total / max(1, boxes)

    @torch.no_grad()
    def judge(self, v):
        q = self.clip.words(v, self.learn["judge_template"])
        judged, kept = self.draws["judged"].tolist(), self.draws["judged_kept"].tolist()
        truth, found = [], [[] for _ in v]
        for scene, owner in zip(judged, kept):
            name = self.test.owners[owner] if owner >= 0 else None
            image, side = self.test.image[scene], self.test.side[scene]
            truth += [dict(a, image_id=scene + 1, id=len(truth) + i + 1, category_id=1, iscrowd=a.get("iscrowd", 0)) for i, a in enumerate(
                a for a in self.test.coco["annotations"]
                if name and a["image_id"] == image["id"] and a["category_id"] == self.test.category[name])]
            z = self.logits(q, self.test.seen[scene])
            box = self.test.seen[scene][3] * side
            box = torch.cat([box[:, :2] - box[:, 2:] / 2, box[:, 2:]], -1)
            for rows, one in zip(found, z):
                for i in torch.argsort(-one, stable=True)[:100].tolist():
                    rows.append({"image_id": scene + 1, "category_id": 1, "bbox": box[i].tolist(),
                                 "score": one[i].sigmoid().item()})
        return torch.tensor([coco_metrics(judged, truth, rows) + [voc_ap(truth, rows)] for rows in found])


def coco_metrics(judged, truth, rows):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": [{"id": s + 1} for s in judged], "annotations": truth, "categories": [{"id": 1}]}
        coco.createIndex()
        e = COCOeval(coco, coco.loadRes(rows), "bbox")
        e.evaluate(), e.accumulate(), e.summarize()
    return [math.nan if x < 0 else float(x) for x in e.stats]


def voc_ap(truth, rows):
    """The development kit's: best overlap of a picture's boxes, at least .5, each box once; area under the curve."""
    boxes = {}
    for a in truth:
        boxes.setdefault(a["image_id"], []).append([np.array(a["bbox"]), False])
    rows = sorted(rows, key=lambda r: -r["score"])
    hits = []
    for r in rows:
        best, at = -1, None
        x = np.array(r["bbox"])
        for b in boxes.get(r["image_id"], []):
            y = b[0]
            inner = np.prod(np.clip(np.minimum(x[:2] + x[2:], y[:2] + y[2:]) - np.maximum(x[:2], y[:2]), 0, None))
            overlap = inner / (np.prod(x[2:]) + np.prod(y[2:]) - inner)
            if overlap > best:
                best, at = overlap, b
        hit = at is not None and best >= 0.5 and not at[1]
        if hit:
            at[1] = True
        hits.append(hit)
    tp = np.cumsum(hits)
    recall = np.concatenate([[0], tp / len(truth), [1]])
    precision = np.concatenate([[0], tp / np.arange(1, len(rows) + 1), [0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * precision[1:]))


def main(study_path, draws_path, out_path):
    study, tensors, names = yaml.safe_load(study_path.read_text()), {}, {"trials": {}, "baselines": {}}
    draws = {k: v.long() for k, v in load_file(draws_path).items()}
    with safe_open(draws_path, "pt") as f:
        info = json.loads(f.metadata()["json"])
    for model, spec in study["models"].items():
        owl = Owl(study_path.parent / spec["weights"])
        learn = {**learn_of(study, model), **info["models"][model]}
        for name, data in study["data"].items():
            group, root, here = f"{model}/{name}", study_path.parent / data["root"], info["data"][name]
            train, test = (Scenes(owl, root, here[f"{p}_scenes"], here["owners"]) for p in ("train", "test"))
            anchors = [str(a) for a in study["trials"]["anchors"]]
            pairs = [(a, d) for a in anchors for d in study["trials"]["deltas"]]
            anchor = owl.table[[owl.token(a) for a, _ in pairs]]
            radius = torch.stack([d * radius_of(owl, a) for a, d in pairs])[:, None]
            concepts = [str(c) for c in data["concepts"]]
            out, trials, base = {}, [], []
            for concept in concepts + [f"null-{j}" for j in range(study["trials"].get("null_concepts", 1))]:
                stem = f"{group}/{concept}/0/"
                mine = {k[len(stem):]: v for k, v in draws.items() if k.startswith(stem)}
                task = Detection(owl, train, test, mine, learn)
                for k, v in learn_words(task, anchor, radius).items():
                    out.setdefault(k, []).append(v)
                trials += [{"concept": concept, "anchor": a, "delta": delta_text(d), "replica": 0} for a, d in pairs]
                if concept not in concepts:
                    continue
                for a in anchors:
                    out.setdefault("baselines", []).append(task.judge(owl.table[[owl.token(a)]]))
                    base.append({"concept": concept, "kind": "anchor", "anchor": a})
                out["baselines"].append(task.judge(owl.table[mine["random_word"]]))
                base.append({"concept": concept, "kind": "random_word", "anchor": ""})
            names["trials"][group], names["baselines"][group] = trials, base
            tensors |= {f"{group}/{k}": torch.cat(v).contiguous() for k, v in out.items()}
            for row, loss, m in zip(trials, torch.cat(out["fixed_end"]).tolist(), torch.cat(out["metrics"]).tolist()):
                print(group, *row.values(), f"loss {loss:.4f} ap50 {m[1]:.4f} voc {m[12]:.4f}")
    save_file(tensors, out_path, metadata={"json": json.dumps(names)})


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:4]))
