"""The study's effect for generation: words in balls of growing radius, drawn and judged.

    python tools/world/effect_sd.py --sheet docs/sd-words.webp

Learns words for the held-out concepts from unrelated anchors by the velocity loss on the shipped
pictures (data/portraits), `pgd` and `adamw` on the same draws, draws pictures with them and
lets the judge choose among the concept and nine known names (the anchor always one of them), and
among all names. Prints Markdown for docs/embedded.md. Words are kept below --work, so the same
command again goes straight to the judging; with other settings or another network they are learned
anew.

The radius is delta times the distance from the anchor to its nearest trained word.
"""
import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import concepts
import diffusion
import runs
import sd_hub
from check_sd import TEMPLATE, Judge, sheet

PICTURES_A_WORD = 2         # in a step
DRAWN = 6                   # pictures drawn with each word


def read_pictures(folder):
    """Pictures of a folder at SIDE px with their mirrors, in [-1, 1]."""
    out = []
    for f in sorted(folder.glob("*.png")):
        im = Image.open(f).convert("RGB").resize((diffusion.SIDE, diffusion.SIDE), Image.BICUBIC)
        out += [np.asarray(im), np.asarray(im)[:, ::-1]]
    return diffusion.to_range(np.stack(out))


class Study:
    """One word for each (concept, anchor, delta), all learned at once."""

    def __init__(self, net, root, names, anchors, deltas, seed):
        self.net, self.names, self.seed = net, names, seed
        self.runs = [(c, a, d) for c in range(len(names)) for a in anchors for d in deltas]
        self.concept = torch.tensor([c for c, _, _ in self.runs])
        with torch.no_grad():
            self.latents = [net.vae.encode(read_pictures(root / "train" / n)).latent_dist.mean
                            * diffusion.SCALING for n in names]
        ids = torch.tensor([net.word_id(a) for _, a, _ in self.runs])
        self.anchor = net.vectors[ids]
        self.radius = torch.tensor([d for _, _, d in self.runs])[:, None] * net.nearest(ids)[:, None]

    def losses(self, v, step):
        """Mean squared error of the velocity for each word, on draws shared by a concept's words."""
        g = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        template = concepts.TEMPLATES[1:][step % (len(concepts.TEMPLATES) - 1)]
        x = torch.cat([z[torch.randint(len(z), (PICTURES_A_WORD,), generator=g)] for z in self.latents])
        n = len(x)
        t = ((torch.rand(1, generator=g) + torch.randperm(n, generator=g) / n) % 1 * 1000).long()
        noisy, velocity = diffusion.noised(x, torch.randn(x.shape, generator=g), t)
        i = (self.concept[:, None] * PICTURES_A_WORD + torch.arange(PICTURES_A_WORD)).flatten()
        with torch.autocast("cpu", torch.bfloat16):
            states = self.net.spliced(v, template).repeat_interleave(PICTURES_A_WORD, 0)
            made = self.net.unet(noisy[i], t[i], encoder_hidden_states=states).sample
        return ((made.float() - velocity[i]) ** 2).mean((1, 2, 3)).view(-1, PICTURES_A_WORD).mean(1)

    def project(self, v):
        away = v - self.anchor
        return self.anchor + away * (self.radius / (away.norm(dim=1, keepdim=True) + 1e-12)).clamp(max=1)

    def learn(self, optimiser, steps):
        """pgd: v <- P(v - eta R g / |g|), eta .1 -> 0 by a cosine; adamw: lr 2e-3, then P."""
        v = self.anchor.clone().requires_grad_(True)
        adam = torch.optim.AdamW([v], lr=2e-3, weight_decay=0.0)
        for step in range(steps):
            v.grad, = torch.autograd.grad(self.losses(v, step).sum(), v)
            with torch.no_grad():
                if optimiser == "adamw":
                    adam.step()
                else:
                    eta = 0.05 * (1 + np.cos(np.pi * step / steps))
                    v -= eta * self.radius * v.grad / (v.grad.norm(dim=1, keepdim=True) + 1e-12)
                v.copy_(self.project(v))
        return v.detach()

    @torch.no_grad()
    def final_loss(self, v, rounds=16):
        """On draws of its own, the same for all words of a concept."""
        return torch.stack([self.losses(v, 10_000 + k) for k in range(rounds)]).mean(0)

    def draw(self, v, layers=None):
        return self.net.draw(self.net.spliced(v, TEMPLATE, layers).repeat_interleave(DRAWN, 0), layers,
                             seed=11)


def settings(a, net):
    """What the learned words follow from."""
    return dict(anchors=a.anchors, deltas=a.deltas, steps=a.steps, seed=a.seed, net=runs.fingerprint(net.unet))


