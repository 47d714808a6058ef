"""Train the UNet and the text encoder of the embedded Stable Diffusion, and install the whole.

    python tools/world/train_vae.py && python tools/world/train_sd.py

UNet and text encoder learn together, from nothing, to predict the velocity of noised latents of
captioned pictures of the known and auxiliary concepts; nothing held out takes part. Each word of
words.json is trained, names more often than tags. State is saved every two minutes below --work;
run the same command again to go on after a kill. The result is installed over --out only if the
judge names more of its pictures than of what stands there.
"""
import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from transformers import CLIPTokenizerFast

import concepts
import diffusion
import licences
import runs
import scenes
import sd_hub
from check_sd import shipped_rate

PICTURES_A_WORD = 2
NO_CAPTION = 0.1
LONG_EVERY = 8              # one step in so many has captions of 77 positions from the start
CROWDED = 0.15              # cosine between two words above which --apart pushes


class Captions:
    """Words, the concepts they stand for, and their captions by template."""

    def __init__(self, folder, bank, tok):
        meaning = json.loads((folder / "words.json").read_text())
        place = {c.name: i for i, c in enumerate(bank)}
        self.words = list(meaning)
        self.concepts = [[place[n] for n in meaning[w]] for w in self.words]
        known = set(concepts.KNOWN)
        # Most of the words drawn are known names, the rest other names and tags by halves.
        kind = np.array([0 if w in known else 1 if w in place else 2 for w in self.words])
        share = np.array([0.8, 0.1, 0.1]) / np.bincount(kind, minlength=3)
        self.weight = torch.tensor(share[kind])
        self.ids = [diffusion.padded(tok, [t.format(w) for w in self.words])
                    for t in concepts.TEMPLATES]
        self.empty = diffusion.padded(tok, [""])
        self.tok = tok


class Both(torch.nn.Module):
    """UNet and text encoder as one network, for the optimiser and the saving."""

    def __init__(self, n_vocab):
        super().__init__()
        self.unet, self.text = diffusion.build_unet(), diffusion.build_text(n_vocab)
        self.unet.set_attn_processor(diffusion.PlainAttention())

    def groups(self):
        words = self.text.text_model.embeddings.token_embedding.weight
        rest = [p for p in self.parameters() if p is not words]
        return [dict(params=rest, weight_decay=1e-3), dict(params=[words], weight_decay=0.0)]


def crowding(vectors):
    """How much each word of (W, C) has of the others' directions: mean over words of the sum of
    squared cosines beyond CROWDED.

    Random vectors of this width have hardly any, as in full-size vocabularies, where a word's
    nearest neighbour is nearly as far as any other; words trained from nothing by one small network
    crowd together, and so do the balls in which new words are learned.
    """
    v = F.normalize(vectors, dim=1)
    cosine = v @ v.T - torch.eye(len(v), device=v.device)
    return ((cosine - CROWDED).clamp(min=0) ** 2).sum(1).mean()


@torch.no_grad()
def latents(vae, pictures):
    """Unit latents of uint8 pictures."""
    out = []
    vae = runs.there(vae)
    for i in range(0, len(pictures), 256):
        x, = runs.move(diffusion.to_range(pictures[i:i + 256]))
        with runs.autocast():
            z = vae.encode(x).latent_dist.mean
        out.append(z.float().cpu() * diffusion.SCALING)
    return torch.cat(out)


def prepared(a, bank, vae):
    """(latents, labels) of all training pictures, kept below --work."""
    def make():
        x, y = diffusion.portraits(bank, lambda c: a.views if c.role == "known" else a.views // 4,
                                   "train", a.seed)
        return latents(vae, x), torch.from_numpy(y)

    return runs.kept(a.work / "latents.pt",
                     dict(seed=a.seed, views=a.views, vae=runs.fingerprint(vae)), make)


