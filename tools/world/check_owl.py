"""Measure an embedded OWL-v2: what it finds, and what words it can learn.

    python tools/world/check_owl.py --net data/owlv2-tiny

Prints Markdown tables for the model card: AP50 of all known names at once, on unseen and on seen
drawings in new scenes, and of words learned for the held-out concepts from several anchors inside
balls of growing radius (delta times the distance to the anchor's nearest trained word).
"""
import argparse
import contextlib
import io
import time
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTokenizerFast, Owlv2ForObjectDetection

import concepts
import detector
import nets
import scenes

JUDGE = "a photo of a {}"
TOP = 100           # detections a picture that are judged


def judging_scenes(split, count, drawings="data/drawings", seed=777):
    """Scenes of 1-3 known things: (pictures, boxes, labels among the known)."""
    bank = scenes.load_bank(drawings, roles=("known",))
    r = np.random.default_rng([seed, split == "test"])
    made = [scenes.scene(r, bank, r.choice(len(bank), 1 + i % 3, replace=False), split, detector.SIDE)
            for i in range(count)]
    return tuple(list(column) for column in zip(*made))


def coco_ap50(boxes, labels, found, categories):
    """AP50 over categories; found: (picture, category, score, x, y, w, h) rows."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    truth = COCO()
    truth.dataset = dict(
        images=[dict(id=i) for i in range(len(boxes))], categories=[dict(id=int(c)) for c in categories],
        annotations=[dict(image_id=i, category_id=int(c), bbox=[float(v) for v in b],
                          area=float(b[2] * b[3]), iscrowd=0)
                     for i in range(len(boxes)) for b, c in zip(boxes[i], labels[i])])
    for n, annotation in enumerate(truth.dataset["annotations"]):
        annotation["id"] = n + 1
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        rows = [dict(image_id=int(f[0]), category_id=int(f[1]), score=float(f[2]),
                     bbox=[float(v) for v in f[3:]]) for f in found]
        judge = COCOeval(truth, truth.loadRes(rows), "bbox")
        judge.params.iouThrs = np.array([0.5])
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"]
    return float(precision[precision > -1].mean())


class Net:
    """A hub directory of an OWL-v2."""

    def __init__(self, folder):
        self.model = Owlv2ForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
        self.model.requires_grad_(False)
        self.tok = CLIPTokenizerFast.from_pretrained(folder)
        self.vectors = self.model.owlv2.text_model.embeddings.token_embedding.weight
        trained = (Path(folder) / "trained_words.txt").read_text().split()
        self.trained = torch.tensor([self.word_id(w) for w in trained])

    def word_id(self, word):
        ids = self.tok(word).input_ids
        assert len(ids) == 3, f"{word!r} is not one token"
        return ids[1]

    def text(self, words, template=JUDGE):
        ids = torch.tensor(self.tok([template.format(w) for w in words]).input_ids)
        return detector.queries(self.model, ids)

    def spliced(self, vectors, template=JUDGE):
        """Queries with each row of `vectors` in the word's place."""
        ids = torch.tensor(self.tok([template.format("!")]).input_ids)
        at = int((ids[0] == self.word_id("!")).nonzero()[0])
        ids = ids.expand(len(vectors), -1)
        h = self.vectors[ids]
        h = torch.cat([h[:, :at], vectors[:, None], h[:, at + 1:]], 1)
        return detector.queries(self.model, ids, h)

    @torch.no_grad()
    def look(self, pictures):
        """What the heads say of pictures (uint8 at the network's size), in one tuple."""
        out = [detector.heads(self.model, detector.patch_features(self.model, nets.pixels(pictures[i:i + 64])))
               for i in range(0, len(pictures), 64)]
        return tuple(torch.cat(column) for column in zip(*out))

    def nearest(self, ids):
        """Distance of each word to its nearest other trained word."""
        d = torch.cdist(self.vectors[ids], self.vectors[self.trained])
        d[ids[:, None] == self.trained[None]] = np.inf
        return d.min(1).values


def detections(seen, queries, categories, top=TOP):
    """The best `top` (patch, query) pairs a picture as rows for coco_ap50."""
    unit, shift, scale, boxes, _ = seen
    p = torch.sigmoid((unit @ queries.T + shift) * scale)
    s, at = p.flatten(1).topk(min(top, p[0].numel()), 1)
    patch, query = at // p.shape[2], at % p.shape[2]
    b = boxes.gather(1, patch[..., None].expand(-1, -1, 4)) * detector.SIDE
    corner = b[..., :2] - b[..., 2:] / 2
    picture = torch.arange(len(p))[:, None].expand_as(query)
    rows = torch.cat([picture[..., None].float(), torch.as_tensor(categories)[query][..., None].float(),
                      s[..., None], corner, b[..., 2:]], 2)
    return rows.reshape(-1, 7).tolist()


