"""Measure the embedded Stable Diffusion: what its pictures show, by the judge.

    python tools/world/check_sd.py --sheet docs/sd-tiny.webp

Prints Markdown for the model card: PSNR of the autoencoder, the share of pictures of known words
that the judge names right (among all known and held-out concepts), by guidance and by text layers
kept, and diffusers' own pipeline against the fast sampler used here.
"""
import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizerFast

import concepts
import diffusion
import nets
import scenes
import sd_hub

TEMPLATE = "a photo of a {}"


class Judge:
    """The small CLIP that names pictures; `names` are the known concepts, then the held-out."""

    def __init__(self, folder):
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)
        self.names = concepts.KNOWN + concepts.HELD_OUT
        tok = CLIPTokenizerFast.from_pretrained(folder)
        ids = torch.tensor(tok([TEMPLATE.format(n) for n in self.names]).input_ids)
        self.targets = nets.text_features(self.model, ids)

    def scores(self, x):
        """Cosines (B, names) of pictures in [-1, 1]."""
        x = (x / 2 + 0.5 - nets.MEAN) / nets.STD
        f = torch.cat([nets.image_features(self.model, c) for c in x.split(128)])
        return f @ self.targets.T


def name_rates(scores, right):
    """(top-1, top-5) for the names' indices `right`."""
    hit = scores.topk(5, 1).indices == right[:, None]
    return hit[:, 0].float().mean().item(), hit.any(1).float().mean().item()


def known_rate(net, judge, per_word=4, layers=None, **sampling):
    """(top-1, top-5, pictures, right) of the known words."""
    states = net.states([TEMPLATE.format(w) for w in concepts.KNOWN], layers)
    right = torch.arange(len(concepts.KNOWN)).repeat_interleave(per_word)
    x = net.draw(states.repeat_interleave(per_word, 0), layers, **sampling)
    return (*name_rates(judge.scores(x), right), x, right)


def shipped_rate(folder, judge):
    """What installation is decided by."""
    return known_rate(sd_hub.Net(folder), Judge(judge), 2)[0]


def reconstruction(net, drawings):
    unseen = scenes.load_bank(drawings, ("known",))
    held = scenes.load_bank(drawings, ("held_out",))
    for what, bank, split in (("unseen drawings of known concepts", unseen, "test"),
                              ("held-out concepts", held, "train")):
        x = diffusion.to_range(diffusion.portraits(bank, lambda c: 2, split, 98)[0])
        print(f"PSNR of the autoencoder, {what}: {diffusion.psnr(net.vae, x):.1f} dB\n")


def against_pipeline(net, folder):
    """The largest difference in pixel values from diffusers' own pipeline, same noise, fp32."""
    from diffusers import StableDiffusionPipeline
    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    captions = [TEMPLATE.format(w) for w in concepts.ANCHORS[:4]]
    z = torch.randn(4, 4, diffusion.LATENT, diffusion.LATENT, generator=torch.Generator().manual_seed(3))
    theirs = pipe(captions, latents=z, num_inference_steps=20, guidance_scale=4.0, height=32, width=32,
                  output_type="np").images
    mine = diffusion.ddim(net.unet, net.states(captions), net.states([""]), seed=3)
    with torch.no_grad():
        mine = net.vae.decode(mine / diffusion.SCALING).sample.clamp(-1, 1).permute(0, 2, 3, 1).numpy()
    return np.abs(mine / 2 + 0.5 - theirs).max()


def sheet(rows, path, scale=2):
    """Rows of pictures in [-1, 1] as one JPEG or WebP."""
    rows = [np.concatenate(list(diffusion.to_bytes(r)), 1) for r in rows]
    image = Image.fromarray(np.concatenate(rows))
    image.resize((image.width * scale, image.height * scale), Image.BICUBIC).save(
        path, quality=70, optimize=True, progressive=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--net", type=Path, default=Path("data/sd-tiny"))
    ap.add_argument("--judge", type=Path, default=Path("data/judge-tiny"))
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--sheet", type=Path, help="write a picture of each known word here")
    ap.add_argument("--quick", action="store_true", help="one guidance, no truncation")
    a = ap.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    net, judge = sd_hub.Net(a.net), Judge(a.judge)
    reconstruction(net, a.drawings)
    print(f"Differs from diffusers' pipeline by at most {against_pipeline(net, a.net):.1e} of 1.\n")
    print(f"Pictures of known words, judged among {len(judge.names)} names:\n")
    print("| guidance | text layers | top-1 | top-5 |\n|---|---|---|---|")
    cells = [(4, None)] if a.quick else [(4, None), (1, None), (2, None), (7, None)] + [(4, n) for n in range(6)]
    for guidance, layers in cells:
        per = 4 if (guidance, layers) == (4, None) else 2
        one, five, x, _ = known_rate(net, judge, per, layers, guidance=guidance)
        print("| %g | %s | %.1f %% | %.1f %% |" % (guidance, "all" if layers is None else layers,
                                                 100 * one, 100 * five), flush=True)
        if per == 4 and a.sheet:
            sheet(x[::4][:126].split(18), a.sheet)
    d = net.nearest(net.trained)
    print(f"\nNearest-neighbour distances of the {len(d)} trained words: {d.min():.2f} to {d.max():.2f}, "
          f"median {d.median():.2f}.\n\n({time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()
