"""The passes of `viswords bench sd` in diffusers: the UNet forward, a step back to the text's states, the autoencoder.

    python tools/bench/sd.py MODEL_DIR [--pictures 1,4] [--threads 2] [--device cpu] [--dtype float32] [--compile]
                             [--layout channels_last | default] [--viswords build/release/viswords [--rounds 3]]

scaled_dot_product_attention, channels-last convolutions or PyTorch's default layout (on CPUs both run in oneDNN),
optionally torch.compile. The shortest time of each counts, and the least processor time of all threads (`cpu`): on a
machine that others use only the latter can be compared. With --settle the mean of the last third, once that is within 1 %
of the third before (as `viswords bench sd --settle`). `word` goes through text encoder and UNet, forward and back to one
embedding, as learning a word does.

With --viswords: on a CPU, viswords, then PyTorch in either layout (and compiled, with --compile), each in a process of its
own that ends before the next begins, --rounds times in turn. Each side's best counts; then ratios to PyTorch's best, and the
most anonymous memory each process held (sampled; mapped files do not count). Ran with torch 2.15.0, diffusers 0.39.0,
transformers 4.57.6.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time


def shortest(f, seconds, device):
    """Shortest seconds of a run, least processor seconds of one."""

    def wait():
        if device != "cpu":
            torch.cuda.synchronize()

    f(), wait()
    best, cpu, start = float("inf"), float("inf"), time.perf_counter()
    while best == float("inf") or time.perf_counter() - start < seconds:
        begun, cpu_begun = time.perf_counter(), time.process_time()
        f(), wait()
        best, cpu = min(best, time.perf_counter() - begun), min(cpu, time.process_time() - cpu_begun)
    return best, cpu


def settled(f, seconds, device):
    """Mean seconds of a run in the last third, seconds of all runs, and whether the two last thirds agree to 1 %."""

    def window(n):
        begun = time.perf_counter()
        for _ in range(n):
            f()
        if device != "cpu":
            torch.cuda.synchronize()
        return (time.perf_counter() - begun) / n

    window(1), window(1)  # compilation, caches
    runs, times, start = max(1, int(seconds / 120 / window(1))), [], time.perf_counter()
    while True:
        times.append(window(runs))
        third, took = len(times) // 3, time.perf_counter() - start
        last = times[-third:] if third else times
        one = sum(last) / len(last)
        ok = len(times) >= 6 and abs(one - sum(times[-2 * third : -third]) / third) <= 0.01 * one
        if ok and took >= seconds / 3 or took >= seconds:
            return one, took, bool(ok and took >= seconds / 3)


# ---- both sides in turn


def run(command):
    """Runs to the end; returns the most anonymous memory that it held, in bytes."""
    child, most = subprocess.Popen(command, stdout=subprocess.DEVNULL), 0
    while child.poll() is None:
        try:
            with open(f"/proc/{child.pid}/status") as f:
                held = [line.split()[1] for line in f if line.startswith("RssAnon")]
            most = max(most, 1024 * int(held[0]) if held else 0)
        except OSError:
            pass  # it has ended
        time.sleep(0.05)
    if child.returncode:
        sys.exit(f"{command[0]} ended with {child.returncode}")
    return most


def sides(a, name, file):
    """(who, command that leaves its rows in `file`)"""
    options = ["--pictures", a.pictures, "--only", name, "--seconds", str(a.seconds), "--threads", str(a.threads)]
    yield "viswords", [a.viswords, "bench", "sd", a.model, *options, "--save", file]
    mine = [sys.executable, __file__, a.model, *options, "--json", file]
    for layout in ("channels_last", "default"):
        yield f"torch, {layout}", [*mine, "--layout", layout]
    if a.compile:
        yield "torch, compiled", [*mine, "--compile"]


def compare(a):
    out = []
    for name in a.only.split(",") if a.only else ("unet", "word", "encode", "decode"):
        best = {}
        for _ in range(a.rounds):
            with tempfile.NamedTemporaryFile(suffix=".json") as file:
                for who, command in sides(a, name, file.name):
                    memory = run(command)
                    with open(file.name) as f:
                        rows = json.load(f)["rows"]
                    for row in rows:
                        old = best.get((row["pictures"], who))
                        new = {"seconds": row["seconds"], "cpu_seconds": row["cpu_seconds"], "peak_bytes": memory}
                        best[row["pictures"], who] = {k: min(v, old[k]) for k, v in new.items()} if old else new
        for (pictures, who), row in best.items():
            theirs = [r for (n, w), r in best.items() if n == pictures and w != "viswords"]
            ratio = {k: row[k] / min(r[k] for r in theirs) for k in row}
            out.append({"pass": name, "pictures": pictures, "who": who, **row})
            print(f"  {name:7} {pictures:3}  {who:21} {row['seconds']:8.2f} s, {row['cpu_seconds']:8.2f} of CPU, "
                  f"{1e-9 * row['peak_bytes']:6.2f} GB; by torch's best {1 / ratio['seconds']:5.2f} x as fast, "
                  f"{1 / ratio['cpu_seconds']:5.2f} by CPU, {ratio['peak_bytes']:5.2f} of the memory", flush=True)
    if a.json:
        with open(a.json, "w") as f:
            json.dump({"threads": a.threads, "rounds": a.rounds, "rows": out}, f, indent=1)


# ---- diffusers' side


def load_json(path):
    with open(path) as f:
        return json.load(f)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("model")
    ap.add_argument("--pictures", default="1,4")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--seconds", type=float, default=3)
    ap.add_argument("--device", default="cpu")
    ap.add_argument("--dtype", default="float32")
    ap.add_argument("--compile", action="store_true")
    ap.add_argument("--only", help="unet, word, encode or decode")
    ap.add_argument("--settle", action="store_true")
    ap.add_argument("--json", metavar="FILE")
    ap.add_argument("--layout", choices=("channels_last", "default"), default="channels_last")
    ap.add_argument("--viswords", metavar="PROGRAM", help="also this program, in turn with PyTorch, on a CPU")
    ap.add_argument("--rounds", type=int, default=3)
    a = ap.parse_args()
    if a.viswords:
        return compare(a)
    global torch
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    rows = []
    torch.set_num_threads(a.threads)
    dtype = getattr(torch, a.dtype)
    layout = torch.channels_last if a.layout == "channels_last" else torch.contiguous_format

    def load(passes, kind, folder, **options):
        if a.only and a.only not in passes:
            return None  # its memory would count
        m = kind.from_pretrained(f"{a.model}/{folder}", **options).to(a.device, memory_format=layout)
        return m.eval().requires_grad_(False)

    unet = load(("unet", "word"), UNet2DConditionModel, "unet", torch_dtype=dtype)
    vae = load(("encode", "decode"), AutoencoderKL, "vae", torch_dtype=dtype)
    text = load(("word",), CLIPTextModel, "text_encoder", dtype=torch.float32)
    if a.compile:
        unet = unet and torch.compile(unet)
        if vae:
            vae.encoder, vae.decoder = torch.compile(vae.encoder), torch.compile(vae.decoder)
    config = {part: load_json(f"{a.model}/{part}/config.json") for part in ("unet", "vae", "text_encoder")}
    side, J = config["unet"]["sample_size"], config["text_encoder"].get("max_position_embeddings", 77)
    channels, width = config["unet"].get("in_channels", 4), config["unet"]["cross_attention_dim"]
    factor = 2 ** (len(config["vae"]["block_out_channels"]) - 1)

    def random(*shape):
        return torch.randn(*shape, device=a.device, dtype=dtype).contiguous(memory_format=layout)

    def say(name, B, make):
        if a.only and a.only != name:
            return
        f, row = make(), {"pass": name, "pictures": B}
        if a.settle:
            row["seconds"], row["measured_s"], row["settled"] = settled(f, a.seconds, a.device)
        else:
            row["seconds"], row["cpu_seconds"] = shortest(f, a.seconds, a.device)
        row["pictures_per_s"] = B / row["seconds"]
        rows.append(row)
        cpu = f" ({1e3 * row['cpu_seconds']:.1f} of CPU)" if "cpu_seconds" in row else ""
        note = "" if "settled" not in row else f"  {'settled' if row['settled'] else 'NOT settled'} in {row['measured_s']:.1f} s"
        print(f"  {name:7} {B:3}  {1e3 * row['seconds']:10.1f} ms{cpu}  {row['pictures_per_s']:9.3f} pictures/s{note}", flush=True)

    def step(B):
        table = text.text_model.embeddings.token_embedding.weight
        x, noise, t = random(B, channels, side, side), random(B, channels, side, side), torch.zeros(B, device=a.device)
        word = table[5].clone().requires_grad_()

        def run():
            def splice(module, inputs, out):
                return torch.cat([out[:, :5], word[None, None], out[:, 6:]], 1)

            hook = text.text_model.embeddings.token_embedding.register_forward_hook(splice)
            states = text(torch.arange(J, device=a.device)[None]).last_hidden_state.to(dtype).expand(B, -1, -1)
            hook.remove()
            loss = torch.nn.functional.mse_loss(unet(x, t, encoder_hidden_states=states).sample, noise)
            return torch.autograd.grad(loss, word)[0]

        return run

    for B in map(int, a.pictures.split(",")):
        x, t = random(B, channels, side, side), torch.zeros(B, device=a.device)
        states = torch.randn(B, J, width, device=a.device, dtype=dtype)
        with torch.no_grad():
            say("unet", B, lambda: lambda: unet(x, t, encoder_hidden_states=states).sample)
        say("word", B, lambda: step(B))
    with torch.no_grad():
        picture, z = random(1, 3, factor * side, factor * side), random(1, channels, side, side)
        say("encode", 1, lambda: lambda: vae.encode(picture).latent_dist.parameters)
        say("decode", 1, lambda: lambda: vae.decode(z).sample)
    if a.json:
        device = torch.cuda.get_device_name() if a.device != "cpu" else "cpu"
        head = {"torch": torch.__version__, "device": device, "dtype": a.dtype, "compile": a.compile, "layout": a.layout,
                "rows": rows}
        with open(a.json, "w") as f:
            json.dump(head, f, indent=1)


if __name__ == "__main__":
    main()
