"""PyTorch's side of `viswords bench gpu`: the same work on one GPU, as rows that can be divided by each other.

    python tools/bench/gpu.py                                         # ViT-L/14 on the GPU; every way, best counts
    viswords bench gpu MODEL_DIR --save bench.json && python tools/bench/gpu.py --against bench.json --json torch.json
    python tools/bench/gpu.py --device cpu --size tiny --trials 1,2 --pictures 1 --order 64 --seconds 0.01   # tries itself

Networks (weights are random: speed does not depend on them):

  text savings   `trials` words a step with everything saved that viswords saves (tools/bench/clip_text.py): cached keys
                 and values of the prefix, two positions, the last layer only where it is pooled, one AdamW for all words
  text loop      what a user of PyTorch writes: one trial a step, all 77 positions, picture features cached
  image          the image tower's forward pass, the last layer only for the class token

Ways: eager; compiled (torch.compile); graph (eager, the whole step captured as one CUDA graph); compiled-graph
(torch.compile, mode max-autotune, which captures graphs itself). Precisions: fp32, tf32 (fp32 storage, products rounded), bf16
(autocast for words, which stay fp32; the image tower's weights and activations in bf16). Attention is
scaled_dot_product_attention. Times: CUDA events around many steps, the best of --repeats; on a CPU a steady clock.
A way that fails is a row with its error. Ceilings (copy, square products) are measured in the same run.

--against FILE takes the JSON of `viswords bench gpu`: the rows get `viswords_per_torch`, the ratio of rates to the best
row here of the same network, batch and precision; and every kernel of its tables that PyTorch has (linear, layernorm,
attention, their gradients, add, l2norm) is timed at the same shapes and storage types.

Ran with Python 3.11 and torch 2.15.0 on a CPU; never on a GPU yet.
"""

import argparse
import json
import re
import time

import clip_text
import torch
import torch.nn.functional as F

# Text: width, MLP, layers, heads, projection. Image: width, MLP, layers, heads, picture, patch.
SIZES = {
    "tiny": ((192, 288, 6, 3, 192), (144, 576, 6, 4, 64, 8)),
    "B/32": ((512, 2048, 12, 8, 512), (768, 3072, 12, 12, 224, 32)),
    "L/14": ((768, 3072, 12, 12, 768), (1024, 4096, 24, 16, 224, 14)),
    "H/14": ((1024, 4096, 24, 16, 1024), (1280, 5120, 32, 16, 224, 14)),
}
WAYS = ["eager", "graph", "compiled", "compiled-graph"]
KINDS = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


class Clock:
    """Seconds of a step: many are enqueued between two events of the device, or two readings of the host's clock."""

    def __init__(self, device, seconds, repeats):
        self.cuda, self.seconds, self.repeats = device == "cuda", seconds, repeats

    def once(self, step, n):
        if not self.cuda:
            start = time.perf_counter()
            for _ in range(n):
                step()
            return (time.perf_counter() - start) / n
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        for _ in range(n):
            step()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1e3 / n

    def __call__(self, step):
        for _ in range(3):  # compilation, caches, algorithms
            step()
        n = max(1, min(100000, int(self.seconds / max(self.once(step, 1), 1e-7))))
        return min(self.once(step, n) for _ in range(self.repeats))


class ImageBlock(clip_text.Block):
    """No mask; `last`: only the class token goes on behind the attention, the rest is read by nobody."""

    def forward(self, x, last):
        q, k, v = (self.split(y) for y in self.qkv(self.ln1(x)).chunk(3, -1))
        if last:
            x, q = x[:, :1], q[:, :, :1]
        return self.rest(x, F.scaled_dot_product_attention(q, k, v))


