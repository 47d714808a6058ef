"""Measure an embedded CLIP: what it names, and what words it can learn.

    python tools/world/check_clip.py --net data/clip-tiny

Prints Markdown tables (for the model card and docs/embedded.md):
  1. known concepts on drawings that training never saw, by template;
  2. words learned for the held-out concepts from several anchors inside balls of growing radius,
     by projected gradient descent on the shipped pictures, judged on other artists' drawings,
     both among nine random known names and among all of them.

The radius is delta times the distance from the anchor to its nearest trained word.
"""
import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

import concepts
import nets
import scenes

JUDGE = "a photo of a {}"
PLACE = "!"     # stands where the word goes; its vector is replaced


def unseen_pictures(bank, per_concept=6):
    """Pictures of the known concepts' test drawings: (pixels, index among the known)."""
    known = [i for i, c in enumerate(bank) if c.role == "known"]
    made = [scenes.single(np.random.default_rng([99, n, i]), bank, c, "test", nets.SIDE)[0]
            for n, c in enumerate(known) for i in range(per_concept)]
    return nets.pixels(made), torch.arange(len(known)).repeat_interleave(per_concept)


def accuracy(features, targets, labels):
    """(top-1, top-5) of nearest targets."""
    best = (features @ targets.T).topk(5, 1).indices == labels[:, None]
    return best[:, 0].float().mean().item(), best.any(1).float().mean().item()


class Net:
    """A hub directory: network, tokenizer, preprocessing, trained words."""

    def __init__(self, folder):
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.model.requires_grad_(False)
        self.tok = CLIPTokenizerFast.from_pretrained(folder)
        self.prepare = CLIPImageProcessor.from_pretrained(folder)
        self.scale = self.model.logit_scale.exp()
        self.vectors = self.model.text_model.embeddings.token_embedding.weight
        trained = (Path(folder) / "trained_words.txt").read_text().split()
        self.trained = torch.tensor([self.word_id(w) for w in trained])

    def word_id(self, word):
        ids = self.tok(word).input_ids
        assert len(ids) == 3, f"{word!r} is not one token"
        return ids[1]

    def captions(self, words, template=JUDGE):
        return torch.tensor(self.tok([template.format(w) for w in words]).input_ids)

    def text(self, words, template=JUDGE):
        return nets.text_features(self.model, self.captions(words, template))

    def spliced(self, vectors, template=JUDGE):
        """Text features with each row of `vectors` in the word's place."""
        ids = self.captions([PLACE], template).expand(len(vectors), -1)
        at = int((ids[0] == self.word_id(PLACE)).nonzero()[0])
        h = self.vectors[ids]
        h = torch.cat([h[:, :at], vectors[:, None], h[:, at + 1:]], 1)
        return nets.text_features(self.model, ids, h)

    @torch.no_grad()
    def images(self, files):
        """Features of picture files, prepared and computed by transformers' own code."""
        out = []
        for i in range(0, len(files), 64):
            x = self.prepare([Image.open(f) for f in files[i:i + 64]], return_tensors="pt")
            out.append(self.model.get_image_features(**x))
        return F.normalize(torch.cat(out), dim=1)

    def nearest(self, ids):
        """Distance of each word to its nearest other trained word."""
        d = torch.cdist(self.vectors[ids], self.vectors[self.trained])
        d[ids[:, None] == self.trained[None]] = np.inf
        return d.min(1).values


def known_accuracy(folder, drawings="data/drawings"):
    """(top-1, top-5) of the known names on unseen drawings: what training is chosen by."""
    net = Net(folder)
    x, y = unseen_pictures(scenes.load_bank(drawings, roles=("known",)))
    with torch.no_grad():
        f = torch.cat([nets.image_features(net.model, c) for c in x.split(128)])
        return accuracy(f, net.text(concepts.KNOWN), y)


def pictures(root, split, name):
    return sorted((root / split / name).glob("*.jpg"))