def average_precision(folder, pictures, boxes, labels):
    """AP50 with all known names as queries at once."""
    net = Net(folder)
    with torch.no_grad():
        rows = detections(net.look(pictures), net.text(concepts.KNOWN), range(len(concepts.KNOWN)))
    return coco_ap50(boxes, labels, rows, range(len(concepts.KNOWN)))


def report_known(folder, count):
    """Table 1, and how close the fast pass is to transformers' own."""
    net = Net(folder)
    ids = net.tok([JUDGE.format(w) for w in concepts.KNOWN[:8]], padding="max_length", max_length=16,
                  return_tensors="pt")
    pictures = judging_scenes("test", 2)[0]
    with torch.no_grad():
        theirs = net.model(input_ids=ids.input_ids.repeat(2, 1), attention_mask=ids.attention_mask.repeat(2, 1),
                           pixel_values=nets.pixels(pictures))
        unit, shift, scale, boxes, _ = net.look(pictures)
        mine = (unit @ net.text(concepts.KNOWN[:8]).T + shift) * scale
    print(f"logits differ from transformers' by {(theirs.logits - mine).abs().max():.1e}, "
          f"boxes by {(theirs.pred_boxes - boxes).abs().max():.1e}\n")
    print("| drawings, new scenes of 1-3 things | AP50, all 127 names at once | AP50, any thing (objectness) "
          "| right name at the thing's centre |\n|---|---|---|---|")
    for what, split in (("unseen", "test"), ("seen", "train")):
        pictures, boxes, labels = judging_scenes(split, count)
        seen = net.look(pictures)
        with torch.no_grad():
            q = net.text(concepts.KNOWN)
        ap = coco_ap50(boxes, labels, detections(seen, q, range(len(q))), range(len(q)))
        one = [np.zeros_like(y) for y in labels]
        best = torch.sigmoid(seen[4])
        b = seen[3] * detector.SIDE
        rows = [(i, 0, best[i, p], b[i, p, 0] - b[i, p, 2] / 2, b[i, p, 1] - b[i, p, 3] / 2, b[i, p, 2], b[i, p, 3])
                for i in range(len(pictures)) for p in range(b.shape[1])]
        anything = coco_ap50(boxes, one, rows, [0])
        label, _, centre, _ = detector.assign(boxes, labels)
        hit = ((seen[0][centre] @ q.T).argmax(1) == label[centre]).float().mean()
        print(f"| {what} | {ap:.3f} | {anything:.3f} | {100 * hit:.1f} % |")


