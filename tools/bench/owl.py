"""`viswords bench owl` and `bench precision` beside PyTorch and the programs that compute COCO's average precision.

    python tools/bench/owl.py MODEL_DIR --viswords build/release/viswords --threads 2
        [--trials 1,16,64] [--seconds 3] [--only picture,loop,savings,precision] [--pictures 5000] [--json FILE]

MODEL_DIR: any OWL-v2 directory, such as `viswords random-owlv2 DIR` writes. Needs torch and transformers; pycocotools,
faster-coco-eval and hotcoco are compared where they are installed.

  picture    the tower and heads on one picture, what is kept of it: transformers' image_embedder, class head and boxes
  sdpa       the same with torch's scaled_dot_product_attention, which transformers 4.57 does not use for OWL-v2
  loop       what a user of PyTorch writes: one trial, all positions of the text, cached picture features of 4 + 4
             pictures, focal loss, backward to the word, torch.optim.AdamW
  savings    what viswords saves, in PyTorch's best batched form: keys and values of the constant prefix cached, the last
             layer only where it is pooled, B trials that share the step's pictures, all words one product
  precision  COCO's twelve numbers of made-up boxes: --pictures pictures, 80 classes, 7 boxes a picture, 100 found ones

Of each side the shortest time counts in `precision`, the best of three runs elsewhere (viswords: the median). Numbers of
`precision` are compared, too. Ran with torch 2.15.0, transformers 4.57.6.
"""

import argparse
import contextlib
import functools
import importlib
import io
import json
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from clip_text import PREFIX, TAIL, Block, cpu_name, rate

PICTURES, EXAMPLES = 16, 4


