"""The paper's effect on the embedded CLIP and OWL-v2: what words reach in balls of growing radius.

    python tools/world/effect.py

Prints Markdown for docs/embedded.md: words learned for the held-out concepts from unrelated anchors
by `pgd` and by `adamw`; words of one network carried into the other by T (least squares over the
words both trained); accuracy with the first text layers only. effect_sd.py does generation.
"""
import argparse
import contextlib
from pathlib import Path

import numpy as np
import torch

import check_clip
import check_owl
import concepts

DELTAS = [0.1, 0.25, 0.5, 1.0]


@contextlib.contextmanager
def first_layers(text_model, count):
    """Let the text tower end after its first `count` layers."""
    layers = text_model.encoder.layers
    text_model.encoder.layers = layers[:count]
    yield
    text_model.encoder.layers = layers


def clip_study(a, deltas):
    """The CLIP study of check_clip.py, and the known pictures it judges by."""
    net = check_clip.Net(a.clip)
    files = [(i, f) for i, n in enumerate(concepts.KNOWN)
             for f in check_clip.pictures(a.objects, "test", n)[:2]]
    x, y = net.images([f for _, f in files]), torch.tensor([i for i, _ in files])
    return check_clip.Study(net, a.objects, concepts.HELD_OUT, a.anchors, deltas, x, y)


def curve(study, steps, what):
    """A table of both optimisers; returns the words that pgd found."""
    words = {o: study.learn(steps, o) for o in ("pgd", "adamw")}
    rows = {o: study.judge(v) for o, v in words.items()}
    base = study.judge(study.anchor).mean(0)
    print(f"| {what[0]} word | loss pgd / adamw | {what[1]} pgd / adamw |\n|---|---|---|")
    print(f"| anchor untouched | {base[0]:.2f} | {100 * base[1]:.1f} % |")
    for d in DELTAS:
        at = np.array([x == d for _, _, x in study.runs])
        p, w = rows["pgd"][at].mean(0), rows["adamw"][at].mean(0)
        print(f"| delta {d:g} | {p[0]:.2f} / {w[0]:.2f} | {100 * p[1]:.1f} / {100 * w[1]:.1f} % |")
    print(flush=True)
    return words["pgd"]


def linear_map(source, target):
    """T [C, C'] with source T ~ target over the words both trained, and how many those are."""
    words = sorted(set(source.words) & set(target.words))
    rows = [net.vectors[[net.word_id(w) for w in words]].double() for net in (source, target)]
    ones = torch.ones(len(words), 1, dtype=torch.float64)
    t = torch.linalg.lstsq(torch.cat([rows[0], ones], 1), rows[1]).solution
    fit = torch.cat([rows[0], ones], 1) @ t
    left = (rows[1] - fit).square().sum() / (rows[1] - rows[1].mean(0)).square().sum()
    return t, len(words), 1 - left.item()


def carry(v, t):
    return (torch.cat([v.double(), torch.ones(len(v), 1, dtype=torch.float64)], 1) @ t).float()


def transfer(studies, learned):
    """Words of the widest ball carried into the other network and judged there."""
    print("| transfer | words in common | variance explained | score of carried words | anchor untouched there |\n|---|---|---|---|---|")
    for source, target in (("CLIP", "OWL-v2"), ("OWL-v2", "CLIP")):
        a, b = studies[source], studies[target]
        t, count, explained = linear_map(a.net, b.net)
        at = torch.tensor([d == DELTAS[-1] for _, _, d in a.runs])
        words = b.anchor.clone()
        words[at] = carry(learned[source], t)[at]
        score = 100 * np.nanmean(b.judge(words, at)[:, 1])
        base = 100 * np.nanmean(b.judge(b.anchor, at)[:, 1])
        print(f"| {source} to {target} | {count} | {100 * explained:.0f} % | {score:.1f} % | {base:.1f} % |", flush=True)
    print()


def truncation(studies, learned):
    """Known names and learned words by the text layers kept (with none the pooled token sees no word)."""
    clip, owl = studies["CLIP"], studies["OWL-v2"]
    pictures, boxes, labels = check_owl.judging_scenes("test", 200)
    seen = owl.net.look(pictures)
    label, _, centre, _ = check_owl.detector.assign(boxes, labels)
    print("| text layers kept | CLIP known top-1 | CLIP words (delta 1), 10-way | OWL-v2 known, name at the centre | OWL-v2 words (delta 1), AP50 |\n|---|---|---|---|---|")
    for count in range(1, len(clip.net.model.text_model.encoder.layers) + 1):
        row = []
        for name, study, tower in (("CLIP", clip, clip.net.model.text_model),
                                   ("OWL-v2", owl, owl.net.model.owlv2.text_model)):
            if count > len(tower.encoder.layers):
                row += ["", ""]
                continue
            with first_layers(tower, count), torch.no_grad():
                names = study.net.text(concepts.KNOWN)
                if name == "CLIP":
                    study.fixed = {t: study.net.text(concepts.KNOWN, t) for t in concepts.TEMPLATES}
                    known = check_clip.accuracy(study.known_x, names, study.known_y)[0]
                else:
                    known = ((seen[0][centre] @ names.T).argmax(1) == label[centre]).float().mean().item()
                at = np.array([d == DELTAS[-1] for _, _, d in study.runs])
                words = np.nanmean(study.judge(learned[name], at)[:, 1])
            row += [f"{100 * known:.1f} %", f"{100 * words:.1f} %"]
        print(f"| {count} | " + " | ".join(row) + " |", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--clip", type=Path, default=Path("data/clip-tiny"))
    ap.add_argument("--owl", type=Path, default=Path("data/owlv2-tiny"))
    ap.add_argument("--objects", type=Path, default=Path("data/objects"))
    ap.add_argument("--anchors", nargs="+", default=concepts.ANCHORS[:4])
    ap.add_argument("--steps", type=int, default=150)
    a = ap.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        studies = {"CLIP": clip_study(a, DELTAS),
                   "OWL-v2": check_owl.Study(check_owl.Net(a.owl), concepts.HELD_OUT, a.anchors, DELTAS)}
    for study, folder in ((studies["CLIP"], a.clip), (studies["OWL-v2"], a.owl)):
        study.net.words = (folder / "trained_words.txt").read_text().split()
    print(f"{len(concepts.HELD_OUT)} held-out concepts x {len(a.anchors)} anchors ({', '.join(a.anchors)}), {a.steps} steps\n")
    learned = {name: curve(study, a.steps, (name, score)) for (name, study), score in
               zip(studies.items(), ("10-way recall", "AP50"))}
    transfer(studies, learned)
    truncation(studies, learned)


if __name__ == "__main__":
    main()