class Study:
    """Words for the held-out concepts from some anchors in balls of some radii, learned at once."""

    def __init__(self, net, names, anchors, deltas, drawings="data/drawings", counts=(40, 40)):
        self.net, self.names = net, names
        self.bank = scenes.load_bank(drawings, roles=("known", "held_out"))
        self.place = {c.name: i for i, c in enumerate(self.bank)}
        self.runs = [(c, a, d) for c in range(len(names)) for a in anchors for d in deltas]
        self.concept = torch.tensor([c for c, _, _ in self.runs])
        self.train = [self.scenes(n, "train", counts[0]) for n in names]
        self.test = [self.scenes(n, "test", counts[1]) for n in names]
        ids = torch.tensor([net.word_id(a) for _, a, _ in self.runs])
        self.anchor = net.vectors[ids]
        self.radius = torch.tensor([d for _, _, d in self.runs]) * net.nearest(ids)

    def scenes(self, name, split, count):
        """`count` scenes with the thing and `count` without it, and what the network sees."""
        r = np.random.default_rng([5, self.place[name], split == "test"])
        known = [self.place[k] for k in concepts.KNOWN if k != name]
        pictures, boxes = [], []
        for i in range(2 * count):
            chosen = list(r.choice(known, 1 + i % 3, replace=False))
            if i < count:
                chosen[0] = self.place[name]
            picture, box, label = scenes.scene(r, self.bank, chosen, split, detector.SIDE)
            pictures.append(picture)
            boxes.append(box[label == self.place[name]])
        unit, shift, scale, found, _ = self.net.look(pictures)
        label, _, centre, _ = detector.assign(boxes, [np.zeros(len(b), np.int64) for b in boxes])
        return dict(seen=(unit, shift, scale, found, None), boxes=boxes, positive=centre,
                    weight=torch.where((label >= 0) & ~centre, 0.3, 1.0))

    def losses(self, v, template=JUDGE):
        """Focal loss of each run's word on its concept's training scenes, per thing."""
        out = []
        q = self.net.spliced(v, template)
        for c, s in enumerate(self.train):
            unit, shift, scale = s["seen"][:3]
            logits = (unit @ q[self.concept == c].T + shift) * scale
            p = torch.sigmoid(logits)
            terms = torch.where(s["positive"][..., None], -(1 - p) ** 2 * torch.nn.functional.logsigmoid(logits),
                                -0.75 * s["weight"][..., None] * p ** 2 * torch.nn.functional.logsigmoid(-logits))
            out.append(terms.sum((0, 1)) / s["positive"].sum())
        return torch.cat(out)

    def learn(self, steps, optimiser="pgd", rate=0.1):
        """pgd: v <- P(v - eta R g / |g|), eta .1 -> 0 by a cosine; adamw: AdamW 1e-3, projected."""
        v = self.anchor.clone()
        r = self.radius[:, None]
        adam = torch.optim.AdamW([v], lr=1e-3, weight_decay=0.0)
        for step in range(steps):
            v.requires_grad_(True)
            g, = torch.autograd.grad(self.losses(v).sum(), v)
            v.requires_grad_(False)
            if optimiser == "pgd":
                eta = rate / 2 * (1 + np.cos(np.pi * step / steps))
                v -= eta * r * g / (g.norm(dim=1, keepdim=True) + 1e-12)
            else:
                v.grad = g
                adam.step()
            away = v - self.anchor
            v.copy_(self.anchor + away * (r / (away.norm(dim=1, keepdim=True) + 1e-12)).clamp(max=1))
        return v

    @torch.no_grad()
    def judge(self, v, only=None):
        """(loss, AP50) of each run's word on unseen drawings; AP50 of the runs `only` where given."""
        q, loss = self.net.spliced(v), self.losses(v)
        rows = []
        for j, (c, _, _) in enumerate(self.runs):
            if only is not None and not only[j]:
                rows.append((loss[j].item(), np.nan))
                continue
            s = self.test[c]
            found = detections(s["seen"], q[j:j + 1], [0], 12)
            rows.append((loss[j].item(), coco_ap50(s["boxes"], [np.zeros(len(b), int) for b in s["boxes"]], found, [0])))
        return np.array(rows)


def report_words(net, anchors, deltas, steps):
    """Table 2: words for the held-out concepts, the two optimisers side by side."""
    start = time.perf_counter()
    study = Study(net, concepts.HELD_OUT, anchors, deltas)
    base = study.judge(study.anchor)
    learned = {o: study.judge(study.learn(steps, o)) for o in ("pgd", "adamw")}
    print(f"\n{len(concepts.HELD_OUT)} held-out concepts x {len(anchors)} anchors ({', '.join(anchors)}), {steps} steps:\n")
    print("| word | loss pgd / adamw | AP50 pgd / adamw |\n|---|---|---|")
    print("| anchor untouched | %.2f | %.3f |" % tuple(base.mean(0)))
    for d in deltas:
        at = np.array([x == d for _, _, x in study.runs])
        p, w = learned["pgd"][at].mean(0), learned["adamw"][at].mean(0)
        print(f"| delta {d:g} | {p[0]:.2f} / {w[0]:.2f} | {p[1]:.3f} / {w[1]:.3f} |")
    last = np.array([x == deltas[-1] for _, _, x in study.runs])
    for what, key, values in (("concept", 0, concepts.HELD_OUT), ("anchor", 1, anchors)):
        at = [np.array([(concepts.HELD_OUT[r[0]] if key == 0 else r[1]) == x for r in study.runs]) & last for x in values]
        print(f"\nAP50 at delta {deltas[-1]:g} (pgd) by {what}: "
              + ", ".join(f"{x} {learned['pgd'][k, 1].mean():.2f}" for x, k in zip(values, at)))
    print(f"\n({time.perf_counter() - start:.0f} s)")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--net", type=Path, default=Path("data/owlv2-tiny"))
    ap.add_argument("--scenes", type=int, default=600)
    ap.add_argument("--anchors", nargs="+", default=concepts.ANCHORS[:4])
    ap.add_argument("--deltas", nargs="+", type=float, default=[0.1, 0.25, 0.5, 1.0])
    ap.add_argument("--steps", type=int, default=150)
    a = ap.parse_args()
    torch.set_num_threads(1)
    report_known(a.net, a.scenes)
    report_words(Net(a.net), a.anchors, a.deltas, a.steps)


if __name__ == "__main__":
    main()