class Words:
    """The text tower of a transformers model in clip_text.py's blocks, and cached patches of made-up pictures."""

    def __init__(self, model):
        text = model.owlv2.text_model
        c = model.config.text_config
        self.width, self.positions = c.hidden_size, c.max_position_embeddings
        self.blocks = [self.block(layer, c) for layer in text.encoder.layers]
        self.norm, self.projection = text.final_layer_norm, model.owlv2.text_projection
        patches = (model.config.vision_config.image_size // model.config.vision_config.patch_size) ** 2
        self.features = F.normalize(torch.randn(PICTURES, patches, self.projection.out_features), dim=-1)
        self.shift, self.scale = torch.randn(PICTURES, patches), torch.rand(PICTURES, patches) + 0.5
        self.matched = torch.zeros(PICTURES, patches)
        self.matched[: PICTURES // 2, 0] = 1
        self.row = torch.randn(self.positions, self.width) * 0.02

    @staticmethod
    def block(layer, c):
        b = Block(c.hidden_size, c.intermediate_size, c.num_attention_heads).requires_grad_(False)
        a = layer.self_attn
        for part in ("weight", "bias"):
            joined = torch.cat([getattr(getattr(a, f"{p}_proj"), part) for p in "qkv"])
            getattr(b.qkv, part).copy_(joined)
            for mine, theirs in ((b.out, a.out_proj), (b.fc1, layer.mlp.fc1), (b.fc2, layer.mlp.fc2),
                                 (b.ln1, layer.layer_norm1), (b.ln2, layer.layer_norm2)):
                getattr(mine, part).copy_(getattr(theirs, part))
        return b

    def end(self, x):
        return F.normalize(self.projection(self.norm(x)), dim=-1)

    @staticmethod
    def pictures():
        half = PICTURES // 2
        return torch.cat([torch.randint(0, half, (EXAMPLES,)), torch.randint(half, PICTURES, (EXAMPLES,))])

    def loss(self, q, picture):
        """[B]: focal loss of words q at the step's pictures, one product."""
        e = self.features[picture].flatten(0, 1)
        z = (q @ e.T + self.shift[picture].flatten()) * self.scale[picture].flatten()
        t = self.matched[picture].flatten().expand_as(z)
        p = z.sigmoid()
        p_t = p * t + (1 - p) * (1 - t)
        f = (0.25 * t + 0.75 * (1 - t)) * (1 - p_t) ** 2 * F.binary_cross_entropy_with_logits(z, t, reduction="none")
        return f.sum(1) / self.matched[picture].sum().clamp(min=1)

    def loop(self):
        word = (torch.randn(self.width) * 0.02).requires_grad_()
        optimiser = torch.optim.AdamW([word], lr=1e-3, weight_decay=0.0)

        def step():
            x = torch.cat([self.row[:PREFIX], word[None], self.row[PREFIX + 1 :]])[None]
            for b in self.blocks:
                x, _ = b(x)
            loss = self.loss(self.end(x[:, PREFIX + 1]), self.pictures()).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

        return step

    def savings(self, trials):
        with torch.no_grad():
            x, cache = self.row[None, :PREFIX], []
            for b in self.blocks:
                x, kv = b(x)
                cache.append(tuple(y.contiguous() for y in kv))
        words = (torch.randn(trials, self.width) * 0.02).requires_grad_()
        optimiser = torch.optim.AdamW([words], lr=1e-3, weight_decay=0.0, foreach=True)
        last, mask = self.row[PREFIX + 1].expand(trials, 1, -1), torch.ones(TAIL, PREFIX + TAIL, dtype=torch.bool)
        mask = mask.tril(PREFIX)

        def step():
            x = torch.cat([words[:, None], last], 1)
            for i, b in enumerate(self.blocks):
                x = b.tail(x, cache[i], mask, i + 1 == len(self.blocks))
            loss = self.loss(self.end(x[:, -1]), self.pictures()).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

        return step


@torch.no_grad()
def tower(model):
    """A picture to what is kept of it, as the network makes it."""
    S = model.config.vision_config.image_size
    pixels = torch.randn(1, 3, S, S)

    def run():
        grid, _ = model.image_embedder(pixel_values=pixels)
        x = grid.flatten(1, 2)
        h = model.class_head
        return (F.normalize(h.dense0(x), dim=-1), h.logit_shift(x), h.logit_scale(x), model.box_predictor(x, grid),
                model.objectness_predictor(x))

    return torch.no_grad()(run)


class Timed:
    """Keeps the least processor time of all threads that a step took."""

    def __init__(self, step):
        self.step, self.cpu = step, float("inf")

    def __call__(self):
        begun = time.process_time()
        self.step()
        self.cpu = min(self.cpu, time.process_time() - begun)


def by_sdpa(model):
    """Attention of the picture's tower by torch's fused function: scores of all patches are never held at once."""

    def forward(a, hidden_states, **_):
        q, k, v = (f(hidden_states).unflatten(2, (a.num_heads, a.head_dim)).transpose(1, 2) for f in (a.q_proj, a.k_proj, a.v_proj))
        return a.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)), None

    for layer in model.owlv2.vision_model.encoder.layers:
        layer.self_attn.forward = functools.partial(forward, layer.self_attn)


# ---- average precision


def boxes(pictures, seed=5):
    """Made-up truths and findings: of 100 found boxes a picture some lie near a true one of their class."""
    g = np.random.default_rng(seed)
    n, m = 7 * pictures, 100 * pictures
    size = np.exp(g.uniform(np.log(8), np.log(320), (n, 2)))
    truth = {"picture": g.integers(0, pictures, n), "class": g.integers(0, 80, n),
             "box": np.concatenate([g.uniform(0, 320, (n, 2)), size], 1), "crowd": (g.random(n) < 0.01).astype(np.uint8)}
    truth["area"] = truth["box"][:, 2] * truth["box"][:, 3] * g.uniform(0.5, 1, n)
    like = g.integers(0, n, m)
    near = g.random(m) < 0.4
    found = {"picture": np.where(near, truth["picture"][like], g.integers(0, pictures, m)),
             "class": np.where(near, truth["class"][like], g.integers(0, 80, m)), "score": g.random(m)}
    shift = g.normal(0, 0.15, (m, 4)) * np.tile(truth["box"][like][:, 2:], 2)
    found["box"] = truth["box"][like] + shift * near[:, None]
    found["box"][:, 2:] = np.maximum(found["box"][:, 2:], 1)
    order = np.argsort(found["picture"], kind="stable")
    _, first, counts = np.unique(found["picture"][order], return_index=True, return_counts=True)
    rank = np.empty(m, int)
    rank[order] = np.arange(m) - np.repeat(first, counts)
    return truth, {k: v[rank < 100] for k, v in found.items()}