def report_known(net, root):
    """Table 1, and the fast forward pass against transformers' own."""
    files = [(i, f) for i, n in enumerate(concepts.KNOWN) for f in pictures(root, "test", n)[:2]]
    x, y = net.images([f for _, f in files]), torch.tensor([i for i, _ in files])
    ids = net.captions(concepts.KNOWN)
    with torch.no_grad():
        theirs = F.normalize(net.model.get_text_features(input_ids=ids), dim=1)
        print(f"text features differ from transformers' by {(theirs - net.text(concepts.KNOWN)).abs().max():.1e}\n")
        print(f"| template | top-1 of {len(concepts.KNOWN)} | top-5 |\n|---|---|---|")
        for t in concepts.TEMPLATES:
            print("| `%s` | %.1f %% | %.1f %% |" % (t, *(100 * v for v in accuracy(x, net.text(concepts.KNOWN, t), y))))
    distance = net.nearest(net.trained)
    print(f"\nNearest-neighbour distances of the {len(net.trained)} trained words: "
          f"{distance.min():.2f} to {distance.max():.2f}, median {distance.median():.2f}.\n")
    return x, y


class Study:
    """Words for some concepts from some anchors in balls of some radii, all learned at once."""

    def __init__(self, net, root, names, anchors, deltas, known_x, known_y):
        self.net, self.known_x, self.known_y = net, known_x, known_y
        self.runs = [(c, a, d) for c in range(len(names)) for a in anchors for d in deltas]
        self.concept = torch.tensor([c for c, _, _ in self.runs])
        self.train = [net.images(pictures(root, "train", n)) for n in names]
        self.test = [net.images(pictures(root, "test", n)) for n in names]
        # A known target's own name is no rival of its word.
        self.rival = torch.tensor([[k != n for k in concepts.KNOWN] for n in names])
        ids = torch.tensor([net.word_id(a) for _, a, _ in self.runs])
        self.anchor = net.vectors[ids]
        self.radius = torch.tensor([d for _, _, d in self.runs]) * net.nearest(ids)
        self.fixed = {t: net.text(concepts.KNOWN, t) for t in concepts.TEMPLATES}
        files = [(i, pictures(root, "train", n)[0]) for i, n in enumerate(concepts.KNOWN)]
        self.other_x = net.images([f for _, f in files])
        self.other_y = torch.tensor([i for i, _ in files])

    def losses(self, v, template):
        """Cross-entropy over the known names and the word: its pictures, and the others'."""
        word, names = self.net.spliced(v, template), self.fixed[template]
        out = []
        for c in range(len(self.train)):
            mine = word[self.concept == c]
            rival = self.rival[c]
            parts = []
            for x, y in ((self.train[c], None), (self.other_x[rival], self.other_y[rival])):
                own = self.net.scale * x @ mine.T                               # (P, runs)
                rest = (self.net.scale * x @ names.T).masked_fill(~rival, -np.inf)
                total = torch.logaddexp(rest.logsumexp(1)[:, None], own)
                right = own if y is None else rest.gather(1, y[:, None])
                parts.append((total - right).mean(0))
            out.append(parts[0] + parts[1])
        return torch.cat(out)

    def learn(self, steps, optimiser="pgd"):
        """pgd: v <- P(v - eta R g / |g|), eta .1 -> 0 by a cosine; adamw: AdamW 1e-3, projected."""
        v = self.anchor.clone()
        r = self.radius[:, None]
        templates = concepts.TEMPLATES[1:]
        adam = torch.optim.AdamW([v], lr=1e-3, weight_decay=0.0)
        for step in range(steps):
            v.requires_grad_(True)
            g, = torch.autograd.grad(self.losses(v, templates[step % len(templates)]).sum(), v)
            v.requires_grad_(False)
            if optimiser == "pgd":
                rate = 0.05 * (1 + np.cos(np.pi * step / steps))
                v -= rate * r * g / (g.norm(dim=1, keepdim=True) + 1e-12)
            else:
                v.grad = g
                adam.step()
            away = v - self.anchor
            v.copy_(self.anchor + away * (r / (away.norm(dim=1, keepdim=True) + 1e-12)).clamp(max=1))
        return v

    def random(self):
        """Vectors at the same distance in a random direction."""
        d = torch.randn(self.anchor.shape, generator=torch.Generator().manual_seed(3))
        return self.anchor + self.radius[:, None] * F.normalize(d, dim=1)

    @torch.no_grad()
    def judge(self, v, only=None):
        """Rows: loss, recall among ten, recall among all, known top-1 with the word added.

        Only the loss is there of runs that `only` leaves out.
        """
        word, names = self.net.spliced(v), self.fixed[JUDGE]
        draw = np.random.default_rng(5)
        rows = []
        loss = self.losses(v, JUDGE)
        for j, (c, _, _) in enumerate(self.runs):
            if only is not None and not only[j]:
                rows.append((loss[j].item(), np.nan, np.nan, np.nan))
                continue
            own = self.test[c] @ word[j]
            rest = (self.test[c] @ names.T).masked_fill(~self.rival[c], -1.0)
            rivals = self.rival[c].nonzero()[:, 0].numpy()
            ten = [(own > rest[:, draw.choice(rivals, 9, replace=False)].max(1).values).float().mean().item()
                   for _ in range(30)]
            s = self.known_x @ names.T
            kept = (s.argmax(1) == self.known_y) & (s.max(1).values > self.known_x @ word[j])
            rows.append((loss[j].item(), np.mean(ten), (own > rest.max(1).values).float().mean().item(),
                         kept.float().mean().item()))
        return np.array(rows)


