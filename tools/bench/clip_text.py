"""PyTorch's side of `viswords bench clip`: how fast words are learned with a full-size CLIP text encoder.

    python tools/bench/clip_text.py                                  # ViT-L/14, 2 threads, fp32
    python tools/bench/clip_text.py --threads 16 --dtype bf16 --compile
    python tools/bench/clip_text.py --trials 1,64 --seconds 5 --json out.json

Weights are random: speed does not depend on them. Both ways train for real (template, 8 + 8 pictures, loss, gradient,
update); image features are cached in both, as nobody would encode a picture twice.

  loop      what a user of PyTorch writes: one trial, all 77 positions, backward to the word, torch.optim.AdamW
  savings   what viswords saves, in PyTorch's best batched form: keys and values of the constant prefix cached, only
            the positions from the word on, the last layer only where it is pooled, B trials a step, one AdamW for all

Neither computes weight gradients. Of the softmax over all classes only the word's own logit changes: the sum over the
other classes is constant and cached in `savings`, computed in full in `loop`.
Prints trial-steps/s (best of --repeats timed runs), GFLOP/s of counted work (forward, and backward to the input) and
its share of sgemm, which is measured in the same run: torch.mm, 2048^3, same threads and data type.
Ran with Python 3.11, torch 2.15.0.
"""

import argparse
import json
import platform
import time

import torch
import torch.nn.functional as F

# Text encoders of hub models: width, MLP, layers, heads, projection.
MODELS = {
    "vit-b-32": (512, 2048, 12, 8, 512),
    "vit-l-14": (768, 3072, 12, 12, 768),
    "vit-h-14": (1024, 4096, 24, 16, 1024),
}
POSITIONS, PREFIX, TAIL = 77, 5, 2  # "a photo of a {}": start and 4 tokens; the word and end-of-text
CLASSES, PICTURES, BATCH = 100, 256, 16


class Block(torch.nn.Module):
    """A pre-norm transformer block; queries, keys and values in one product."""

    def __init__(self, width, mlp, heads):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.fc1, self.fc2 = torch.nn.Linear(width, mlp), torch.nn.Linear(mlp, width)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def rest(self, x, attended):
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        h = self.fc1(self.ln2(x))
        return x + self.fc2(h * torch.sigmoid(1.702 * h))

    def forward(self, x):
        """All positions x [B, T, C]; also the keys and values, for the cache."""
        q, k, v = (self.split(y) for y in self.qkv(self.ln1(x)).chunk(3, -1))
        return self.rest(x, F.scaled_dot_product_attention(q, k, v, is_causal=True)), (k, v)

    def tail(self, x, cached, mask, last):
        """Positions from the word on, x [B, T, C], after the cached prefix; in the last layer the pooled one alone."""
        q, k, v = (self.split(y) for y in self.qkv(self.ln1(x)).chunk(3, -1))
        k, v = (torch.cat([c.expand(len(x), -1, -1, -1), y], 2) for c, y in zip(cached, (k, v)))
        if last:
            x, q, mask = x[:, -1:], q[:, :, -1:], None
        return self.rest(x, F.scaled_dot_product_attention(q, k, v, attn_mask=mask))


class TextEncoder(torch.nn.Module):
    def __init__(self, width, mlp, layers, heads, projection):
        super().__init__()
        self.blocks = torch.nn.ModuleList(Block(width, mlp, heads) for _ in range(layers))
        self.norm = torch.nn.LayerNorm(width)
        self.projection = torch.nn.Linear(width, projection, bias=False)

    def feature(self, x):
        return F.normalize(self.projection(self.norm(x)).float(), dim=-1)

    def forward(self, x, end):
        for block in self.blocks:
            x, _ = block(x)
        return self.feature(x[:, end])

    def tail(self, x, cache, mask):
        for i, block in enumerate(self.blocks):
            x = block.tail(x, cache[i], mask, i + 1 == len(self.blocks))
        return self.feature(x[:, -1])