class ImageTower(torch.nn.Module):
    def __init__(self, width, mlp, layers, heads, picture, patch, projection):
        super().__init__()
        self.patches = torch.nn.Conv2d(3, width, patch, patch, bias=False)
        self.token = torch.nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.position = torch.nn.Parameter(torch.randn(1, (picture // patch) ** 2 + 1, width) * 0.02)
        self.before, self.after = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.blocks = torch.nn.ModuleList(ImageBlock(width, mlp, heads) for _ in range(layers))
        self.projection = torch.nn.Linear(width, projection, bias=False)

    def forward(self, pixels):
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = self.before(torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position)
        for i, block in enumerate(self.blocks):
            x = block(x, i + 1 == len(self.blocks))
        return F.normalize(self.projection(self.after(x[:, 0])).float(), dim=-1)


def image_flops(width, mlp, layers, _, picture, patch, projection):
    """Counted work of a picture: products of the forward pass."""
    n = (picture // patch) ** 2
    tokens = n + 1
    qkv, after = 2 * 3 * width * width, 2 * (width * width + 2 * width * mlp)
    full = tokens * (qkv + after) + 4 * width * tokens * tokens
    last = tokens * qkv + after + 4 * width * tokens
    return 2 * n * 3 * patch * patch * width + (layers - 1) * full + last + 2 * width * projection


def set_precision(precision):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "fp32"


def ceilings(args, clock):
    """Copy in GB/s (read and written), products in TFLOP/s by precision: random numbers, square matrices."""
    n, products = args.order, {}
    a, b = torch.ones(4 * n * n), torch.empty(4 * n * n)
    copy = 2 * a.numel() * a.element_size() / clock(lambda: b.copy_(a))
    del a, b
    for precision in args.precisions:
        set_precision(precision)
        x, y = (torch.randn(n, n).to(KINDS[precision]) for _ in range(2))
        z = torch.empty_like(x)
        products[precision] = 2 * n**3 / clock(lambda x=x, y=y, z=z: torch.mm(x, y.t(), out=z)) / 1e12
    return {"copy_gb_per_s": copy / 1e9, "order": n, "products_tflops": products}


def captured(step):
    """The whole step as one CUDA graph: what a user does who wants no launch gaps."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


class Words(clip_text.Task):
    """clip_text's tasks on a device; moments and step counter of AdamW there too, so that a step can be captured."""

    def __init__(self, args, precision, way):
        self.args, self.size = args, SIZES[args.size][0]
        self.mode = "max-autotune" if way == "compiled-graph" else None
        clip_text.MODELS["measured"] = self.size
        super().__init__(argparse.Namespace(model="measured", dtype=precision, compile=way.startswith("compiled")))
        self.autocast = torch.autocast(args.device, torch.bfloat16, enabled=precision == "bf16")

    def optimiser(self, words):
        return torch.optim.AdamW([words], lr=1e-3, weight_decay=0.0, foreach=True, capturable=self.args.device == "cuda")

    def step(self, words, optimiser, loss_of, shape):
        if self.compile:
            loss_of, self.compile = torch.compile(loss_of, mode=self.mode), False
        return super().step(words, optimiser, loss_of, shape)


def open_text(args, precision, way, batch):
    """step(), counted work of a step."""
    task, savings = Words(args, precision, way), batch > 0
    step = task.savings(batch) if savings else task.loop()
    return (captured(step) if way == "graph" else step), task.flops(savings) * max(batch, 1)


def open_image(args, precision, way, batch):
    text, image = SIZES[args.size]
    tower = ImageTower(*image, text[4]).requires_grad_(False).to(KINDS[precision]).eval()
    pixels = torch.randn(batch, 3, image[4], image[4]).to(KINDS[precision])
    run = tower
    if way.startswith("compiled"):
        run = torch.compile(tower, mode="max-autotune" if way == "compiled-graph" else None)

    @torch.no_grad()
    def step():
        run(pixels)

    return (captured(step) if way == "graph" else step), batch * image_flops(*image, text[4])


def measure(args, clock, top, network, opener, precision, way, batch):
    """One row; an error is one too: memory that is too small, a way that this version cannot go."""
    cuda = args.device == "cuda"
    name = "image" if network == "image" else "text"
    row = {"network": name, "way": network.removeprefix("text ") if name == "text" else "forward", "run": way,
           "precision": precision, "batch": max(batch, 1)}
    try:
        torch._dynamo.reset()
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        set_precision(precision)
        step, flops = opener(args, precision, way, batch)
        seconds = clock(step)
    except Exception as error:  # noqa: BLE001 - whatever PyTorch raises belongs into the table
        return {**row, "error": (str(error).strip() or type(error).__name__).splitlines()[0][:200]}
    return {**row, "seconds": seconds, "rate": row["batch"] / seconds, "unit": "trial-steps" if name == "text" else "images",
            "tflops": flops / seconds / 1e12, "share_of_products": flops / seconds / 1e12 / top["products_tflops"][precision],
            "memory_bytes": {"peak": torch.cuda.max_memory_allocated() if cuda else None}}


# ---- kernels of viswords' tables

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def tensor(text):
    """"f32[64, 2, 768]" as random numbers; None for what PyTorch's op has no use for: integers, empty tensors."""
    kind, dims = re.fullmatch(r"(\w+)\[([\d, ]*)\]", text).groups()
    shape = [int(d) for d in dims.split(",") if d.strip()]
    return torch.randn(shape).to(DTYPES[kind]) if kind in DTYPES and 0 not in shape else None


def attention_of(row, grad):
    """Queries, keys and values as viswords packs them, behind a cached prefix where there is one; heads from the kept
    log-sum-exps. A prefix enters as more keys; its mask is causal from there on."""
    tensors = [tensor(t) for t in row["in"]]
    packed, kept = (tensors[1], tensors[-1]) if grad else (tensors[0], tensor(row["out"][1]))
    prefix = next((t for t in tensors if t is not None and t.ndim == 3 and t.shape[-1] * 3 == packed.shape[-1] * 2), None)
    batch, length, width = packed.shape[0], packed.shape[1], packed.shape[2] // 3
    q, k, v = (y.reshape(batch, length, kept.shape[1], -1).transpose(1, 2).contiguous() for y in packed.split(width, -1))
    if prefix is None:
        return q, k, v, None
    pk, pv = (y.reshape(1, prefix.shape[1], kept.shape[1], -1).transpose(1, 2).expand(batch, -1, -1, -1)
              for y in prefix[:1].split(width, -1))
    mask = torch.ones(length, prefix.shape[1] + length, dtype=torch.bool).tril(prefix.shape[1])
    return q, torch.cat([pk, k], 2).contiguous(), torch.cat([pv, v], 2).contiguous(), mask


def gradient_of(forward, *inputs):
    """step() of the backward pass alone, to every input."""
    inputs = [x.requires_grad_() for x in inputs]
    y = forward(*inputs)
    dy = torch.randn_like(y)
    return lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)


def kernel_step(row):
    """step() of PyTorch's equivalent, or None where it has none in one call."""
    ins = [tensor(t) for t in row["in"]]
    op = row["op"]
    if op == "linear":
        bias = ins[2] if len(ins) > 2 and ins[2] is not None and ins[2].ndim == 1 else None
        x, bias = ins[0].to(ins[1].dtype), bias.to(ins[1].dtype) if bias is not None else None
        return lambda: F.linear(x, ins[1], bias)
    if op == "linear_grad":
        dy = ins[0].to(ins[1].dtype)
        return lambda: torch.matmul(dy, ins[1])
    if op == "layernorm":
        gamma, beta = (y.to(ins[0].dtype) for y in ins[1:3])
        return lambda: F.layer_norm(ins[0], gamma.shape, gamma, beta)
    if op == "layernorm_grad":
        x, gamma = ins[1], ins[2].to(ins[1].dtype)
        return gradient_of(lambda x: F.layer_norm(x, gamma.shape, gamma), x)
    if op in ("attention", "attention_grad"):
        q, k, v, mask = attention_of(row, op == "attention_grad")
        run = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # noqa: E731
        return gradient_of(run, q, k, v) if op == "attention_grad" else lambda: run(q, k, v)
    if op == "add":
        return lambda: ins[0] + ins[1]
    if op == "l2norm":
        return lambda: F.normalize(ins[0], dim=-1)
    return None


def kernels(table, args, clock):
    """Rows of viswords' kernels with PyTorch's time at the same shapes."""
    rows = []
    for row in table:
        made = {k: row[k] for k in ("op", "in", "out", "calls")} | {"viswords_seconds": row["seconds"]}
        try:
            step = kernel_step(row)
            if step is None:
                continue
            with torch.no_grad() if not row["op"].endswith("_grad") or row["op"] == "linear_grad" else torch.enable_grad():
                # captured: no launch gaps between small ones; a backward pass runs on its forward's stream and is not
                alone = clock.cuda and row["op"] not in ("layernorm_grad", "attention_grad")
                made["seconds"] = clock(captured(step) if alone else step)
            made["viswords_per_torch"] = made["seconds"] / row["seconds"]
        except Exception as error:  # noqa: BLE001
            made["error"] = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        rows.append(made)
    return rows


def compare(theirs, rows, args, clock, say):
    """Ratios to viswords' rows, and its kernels."""
    out = []
    set_precision("tf32")
    for row in theirs["networks"]:
        if "error" in row:
            continue
        same = [r for r in rows if "rate" in r and r["way"] != "loop" and all(r[k] == row[k] for k in ("network", "batch"))]
        best = max(same, key=lambda r: r["rate"], default=None)
        one = {"network": row["network"], "batch": row["batch"], "viswords_rate": row["rate"],
               "kernels": kernels(row["kernels"], args, clock)}
        if best:
            one |= {"torch_rate": best["rate"], "torch_run": best["run"], "torch_precision": best["precision"],
                    "viswords_per_torch": row["rate"] / best["rate"]}
            say(f"{row['network']:>6} {row['batch']:>6}: viswords {row['rate']:.1f} {row['unit']}/s, torch {best['rate']:.1f} "
                f"({best['precision']}, {best['run']}): {one['viswords_per_torch']:.2f}")
        for k in sorted(one["kernels"], key=lambda k: -k["calls"] * k["viswords_seconds"]):
            if "seconds" in k:
                say(f"    {k['op']:>14} {k['viswords_per_torch']:6.2f} x torch's {1e6 * k['seconds']:10.2f} us  "
                    + " ".join(k["in"]))
        out.append(one)
    return out


def numbers(text):
    return [int(n) for n in text.split(",")]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    p.add_argument("--size", choices=SIZES, default="L/14")
    p.add_argument("--trials", type=numbers, default=[1, 16, 64, 256, 1024, 1600], help="words a step, separated by commas")
    p.add_argument("--pictures", type=numbers, default=[1, 16, 64, 256])
    p.add_argument("--precisions", type=lambda t: t.split(","), default=["fp32", "tf32", "bf16"])
    p.add_argument("--order", type=int, default=8192, help="of the square products")
    p.add_argument("--only", choices=["ceilings", "text", "image"])
    p.add_argument("--seconds", type=float, default=1.0, help="of one timed run")
    p.add_argument("--repeats", type=int, default=3, help="timed runs; the best counts")
    p.add_argument("--ways", type=lambda t: t.split(","), default=WAYS, help=f"of {','.join(WAYS)}; on a CPU no graphs")
    p.add_argument("--limit", type=float, default=float("inf"), metavar="S",
                   help="begin no row after S seconds: compiled ways come last and take longest")
    p.add_argument("--against", metavar="FILE", help="JSON of `viswords bench gpu`: ratios, and its kernels in PyTorch")
    p.add_argument("--json", metavar="FILE", help="write everything there too")
    return p.parse_args()


def write(args, out):
    if args.json:
        with open(args.json, "w") as f:
            json.dump(out, f, indent=1)


def main():
    args = arguments()
    cuda = args.device == "cuda"
    if cuda and not torch.cuda.is_available():
        raise SystemExit("gpu.py: this torch sees no GPU; --device cpu tries the script itself")
    torch.set_default_device(args.device)
    if not cuda:  # nothing rounds to TF32 there
        args.precisions = [p for p in args.precisions if p != "tf32"]
    ways = [way for way in WAYS if way in args.ways and (cuda or "graph" not in way)]
    clock = Clock(args.device, args.seconds, args.repeats)
    begun = time.monotonic()
    name = torch.cuda.get_device_name() if cuda else clip_text.cpu_name()
    top = ceilings(args, clock)
    print(f"{name}, torch {torch.__version__}, CLIP {args.size}; copy {top['copy_gb_per_s']:.1f} GB/s; " +
          "; ".join(f"{k} {v:.3f} TFLOP/s" for k, v in top["products_tflops"].items()), flush=True)
    print(f"{'network':>12} {'batch':>6} {'prec.':>6} {'run':>14} {'ms/step':>10} {'rate/s':>12} {'TFLOP/s':>9} {'products':>8}")
    work = [("text loop", open_text, [0])] + [("text savings", open_text, args.trials)] if args.only in (None, "text") else []
    work += [("image", open_image, args.pictures)] if args.only in (None, "image") else []
    rows = []
    out = {"device": name, "torch": torch.__version__, "cuda": torch.version.cuda, "size": args.size, "ceilings": top,
           "networks": rows}
    todo = [(way, network, opener, batch, precision) for way in ways for network, opener, batches in work
            for batch in batches for precision in args.precisions]
    for way, network, opener, batch, precision in todo:
        if time.monotonic() - begun > args.limit:
            print(f"--limit: {len(todo) - len(rows)} rows left out")
            break
        row = measure(args, clock, top, network, opener, precision, way, batch)
        rows.append(row)
        head = f"{network:>12} {row['batch']:>6} {precision:>6} {way:>14} "
        print(head + (row["error"] if "error" in row else f"{1e3 * row['seconds']:>10.3f} {row['rate']:>12.1f} "
                      f"{row['tflops']:>9.3f} {row['share_of_products']:>7.1%}"), flush=True)
        write(args, out)  # whatever ends it early
    if args.against:
        with open(args.against) as f:
            short = Clock(args.device, min(args.seconds, 0.1), args.repeats)
            out["against"] = compare(json.load(f), rows, args, short, lambda text: print(text, flush=True))
        write(args, out)


if __name__ == "__main__":
    main()