def judged(study, judge, x, runs=None):
    """Rows (among ten, among all) of each word's pictures."""
    draw = np.random.default_rng(5)
    n_known = len(concepts.KNOWN)
    rows = []
    for (c, anchor, _), s in zip(runs or study.runs, judge.scores(x).split(DRAWN)):
        own = judge.names.index(study.names[c])
        others = [i for i in range(n_known) if concepts.KNOWN[i] != anchor]
        hits = []
        for _ in range(30):
            rivals = [own, judge.names.index(anchor), *draw.choice(others, 8, replace=False)]
            hits.append((s[:, rivals].argmax(1) == 0).float().mean().item())
        rows.append((np.mean(hits), (s.argmax(1) == own).float().mean().item()))
    return np.array(rows)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--net", type=Path, default=Path("data/sd-tiny"))
    ap.add_argument("--judge", type=Path, default=Path("data/judge-tiny"))
    ap.add_argument("--portraits", type=Path, default=Path("data/portraits"))
    ap.add_argument("--anchors", nargs="+", default=concepts.ANCHORS[:3])
    ap.add_argument("--deltas", nargs="+", type=float, default=[0.25, 0.5, 1.0, 2.0])
    ap.add_argument("--steps", type=int, default=150)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--optimisers", nargs="+", default=["pgd", "adamw"])
    ap.add_argument("--learn-only", action="store_true")
    ap.add_argument("--work", type=Path, default=Path("out/effect-sd"))
    ap.add_argument("--sheet", type=Path, help="write pictures of the learned words here")
    a = ap.parse_args()
    torch.set_num_threads(1)
    a.work.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    net = sd_hub.Net(a.net)
    study = Study(net, a.portraits, concepts.HELD_OUT, a.anchors, a.deltas, a.seed)
    learned = {}
    for name in a.optimisers:
        learned[name] = runs.kept(a.work / f"{name}.pt", settings(a, net), lambda: study.learn(name, a.steps))
    if not a.learn_only:
        report(study, Judge(a.judge), learned, a)
        print(f"\n({time.perf_counter() - start:.0f} s)")


def report(study, judge, learned, a):
    """The tables by delta and by layers kept, and the sheet."""
    first = [i for i, r in enumerate(study.runs) if r[2] == a.deltas[0]]
    none = study.anchor[first]
    x0 = study.draw(none)
    base = judged(study, judge, x0, [study.runs[i] for i in first]).mean(0)
    loss0 = study.final_loss(study.anchor)[first].mean()
    print(f"{len(study.names)} held-out concepts x {len(a.anchors)} anchors ({', '.join(a.anchors)}), "
          f"{a.steps} steps, {DRAWN} pictures a word:\n")
    names = list(learned)
    print("| delta | loss " + " / ".join(names) + " | among ten " + " / ".join(names)
          + f" | among all {len(judge.names)} " + " / ".join(names) + " |\n|---|---|---|---|")
    print("| 0 | %.4f | %.1f %% | %.1f %% |" % (loss0, 100 * base[0], 100 * base[1]))
    drawn = {n: study.draw(v) for n, v in learned.items()}
    rows = {n: judged(study, judge, x) for n, x in drawn.items()}
    losses = {n: study.final_loss(v).numpy() for n, v in learned.items()}
    for d in a.deltas:
        pick = np.array([r[2] == d for r in study.runs])
        cell = [" / ".join("%.4f" % losses[n][pick].mean() for n in names)]
        cell += [" / ".join("%.1f" % (100 * rows[n][pick, k].mean()) for n in names) + " %" for k in (0, 1)]
        print("| %g | %s |" % (d, " | ".join(cell)), flush=True)
    one = np.array([r[2] == 1.0 for r in study.runs])
    best = names[0]
    print(f"\nAmong ten at delta 1 ({best}), by concept: " + ", ".join(
        "%s %.0f %%" % (n, 100 * rows[best][one & (study.concept.numpy() == c), 0].mean())
        for c, n in enumerate(study.names)))
    print(f"\nText layers kept, words of delta 1 ({best}), among ten: ", end="")
    runs = [r for r in study.runs if r[2] == 1.0]
    v = learned[best][torch.from_numpy(one)]
    print(", ".join("%d: %.1f %%" % (n, 100 * judged(study, judge, study.draw(v, n), runs)[:, 0].mean())
                    for n in range(diffusion.TEXT_LAYERS + 1)))
    if a.sheet:
        write_sheet(study, x0, drawn[best], a)


def write_sheet(study, x0, x, a):
    """A row a concept: two real pictures, then from the first anchor delta 0 and each delta."""
    pages = []
    for c, name in enumerate(study.names):
        row = [read_pictures(a.portraits / "train" / name)[[0, 6]], x0[c * len(a.anchors) * DRAWN:][:2]]
        for d in a.deltas:
            i = study.runs.index((c, a.anchors[0], d))
            row.append(x[i * DRAWN:][:4])
        pages.append(torch.cat(row))
    sheet(pages, a.sheet)


if __name__ == "__main__":
    main()