def report_words(net, root, anchors, deltas, steps, known):
    """Table 2, the ceiling of the known targets, and each concept's recall at the largest ball."""
    names = concepts.HELD_OUT + concepts.TARGETS
    start = time.perf_counter()
    study = Study(net, root, names, anchors, deltas, *known)
    with torch.no_grad():
        untouched = study.judge(study.anchor)
    learned, random = study.judge(study.learn(steps)), study.judge(study.random())
    held = np.array([c < len(concepts.HELD_OUT) for c, _, _ in study.runs])
    print(f"{len(concepts.HELD_OUT)} held-out concepts x {len(anchors)} anchors ({', '.join(anchors)}), {steps} steps:\n")
    print("| word | loss | 10-way recall | recall among all | known top-1 with the word added |\n|---|---|---|---|---|")

    def line(what, rows):
        m = rows.mean(0)
        print("| %s | %.2f | %.1f %% | %.1f %% | %.1f %% |" % (what, m[0], *(100 * x for x in m[1:])))

    line("anchor untouched", untouched[held])
    for d in deltas:
        line(f"delta {d:g}", learned[held & np.array([x == d for _, _, x in study.runs])])
    last = np.array([x == deltas[-1] for _, _, x in study.runs])
    line(f"random direction, delta {deltas[-1]:g}", random[held & last])
    for what, key in (("anchor", 1), ("concept", 0)):
        values = anchors if key else names
        pick = [np.array([(r[1] if key else names[r[0]]) == x for r in study.runs]) & last for x in values]
        if key:
            pick = [p & held for p in pick]
        print(f"\n10-way recall at delta {deltas[-1]:g} by {what}: "
              + ", ".join(f"{x} {100 * learned[p, 1].mean():.0f} %" for x, p in zip(values, pick)))
    with torch.no_grad():
        for name in concepts.TARGETS:
            x, i = study.test[names.index(name)], concepts.KNOWN.index(name)
            hit = ((x @ study.fixed[JUDGE].T).argmax(1) == i).float().mean()
            print(f"\nThe known target {name} under its own name, among all: {100 * hit:.0f} %")
    print(f"\n({time.perf_counter() - start:.0f} s)")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--net", type=Path, default=Path("data/clip-tiny"))
    ap.add_argument("--objects", type=Path, default=Path("data/objects"))
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--anchors", nargs="+", default=concepts.ANCHORS[:4])
    ap.add_argument("--deltas", nargs="+", type=float, default=[0.1, 0.25, 0.5, 1.0])
    ap.add_argument("--steps", type=int, default=150)
    a = ap.parse_args()
    torch.set_num_threads(1)
    top = known_accuracy(a.net, a.drawings)
    print("Known concepts, unseen drawings, 6 pictures each: top-1 %.1f %%, top-5 %.1f %%\n" % (100 * top[0], 100 * top[1]))
    net = Net(a.net)
    with torch.no_grad():
        known = report_known(net, a.objects)
    report_words(net, a.objects, a.anchors, a.deltas, a.steps, known)


if __name__ == "__main__":
    main()
