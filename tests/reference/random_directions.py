"""Scores of random directions: what diffusers draws and transformers names, beside `viswords import` of the same words.

    python tests/reference/random_directions.py STUDY.yaml --viswords build/release/viswords --directions 60

Words are anchor + R u at the largest delta (docs/protocol.md, Baselines). u is the study's own direction of each concept
first, then that of made-up concepts direction-0, direction-1, ... All concepts are looked for in the pictures of all
words, while a study looks for each in those of its own direction. Prints, in percent, `named_10` by concept, the names that
are chosen instead, and means with intervals over directions (2,000 resamples; all of a direction's pictures together). Ran
with Python 3.11, torch 2.15.0, diffusers 0.39, transformers 4.57.6.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
from collections import Counter

import numpy as np
import torch
import yaml
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from draws_check import below, learn_of, stream_key
from golden_sd import BASELINE, LATENT, TIE, normals
from safetensors.torch import save_file
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

DIRECTION = 4 * 128  # its first normal among those of the concept's stream
torch.set_default_dtype(torch.float32)  # golden_sd's is double


class Study:
    def __init__(self, path):
        study, here = yaml.safe_load(path.read_text()), path.resolve().parent
        model = study["models"]["sd"]
        self.path, self.judge, self.seed, self.data = path, model["judge"], study["seed"], model["data"][0]
        self.concepts = study["data"][self.data]["concepts"]
        trials = {**study["trials"], **model.get("trials", {})}
        self.anchors, self.delta = trials["anchors"], max(trials["deltas"])
        self.template = learn_of(study, "sd")["judge_template"]
        self.network, self.namer = here / model["weights"], here / self.judge["weights"]
        self.known = [n.strip() for n in (here / self.judge["names"]).read_text().split("\n") if n.strip()]
        self.names = list(dict.fromkeys([*self.known, *self.concepts]))

    def key(self, concept):
        return stream_key("viswords-stream-1", self.data, concept, 0, self.seed)

    def rivals(self, concept, anchor):
        """The anchor and eight drawn names, as places among all names."""
        drawn = (self.known[below(self.key(concept), 0, BASELINE, i, len(self.known))] for i in range(200))
        got = dict.fromkeys(n for n in drawn if n not in (concept, anchor))
        return [self.names.index(n) for n in [anchor, *list(got)[:8]]]


def words_of(study, pipe, n):
    """Words [anchors, n, width] in double."""
    table = pipe.text_encoder.get_input_embeddings().weight.detach().double()
    token = lambda w: pipe.tokenizer.encode(w, add_special_tokens=False)[0]
    trained = [token(w) for w in (study.network / "trained_words.txt").read_text().split()]
    labels, width = (study.concepts + [f"direction-{i}" for i in range(n)])[:n], table.shape[1]
    u = torch.stack([normals(study.key(c), 0, BASELINE, DIRECTION + width)[DIRECTION:] for c in labels])
    u, anchors = u / u.norm(dim=1, keepdim=True), [token(a) for a in study.anchors]
    nearest = [min((table[t] - table[a]).norm() for t in trained if t != a) for a in anchors]
    return torch.stack([table[a] + study.delta * n * u for a, n in zip(anchors, nearest)])


@torch.no_grad()
def logits(study, pipe, words):
    """[anchors, n, pictures, names]: diffusers' pipeline, then transformers' processor and model."""
    judge, process = CLIPModel.from_pretrained(study.namer).eval(), CLIPImageProcessor.from_pretrained(study.namer)
    tokenizer, unit = CLIPTokenizer.from_pretrained(study.namer), lambda x: x / x.norm(dim=-1, keepdim=True)
    texts = tokenizer([study.template.format(n.replace("_", " ")) for n in study.names], padding=True, return_tensors="pt")
    q = unit(judge.get_text_features(**texts))
    flat, before = words.flatten(0, 1).float(), len(pipe.tokenizer)
    count, side = study.judge["pictures"], pipe.unet.config.sample_size
    pipe.tokenizer.add_tokens([f"<word-{i}>" for i in range(len(flat))])
    pipe.text_encoder.resize_token_embeddings(len(pipe.tokenizer))
    pipe.text_encoder.get_input_embeddings().weight[before:] = flat
    x = torch.stack([normals(study.key(""), i, LATENT, 4 * side * side).view(4, side, side).float() for i in range(count)])
    options = dict(negative_prompt=[""] * count, num_inference_steps=study.judge["steps"],
                   guidance_scale=float(study.judge["guidance"]))
    out = []
    for i in range(len(flat)):
        images = pipe([study.template.format(f"<word-{i}>")] * count, latents=x.clone(), **options).images
        f = unit(judge.get_image_features(**process(images, return_tensors="pt")))
        out.append(judge.logit_scale.exp() * f @ q.T)
    return torch.stack(out).view(*words.shape[:2], count, -1).numpy()


def named(study, z):
    """Score (2) [concepts, anchors, n], and by concept how often each name was chosen."""
    share, chosen = np.zeros((len(study.concepts), *z.shape[:2])), {c: Counter() for c in study.concepts}
    for c, concept in enumerate(study.concepts):
        own = study.names.index(concept)
        for a, anchor in enumerate(study.anchors):
            rivals = study.rivals(concept, anchor)
            share[c, a] = (z[a][..., own] > z[a][..., rivals].max(-1) + TIE).mean(-1)
            best = z[a][..., [*rivals, own]].argmax(-1).flatten()
            chosen[concept].update(["(anchor)", *(study.names[i] for i in [*rivals[1:], own])][i] for i in best)
    return share, chosen


def imported(study, viswords, words):
    """[concepts, anchors, n] by viswords."""
    share = np.zeros((len(study.concepts), *words.shape[:2]))
    with tempfile.TemporaryDirectory() as folder:
        for a, anchor in enumerate(study.anchors):
            file = pathlib.Path(folder) / f"{anchor}.safetensors"
            save_file({f"<word-{i:03}>": w[None].float().contiguous() for i, w in enumerate(words[a])}, file)
            for c, concept in enumerate(study.concepts):
                command = [viswords, "import", file, study.path, "-m", "sd", "-c", concept, "--anchor", anchor, "--json"]
                made = subprocess.run([*map(str, command), "-q"], check=True, capture_output=True, text=True).stdout
                rows = {r["word"]: r["metrics"]["named_10"] for r in json.loads(made)["rows"] if r["what"] == "word"}
                share[c, a] = [rows[w] for w in sorted(rows)]
    return share


def report(study, what, share, chosen=None):
    picks = np.random.default_rng(1).integers(0, share.shape[2], (2000, share.shape[2]))
    for m in (8, len(share)):
        one = 100 * share[:m].mean((0, 1))
        print(f"{what}, the first {m} concepts: {one.mean():.2f}, from/to", np.percentile(one[picks].mean(1), [2.5, 97.5]).round(2))
    for c, concept in enumerate(study.concepts):
        best = [f"{k} {100 * v / chosen[concept].total():.0f}" for k, v in chosen[concept].most_common(6)] if chosen else []
        print(f"  {concept:>12} {100 * share[c].mean():6.2f}  {', '.join(best)}")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("study", type=pathlib.Path)
    p.add_argument("--viswords", metavar="PROGRAM")
    p.add_argument("--directions", type=int, default=60)
    args = p.parse_args()
    study = Study(args.study)
    pipe = StableDiffusionPipeline.from_pretrained(study.network, torch_dtype=torch.float32)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    words = words_of(study, pipe, args.directions)
    theirs, chosen = named(study, logits(study, pipe, words))
    report(study, "diffusers", theirs, chosen)
    if args.viswords:
        ours = imported(study, args.viswords, words)
        report(study, "viswords", ours)
        print(f"{(ours != theirs).sum()} of {ours.size} shares differ, by {100 * abs(ours - theirs).max():.1f} at most")
    own = [(c, share.round(3).tolist()) for c, share in zip(study.concepts, np.diagonal(theirs, axis1=0, axis2=2).T)]
    print("each concept's own direction, by anchor:", *(f"{c} {share}" for c, share in own if any(share)), "the others 0")


if __name__ == "__main__":
    main()