def train(a, bank, captions, vae, n_vocab):
    """The moving average of UNet and text encoder."""
    z, y = prepared(a, bank, vae)
    of_concept = [torch.where(y == i)[0] for i in range(len(bank))]
    torch.manual_seed(a.seed)
    both = Both(n_vocab)
    if a.init:
        start = sd_hub.Net(a.init)
        both.unet.load_state_dict(start.unet.state_dict())
        both.text.load_state_dict(start.text.state_dict())
    adam = torch.optim.AdamW(both.groups(), lr=1.2e-3, betas=(0.9, 0.99))
    trained, = runs.move(torch.tensor([t[1] for t in captions.tok(captions.words).input_ids]))
    run = runs.Run(a.work, "sd", both, [adam], a.steps, runs.warm_cosine(150, constant=0.3), a.seed,
                   ema=0.995)
    runs.log(a.work, f"sd: {len(z)} latents, mean {z.mean():.3f} std {z.std():.3f}, "
                     f"{len(captions.words)} words")

    def losses(both, step, g):
        def draw(n):
            return int(torch.randint(n, (), generator=g))
        words = torch.multinomial(captions.weight, a.words, generator=g)
        ids = torch.stack([captions.ids[draw(len(captions.ids))][w] for w in words])
        picked = []
        for w in words.tolist():
            for _ in range(PICTURES_A_WORD):
                of = of_concept[captions.concepts[w][draw(len(captions.concepts[w]))]]
                picked.append(of[draw(len(of))])
        x = z[torch.stack(picked)]
        n = len(x)
        caption = torch.arange(a.words).repeat_interleave(PICTURES_A_WORD)
        caption[torch.rand(n, generator=g) < NO_CAPTION] = a.words      # the empty one
        t = ((torch.rand((), generator=g) + torch.arange(n) / n) % 1 * 1000).long()
        t = t[torch.randperm(n, generator=g)]
        noisy, velocity = diffusion.noised(x, torch.randn(x.shape, generator=g), t)
        short = step < a.short_until * a.steps and step % LONG_EVERY
        length = diffusion.SHORT if short else diffusion.POSITIONS
        ids = torch.cat([ids, captions.empty])[:, :length]
        ids, caption, noisy, velocity, t = runs.move(ids, caption, noisy, velocity, t)
        with runs.autocast():
            states = diffusion.text_states(both.text, ids)[caption]
            made = both.unet(noisy, t, encoder_hidden_states=states).sample
        loss = F.mse_loss(made.float(), velocity)
        crowd = crowding(both.text.text_model.embeddings.token_embedding.weight[trained])
        return loss + a.apart * crowd, (loss.item(), crowd.item())

    return run.loop(losses, lambda ema: "")


def install(built, a):
    """Copy the built directory over --out, unless what stands there is better."""
    new = shipped_rate(built, a.judge)
    old = shipped_rate(a.out, a.judge) if (a.out / "model_index.json").exists() else 0.0
    runs.log(a.work, f"pictures of known words named right: new {new:.3f}, shipped {old:.3f}")
    if new < old and not a.force:
        raise SystemExit(f"{a.out} is better and stays; the new network is in {built}")
    shutil.copytree(built, a.out, dirs_exist_ok=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0],
                                 formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--tokenizer", type=Path, default=Path("data/clip-tiny"))
    ap.add_argument("--judge", type=Path, default=Path("data/judge-tiny"))
    ap.add_argument("--out", type=Path, default=Path("data/sd-tiny"))
    ap.add_argument("--work", type=Path, default=Path("out/train-sd"))
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--steps", type=int, default=3380)
    ap.add_argument("--words", type=int, default=32, help="captions a step, two pictures each")
    ap.add_argument("--views", type=int, default=96, help="pictures a known drawing")
    ap.add_argument("--short-until", type=float, default=0.955,
                    help="part of the steps with captions of 10 positions instead of 77")
    ap.add_argument("--init", type=Path, help="start from this diffusers directory, its vae included")
    ap.add_argument("--apart", type=float, default=0.1,
                    help="weight of the term that keeps words apart (0: none); not run from nothing")
    ap.add_argument("--force", action="store_true", help="install even what is worse")
    runs.add_device(ap)
    a = ap.parse_args()
    runs.use(a.device)
    a.work.mkdir(parents=True, exist_ok=True)
    licences.check(a.drawings)
    bank = scenes.load_bank(a.drawings, roles=("known", "auxiliary"), is_test=diffusion.hidden_from_unet)
    tok = CLIPTokenizerFast.from_pretrained(a.tokenizer, pad_token="!")
    captions = Captions(a.drawings, bank, tok)
    vae = AutoencoderKL.from_pretrained((a.init or a.work) / "vae", torch_dtype=torch.float32).eval()
    both = train(a, bank, captions, vae, len(tok))
    plain = {w for t in concepts.TEMPLATES for w in t.format("").split()}
    built = a.work / "sd-tiny"
    sd_hub.save(both.unet, both.text, vae, a.tokenizer, built, sorted(plain | set(captions.words)))
    install(built, a)


if __name__ == "__main__":
    main()
