"""The passes of `viswords bench sd` in diffusers: the UNet forward, a step back to the text's states, the autoencoder.

    python tools/bench/sd.py MODEL_DIR [--pictures 1,4] [--threads 2] [--device cpu] [--dtype float32] [--compile]

Channels-last convolutions, scaled_dot_product_attention, optionally torch.compile. The shortest time of each counts.
`word` goes through text encoder and UNet, forward and back to one embedding, as learning a word does.
"""

import argparse
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
    a = ap.parse_args()
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

    def say(name, B, seconds):
        if not a.only or a.only == name:
            s = seconds()
            print(f"  {name:7} {B:3}  {1e3 * s:10.1f} ms  {B / s:9.3f} pictures/s", flush=True)

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
            say("unet", B, lambda: shortest(lambda: unet(x, t, encoder_hidden_states=states).sample, a.seconds, a.device))
        say("word", B, lambda: shortest(step(B), a.seconds, a.device))
    with torch.no_grad():
        picture, z = random(1, 3, factor * side, factor * side), random(1, channels, side, side)
        say("encode", 1, lambda: shortest(lambda: vae.encode(picture).latent_dist.parameters, a.seconds, a.device))
        say("decode", 1, lambda: shortest(lambda: vae.decode(z).sample, a.seconds, a.device))


if __name__ == "__main__":
    main()
