"""The passes of `viswords bench sd` in diffusers: the UNet forward, a step back to the text's states, the autoencoder.

    python tools/bench/sd.py MODEL_DIR [--pictures 1,4] [--threads 2] [--device cpu] [--dtype float32] [--compile]

Channels-last convolutions, scaled_dot_product_attention, optionally torch.compile. The shortest time of each counts;
with --settle the mean of the last third, once that is within 1 % of the third before (as `viswords bench sd --settle`).
`word` goes through text encoder and UNet, forward and back to one embedding, as learning a word does.
"""

import argparse
import json
import time

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel


def shortest(f, seconds, device):
    def wait():
        if device != "cpu":
            torch.cuda.synchronize()

    f(), wait()
    best, start = float("inf"), time.perf_counter()
    while best == float("inf") or time.perf_counter() - start < seconds:
        begun = time.perf_counter()
        f(), wait()
        best = min(best, time.perf_counter() - begun)
    return best


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
    a = ap.parse_args()
    rows = []
    torch.set_num_threads(a.threads)
    dtype = getattr(torch, a.dtype)

    def load(kind, folder, **options):
        m = kind.from_pretrained(f"{a.model}/{folder}", **options).to(a.device, memory_format=torch.channels_last)
        return m.eval().requires_grad_(False)

    unet, vae = load(UNet2DConditionModel, "unet", torch_dtype=dtype), load(AutoencoderKL, "vae", torch_dtype=dtype)
    text = load(CLIPTextModel, "text_encoder", dtype=torch.float32)
    if a.compile:
        unet, vae.encoder, vae.decoder = map(torch.compile, (unet, vae.encoder, vae.decoder))
    side, J = unet.config.sample_size, text.config.max_position_embeddings
    channels, factor = unet.config.in_channels, 2 ** (len(vae.config.block_out_channels) - 1)

    def random(*shape):
        return torch.randn(*shape, device=a.device, dtype=dtype).contiguous(memory_format=torch.channels_last)

    def say(name, B, make):
        if a.only and a.only != name:
            return
        f, row = make(), {"pass": name, "pictures": B}
        if a.settle:
            row["seconds"], row["measured_s"], row["settled"] = settled(f, a.seconds, a.device)
        else:
            row["seconds"] = shortest(f, a.seconds, a.device)
        row["pictures_per_s"] = B / row["seconds"]
        rows.append(row)
        note = "" if "settled" not in row else f"  {'settled' if row['settled'] else 'NOT settled'} in {row['measured_s']:.1f} s"
        print(f"  {name:7} {B:3}  {1e3 * row['seconds']:10.1f} ms  {row['pictures_per_s']:9.3f} pictures/s{note}", flush=True)

    table = text.text_model.embeddings.token_embedding.weight

    def step(B):
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
        states = torch.randn(B, J, unet.config.cross_attention_dim, device=a.device, dtype=dtype)
        with torch.no_grad():
            say("unet", B, lambda: lambda: unet(x, t, encoder_hidden_states=states).sample)
        say("word", B, lambda: step(B))
    with torch.no_grad():
        picture, z = random(1, 3, factor * side, factor * side), random(1, channels, side, side)
        say("encode", 1, lambda: lambda: vae.encode(picture).latent_dist.parameters)
        say("decode", 1, lambda: lambda: vae.decode(z).sample)
    if a.json:
        device = torch.cuda.get_device_name() if a.device != "cpu" else "cpu"
        head = {"torch": torch.__version__, "device": device, "dtype": a.dtype, "compile": a.compile, "rows": rows}
        with open(a.json, "w") as f:
            json.dump(head, f, indent=1)


if __name__ == "__main__":
    main()