def as_coco(truth, found, pictures):
    dataset = {"info": {}, "images": [{"id": i + 1, "width": 640, "height": 640} for i in range(pictures)],
               "categories": [{"id": c + 1, "name": str(c)} for c in range(80)],
               "annotations": [{"id": i + 1, "image_id": int(p) + 1, "category_id": int(c) + 1, "bbox": b.tolist(),
                                "area": float(a), "iscrowd": int(x)}
                               for i, (p, c, b, a, x) in enumerate(zip(truth["picture"], truth["class"], truth["box"],
                                                                       truth["area"], truth["crowd"]))]}
    rows = [{"image_id": int(p) + 1, "category_id": int(c) + 1, "bbox": b.tolist(), "score": float(s)}
            for p, c, b, s in zip(found["picture"], found["class"], found["box"], found["score"])]
    return dataset, rows


def evaluators():
    """(name, COCO, COCOeval) of what is installed; the first is the reference."""
    for name, where, classes in (("pycocotools", ("pycocotools.coco", "pycocotools.cocoeval"), ("COCO", "COCOeval")),
                                 ("faster-coco-eval", ("faster_coco_eval",) * 2, ("COCO", "COCOeval_faster")),
                                 ("hotcoco", ("hotcoco",) * 2, ("COCO", "COCOeval"))):
        try:
            yield name, *(getattr(importlib.import_module(m), c) for m, c in zip(where, classes))
        except ImportError:
            print(f"{name:>18}: not installed", file=sys.stderr)


def evaluate(kinds, folder, seconds):
    """Shortest seconds from loaded files to the twelve numbers, and these."""
    coco_of, eval_of = kinds
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_of(f"{folder}/truth.json")
        found, best, start = coco.loadRes(f"{folder}/found.json"), float("inf"), time.perf_counter()
        while best == float("inf") or time.perf_counter() - start < seconds:
            e = eval_of(coco, found, "bbox")
            begun = time.perf_counter()
            e.evaluate(), e.accumulate(), e.summarize()
            best = min(best, time.perf_counter() - begun)
    return best, [float(x) for x in np.asarray(e.stats)[:12]]


def precision(args, say):
    truth, found = boxes(args.pictures)
    out = []
    with tempfile.TemporaryDirectory() as folder:
        table = {f"truth.{k}": np.ascontiguousarray(v) for k, v in truth.items()}
        save_file(table | {f"found.{k}": np.ascontiguousarray(v) for k, v in found.items()}, f"{folder}/boxes.safetensors")
        for name, data in zip(("truth", "found"), as_coco(truth, found, args.pictures)):
            with open(f"{folder}/{name}.json", "w") as f:
                json.dump(data, f)
        for threads in sorted({1, args.threads}) if args.viswords else ():
            row = bench(args, "precision", f"{folder}/boxes.safetensors", "-t", str(threads))["rows"][0]
            out.append({"what": f"viswords, {threads} thread{'s' * (threads > 1)}", "seconds": row["seconds"],
                        "numbers": row["metrics"]})
        for name, *kinds in evaluators():
            seconds, numbers = evaluate(kinds, folder, args.seconds)
            out.append({"what": name, "seconds": seconds, "numbers": numbers})
    reference = next((r for r in out if r["what"] == "pycocotools"), out[-1])
    say(f"\nprecision: {len(truth['class'])} true, {len(found['class'])} found boxes, {args.pictures} pictures, 80 classes")
    for r in out:
        apart = max(abs(a - b) for a, b in zip(r["numbers"], reference["numbers"]))
        say(f"{r['what']:>22} {1e3 * r['seconds']:10.1f} ms  {reference['seconds'] / r['seconds']:7.1f} x "
            f"{reference['what']}   AP {r['numbers'][0]:.6f}, apart {apart:.1e}")
    return out


