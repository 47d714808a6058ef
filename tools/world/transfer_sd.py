"""Words carried by T between the embedded Stable Diffusion and the embedded CLIP and OWL-v2.

    python tools/world/effect_sd.py --anchors dog hammer ... (learns the words of Stable Diffusion)
    python tools/world/transfer_sd.py --anchors dog hammer --deltas 0.25 0.5 1 2

Prints Markdown for docs/embedded.md. T is least squares over the words both networks trained (effect.py); words of delta 1
from the same anchors are learned in CLIP and OWL-v2, those of Stable Diffusion are read from effect_sd.py's work folder,
with the same --anchors and --deltas.
"""
import argparse
from pathlib import Path

import numpy as np
import torch

import check_owl
import concepts
import effect
import effect_sd
import sd_hub
from check_sd import Judge


def drawn_rate(study, judge, vectors):
    """Share of pictures of `vectors` named right among ten."""
    return effect_sd.judged(study, judge, study.draw(vectors))[:, 0].mean()


def words_of_sd(a, net):
    """What effect_sd.py learned by pgd with these settings."""
    path = a.work / "pgd.pt"
    stored = torch.load(path, weights_only=True) if path.exists() else dict(settings=None)
    if stored["settings"] != effect_sd.settings(a, net):
        raise SystemExit(f"{path} does not hold words of {a.sd} with these --anchors, --deltas, --steps and "
                         f"--seed but of {stored['settings']}; run effect_sd.py with the same first")
    return stored["made"]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--clip", type=Path, default=Path("data/clip-tiny"))
    ap.add_argument("--owl", type=Path, default=Path("data/owlv2-tiny"))
    ap.add_argument("--sd", type=Path, default=Path("data/sd-tiny"))
    ap.add_argument("--judge", type=Path, default=Path("data/judge-tiny"))
    ap.add_argument("--objects", type=Path, default=Path("data/objects"))
    ap.add_argument("--portraits", type=Path, default=Path("data/portraits"))
    ap.add_argument("--anchors", nargs="+", default=concepts.ANCHORS[:3])
    ap.add_argument("--deltas", nargs="+", type=float, default=[0.25, 0.5, 1.0, 2.0])
    ap.add_argument("--steps", type=int, default=150)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--work", type=Path, default=Path("out/effect-sd"))
    a = ap.parse_args()
    torch.set_num_threads(1)
    net = sd_hub.Net(a.sd)
    with torch.no_grad():
        all_sd = effect_sd.Study(net, a.portraits, concepts.HELD_OUT, a.anchors, a.deltas, a.seed)
        sd = effect_sd.Study(net, a.portraits, concepts.HELD_OUT, a.anchors, [1.0], a.seed)
        others = {"CLIP": effect.clip_study(a, [1.0]),
                  "OWL-v2": check_owl.Study(check_owl.Net(a.owl), concepts.HELD_OUT, a.anchors, [1.0])}
    for n, folder in ((net, a.sd), (others["CLIP"].net, a.clip), (others["OWL-v2"].net, a.owl)):
        n.words = (folder / "trained_words.txt").read_text().split()
    one = torch.tensor([d == 1.0 for _, _, d in all_sd.runs])
    own = words_of_sd(a, net)[one]
    judge = Judge(a.judge)
    base = drawn_rate(sd, judge, sd.anchor)
    print("| transfer | words in common | variance explained | score of carried words | anchor untouched there |\n"
          "|---|---|---|---|---|")
    for name, study in others.items():
        t, count, explained = effect.linear_map(study.net, net)
        rate = drawn_rate(sd, judge, effect.carry(study.learn(a.steps, "pgd"), t))
        print(f"| {name} to Stable Diffusion | {count} | {100 * explained:.0f} % | {100 * rate:.1f} % | "
              f"{100 * base:.1f} % |", flush=True)
        t, count, explained = effect.linear_map(net, study.net)
        with torch.no_grad():
            score = np.nanmean(study.judge(effect.carry(own, t))[:, 1])
            floor = np.nanmean(study.judge(study.anchor)[:, 1])
        print(f"| Stable Diffusion to {name} | {count} | {100 * explained:.0f} % | {100 * score:.1f} % | "
              f"{100 * floor:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
