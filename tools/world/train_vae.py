"""Train the autoencoder of the embedded Stable Diffusion from the committed drawings.

    python tools/world/train_vae.py

Pictures of 32 px to 4 channels of 8 x 8 and back, on known and auxiliary concepts. The latents'
mean and spread are folded into the 1 x 1 convolutions at the end, so that 0.18215 gives unit
latents. State is saved every two minutes below --work; run the same command again to go on after
a kill. The network is left there; train_sd.py installs it with the rest.
"""
import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

import diffusion
import licences
import runs
import scenes


def laplacian(x):
    return x - F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0],
                                 formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--work", type=Path, default=Path("out/train-sd"))
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--steps", type=int, default=7000)
    ap.add_argument("--batch", type=int, default=16)
    runs.add_device(ap)
    a = ap.parse_args()
    runs.use(a.device)
    licences.check(a.drawings)
    torch.manual_seed(a.seed)
    train = scenes.load_bank(a.drawings, roles=("known", "auxiliary"))
    x, _ = diffusion.portraits(train, lambda c: 12 if c.role == "known" else 6, "train", a.seed)
    unseen = diffusion.to_range(diffusion.portraits(
        scenes.load_bank(a.drawings, roles=("known",)), lambda c: 2, "test", 99)[0])
    held_out = diffusion.to_range(diffusion.portraits(
        scenes.load_bank(a.drawings, roles=("held_out",)), lambda c: 4, "train", 99)[0])
    vae = diffusion.build_vae()
    adam = torch.optim.AdamW(vae.parameters(), lr=1.5e-3, betas=(0.9, 0.99), weight_decay=1e-4)
    run = runs.Run(a.work, "vae", vae, [adam], a.steps, runs.warm_cosine(100), a.seed)
    runs.log(a.work, f"vae: {len(x)} pictures, judged on {len(unseen)} and {len(held_out)}")

    def losses(vae, step, g):
        real, = runs.move(diffusion.to_range(x[torch.randint(len(x), (a.batch,), generator=g).numpy()]))
        with runs.autocast():
            d = vae.encode(real).latent_dist
            made = vae.decode(d.sample(g)).sample
        made, mean, logvar = made.float(), d.mean.float(), d.logvar.float()
        kl = 0.5 * (mean ** 2 + logvar.exp() - 1 - logvar).sum((1, 2, 3)).mean() / real[0].numel()
        rec = (F.l1_loss(made, real) + F.mse_loss(made, real)
               + 0.5 * F.l1_loss(laplacian(made), laplacian(real)))
        return rec + 3e-4 * kl, (rec.item(), kl.item())

    def score(vae):
        return "PSNR unseen drawings %.2f held-out %.2f dB" % tuple(
            diffusion.psnr(vae, v) for v in (unseen, held_out))

    vae = run.loop(losses, score)
    diffusion.fold_statistics(vae, diffusion.to_range(x[::7]))
    runs.log(a.work, "vae, folded: " + score(vae))
    vae.save_pretrained(a.work / "vae")


if __name__ == "__main__":
    main()