# ---- all


def bench(args, *words):
    command = [args.viswords, "bench", *words, "--json", "--seconds", str(args.seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def ours(args, kind):
    """viswords' rows of a pass, by batch: times a second."""
    if not args.viswords:
        return {}
    more = ("--trials", args.trials) if kind == "step" else ()
    rows = bench(args, "owl", args.model, "-t", str(args.threads), "--only", kind, *more)["rows"]
    if kind == "picture":
        return rows[0]
    return {r["batch"]: r["per_second"] for r in rows}


def passes(args, say):
    from transformers import Owlv2ForObjectDetection

    wanted, out = args.only.split(","), []
    if not {"picture", "sdpa", "loop", "savings"} & set(wanted):
        return out
    model = Owlv2ForObjectDetection.from_pretrained(args.model, dtype=torch.float32).eval().requires_grad_(False)
    words = Words(model)

    def row(way, batch, theirs, mine):
        out.append({"way": way, "batch": batch, "torch_per_s": theirs, "viswords_per_s": mine})
        say(f"{way:>8} {batch:>6} {theirs:>14.3f}" + (f" {mine:>14.3f} {mine / theirs:>7.2f}" if mine else ""))

    say(f"{'way':>8} {'batch':>6} {'torch, 1/s':>14} {'viswords, 1/s':>14} {'ratio':>7}")
    for way in (w for w in ("picture", "sdpa") if w in wanted):
        mine = ours(args, "picture")  # beside each: the machine may be another one minutes later
        if way == "sdpa":
            by_sdpa(model)
        run = Timed(tower(model))
        row(way, 1, rate(run, args.seconds, 1, warm=1), mine.get("per_second"))
        out[-1] |= {"torch_cpu_s": run.cpu, "viswords_cpu_s": mine.get("cpu_seconds"),
                    "planned": mine.get("bytes_planned"), "held": mine.get("bytes_held")}
        say(f"{'':>8} CPU seconds: torch {run.cpu:.2f}, viswords {mine.get('cpu_seconds', float('nan')):.2f}")
    mine = ours(args, "step") if {"loop", "savings"} & set(wanted) else {}
    if "loop" in wanted:
        row("loop", 1, rate(words.loop(), args.seconds, 3), max(mine.values(), default=None))
    for trials in (int(t) for t in args.trials.split(",") if "savings" in wanted):
        row("savings", trials, rate(words.savings(trials), args.seconds, 3) * trials, mine.get(trials))
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--viswords", help="the program; without it PyTorch's side alone")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--trials", default="1,16,64")
    p.add_argument("--seconds", type=float, default=3.0, help="of one timed run")
    p.add_argument("--only", default="picture,sdpa,loop,savings,precision")
    p.add_argument("--pictures", type=int, default=5000, help="of precision")
    p.add_argument("--json", metavar="FILE", help="write the numbers there too")
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    say = lambda *a: print(*a, flush=True)
    say(f"{args.model}, fp32, torch {torch.__version__}, {args.threads} threads, {cpu_name()}")
    out = {"cpu": cpu_name(), "threads": args.threads, "torch": torch.__version__, "passes": passes(args, say)}
    if "precision" in args.only.split(","):
        out["precision"] = precision(args, say)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(out, f, indent=1)


if __name__ == "__main__":
    main()