class Task:
    """Random weights, pictures and class texts of one size."""

    def __init__(self, args):
        self.size = width, _, _, _, projection = MODELS[args.model]
        torch.manual_seed(0)
        self.encoder = TextEncoder(*self.size).requires_grad_(False)
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16")
        self.row = torch.randn(POSITIONS, width) * 0.02  # embedded tokens of the template, positions included
        self.features = F.normalize(torch.randn(PICTURES, projection), dim=-1)
        self.classes = F.normalize(torch.randn(CLASSES, projection), dim=-1)
        self.label = torch.randint(0, CLASSES - 1, (PICTURES,))
        self.scale, self.compile = 100.0, args.compile

    def optimiser(self, words):
        return torch.optim.AdamW([words], lr=1e-3, weight_decay=0.0, foreach=True)

    def loop(self):
        """One trial as usually written: returns step()."""
        word = (torch.randn(self.size[0]) * 0.02).requires_grad_()
        optimiser = self.optimiser(word)

        def loss_of(word, picture):
            x = torch.cat([self.row[:PREFIX], word[None], self.row[PREFIX + 1 :]])[None]
            texts = torch.cat([self.classes[:-1], self.encoder(x, PREFIX + 1)])
            label = torch.where(torch.arange(BATCH) < BATCH // 2, CLASSES - 1, self.label[picture])
            return F.cross_entropy(self.scale * self.features[picture] @ texts.T, label)

        return self.step(word, optimiser, loss_of, (BATCH,))

    @torch.no_grad()
    def cache(self):
        """Keys and values [1, heads, PREFIX, head] of every layer, and the logits of the other classes."""
        x, cache = self.row[None, :PREFIX], []
        for block in self.encoder.blocks:
            x, kv = block(x)
            cache.append(tuple(y.contiguous() for y in kv))
        z = self.scale * self.features @ self.classes[:-1].T
        return cache, z.logsumexp(1), z.gather(1, self.label[:, None])[:, 0]

    def savings(self, trials):
        """`trials` words at once with everything saved: returns step()."""
        with self.autocast:
            cache, rest, truth = self.cache()
        words = (torch.randn(trials, self.size[0]) * 0.02).requires_grad_()
        optimiser, end = self.optimiser(words), self.row[PREFIX + 1].expand(trials, 1, -1)
        mask = torch.ones(TAIL, PREFIX + TAIL, dtype=torch.bool).tril(PREFIX)
        positive = torch.arange(BATCH) < BATCH // 2

        def loss_of(words, picture):
            q = self.encoder.tail(torch.cat([words[:, None], end], 1), cache, mask)
            z = self.scale * (self.features[picture] @ q[:, :, None])[..., 0]
            return (torch.logaddexp(z, rest[picture]) - torch.where(positive, z, truth[picture])).mean(1).sum()

        return self.step(words, optimiser, loss_of, (trials, BATCH))

    def step(self, words, optimiser, loss_of, shape):
        if self.compile:
            loss_of = torch.compile(loss_of)

        def step():
            picture = torch.randint(0, PICTURES, shape)
            with self.autocast:
                loss = loss_of(words, picture)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

        return step

    def flops(self, savings):
        """Counted work of a trial-step: products of the forward pass, and as much again for the gradient."""
        width, mlp, layers, _, projection = self.size
        if not savings:
            token = 2 * (4 * width * width + 2 * width * mlp)
            attention = 2 * 2 * width * POSITIONS * (POSITIONS + 1) / 2
            return 2 * (layers * (POSITIONS * token + attention) + 2 * width * projection)
        qkv, after = 2 * 3 * width * width, 2 * (width * width + 2 * width * mlp)
        attention = 2 * 2 * width * (PREFIX + (TAIL + 1) / 2) * TAIL
        last = TAIL * qkv + after + 2 * 2 * width * (PREFIX + TAIL)
        return 2 * ((layers - 1) * (TAIL * (qkv + after) + attention) + last + 2 * width * projection)


def rate(step, seconds, repeats, warm=2):
    """Steps a second, the best of `repeats` runs of `seconds`; warms up first (compilation included). Where the last of
    these steps alone takes longer than `seconds` it counts: a large network runs for minutes."""
    for _ in range(warm):
        start = time.perf_counter()
        step()
        taken = time.perf_counter() - start
    if taken > seconds:
        return 1 / taken
    best = 0.0
    for _ in range(repeats):
        n, start = 0, time.perf_counter()
        while (taken := time.perf_counter() - start) < seconds:
            step()
            n += 1
        best = max(best, n / taken)
    return best


def gemm_rate(dtype, seconds, repeats, n=2048):
    """GFLOP/s of torch.mm."""
    a, b = (torch.randn(n, n).to(dtype) for _ in range(2))
    out = torch.empty(n, n, dtype=dtype)
    return rate(lambda: torch.mm(a, b, out=out), seconds, repeats) * 2 * n**3 / 1e9


def check(task):
    """The savings change nothing: the same feature from 77 positions and from the 2 that matter."""
    cache, _, _ = task.cache()
    word = torch.randn(1, task.size[0]) * 0.02
    x = torch.cat([task.row[:PREFIX], word, task.row[PREFIX + 1 :]])[None]
    mask = torch.ones(TAIL, PREFIX + TAIL, dtype=torch.bool).tril(PREFIX)
    tail = task.encoder.tail(torch.cat([word[:, None], task.row[None, PREFIX + 1 : PREFIX + 2]], 1), cache, mask)
    error = (tail - task.encoder(x, PREFIX + 1)).abs().max().item()
    assert error < 1e-5, f"savings differ by {error}"


def cpu_name():
    """As Linux names it, else the architecture."""
    try:
        with open("/proc/cpuinfo") as f:
            return next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", choices=MODELS, default="vit-l-14")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--trials", default="1,16,64,256", help="words a step of the batched form, separated by commas")
    p.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32",
                   help="bf16: autocast, words and losses stay fp32; slow on CPUs without bf16")
    p.add_argument("--compile", action="store_true", help="torch.compile both (needs a C++ compiler)")
    p.add_argument("--seconds", type=float, default=3.0, help="of one timed run")
    p.add_argument("--repeats", type=int, default=3, help="timed runs; the best counts")
    p.add_argument("--json", metavar="FILE", help="write the numbers there too; - for standard output alone")
    return p.parse_args()


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    say = (lambda *a: None) if args.json == "-" else lambda *a: print(*a, flush=True)
    task = Task(args)
    check(task)
    kind = torch.bfloat16 if args.dtype == "bf16" else torch.float32
    gemm = gemm_rate(kind, args.seconds, args.repeats)
    head = {"torch": torch.__version__, "cpu": cpu_name(), "threads": args.threads,
            "model": args.model, "dtype": args.dtype, "compile": args.compile, "gemm_gflops": gemm}
    say(f"{args.model}, {args.dtype}, torch {torch.__version__}, {args.threads} threads"
        f"{', compiled' if args.compile else ''}; torch.mm {gemm:.1f} GFLOP/s")
    say(f"{'way':>8} {'trials':>6} {'trial-steps/s':>14} {'GFLOP/s':>9} {'of gemm':>8}")
    results = []
    for way, trials in [("loop", 1), *(("savings", int(t)) for t in args.trials.split(","))]:
        step = task.loop() if way == "loop" else task.savings(trials)
        speed = rate(step, args.seconds, args.repeats) * trials
        gflops = speed * task.flops(way == "savings") / 1e9
        results.append({"way": way, "trials": trials, "trial_steps_per_s": speed, "gflops": gflops,
                        "of_gemm": gflops / gemm})
        say(f"{way:>8} {trials:>6} {speed:>14.2f} {gflops:>9.1f} {gflops / gemm:>7.0%}")
    text = json.dumps({**head, "results": results}, indent=1)
    if args.json == "-":
        print(text)
    elif args.json:
        with open(args.json, "w") as f:
            f.write(text + "\n")


if __name__ == "__main__":
    main()
