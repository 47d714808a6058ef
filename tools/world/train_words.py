"""Teach the embedded CLIP more words: all of words.json instead of the one-word names.

    python tools/world/train_words.py --init data/clip-tiny --tokenizer data/owlv2-tiny

The image tower stays as it is. Its features of training pictures are computed once; then the text
tower learns which words are true of them (names and tags, all true words are right together), is
drawn to the mean place of each word's concepts, and keeps the places of the names it knew. Minutes
on one core; state is saved every two minutes below --work, the same command goes on after a kill. The
result is installed over --out only if known names do not lose more than --loss of top-1.
"""
import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPModel, CLIPTokenizerFast

import concepts
import hub
import licences
import nets
import runs
import scenes
from check_clip import accuracy, known_accuracy, unseen_pictures
from words import Words


class World:
    """Words, and the image tower's features of training pictures of known and auxiliary concepts."""

    def __init__(self, a):
        self.bank = scenes.load_bank(a.drawings, roles=("known", "auxiliary"))
        self.words = Words(a.drawings, self.bank)
        self.n_known = len(concepts.KNOWN)
        self.tok = CLIPTokenizerFast.from_pretrained(a.tokenizer)
        self.old_tok = CLIPTokenizerFast.from_pretrained(a.init)
        self.old = CLIPModel.from_pretrained(a.init, dtype=torch.float32).eval().requires_grad_(False)
        trained = set((a.init / "trained_words.txt").read_text().split())
        self.kept = torch.tensor([w in trained for w in self.words.names])
        self.features, self.concept = self.look(a)

    @torch.no_grad()
    def look(self, a):
        """Unit features of --pictures pictures a known concept, a third of that an auxiliary one."""
        r = np.random.default_rng([a.seed, 4])
        labels = [i for i, c in enumerate(self.bank)
                  for _ in range(a.pictures if i < self.n_known else a.pictures // 3)]
        rows, tower = [], runs.there(self.old)
        for at in range(0, len(labels), 128):
            part = labels[at:at + 128]
            made = [scenes.single(r, self.bank, c, "train", nets.SIDE,
                                  scenes.STRONG if r.random() < 0.7 else scenes.MILD, lo=0.5)[0] for c in part]
            x, = runs.move(nets.pixels(made))
            with runs.autocast():
                rows.append(nets.image_features(tower, x).float().cpu())
        return F.normalize(torch.cat(rows), dim=1), torch.tensor(labels)

    def old_text(self, template):
        """Where the earlier network puts the words; rows of words it did not know mean nothing."""
        ids = self.old_tok([template.format(w if k else "dog") for w, k in zip(self.words.names, self.kept)])
        return nets.text_features(self.old, torch.tensor(ids.input_ids))


@torch.no_grad()
def start(world):
    """The earlier network with the wider vocabulary; new words begin as strangers of usual length."""
    m = nets.build_clip(len(world.tok))
    tokens = "text_model.embeddings.token_embedding.weight"
    mine, theirs = m.state_dict(), world.old.state_dict()
    for name, value in mine.items():
        if name != tokens:
            value.copy_(theirs[name])
    new, old = world.tok.get_vocab(), world.old_tok.get_vocab()
    known = [old[w + "</w>"] for w, k in zip(world.words.names, world.kept) if k]
    spread = theirs[tokens][known].std().item()
    torch.nn.init.normal_(mine[tokens], std=spread)
    for token, row in new.items():
        if token in old:
            mine[tokens][row] = theirs[tokens][old[token]]
    return m


class Losses:
    """The loss of one step: words against features, places of words, places that must stay."""

    def __init__(self, world, a):
        self.world, self.a = world, a
        self.captions = [world.words.captions(world.tok, t) for t in concepts.TEMPLATES]
        with torch.no_grad():
            self.before = [world.old_text(t) for t in concepts.TEMPLATES]
        mean = torch.zeros(len(world.bank), world.features.shape[1])
        mean.index_add_(0, world.concept, world.features)
        places = F.normalize(mean, dim=1)
        places[:world.n_known] = self.before[3][:world.n_known]
        self.targets = world.words.targets(places)
        self.scale, = runs.move(world.old.logit_scale.exp())

    def __call__(self, m, step, g):
        w = self.world
        pick = torch.randint(len(w.features), (self.a.batch,), generator=g)
        x, concept = w.features[pick], w.concept[pick]
        words = w.words.sample(g, concept.unique(), self.a.words)
        t = int(torch.randint(len(self.captions), (), generator=g))
        x, ids, true, targets, before, kept = runs.move(
            x, self.captions[t][words], w.words.true[concept][:, words], self.targets[words],
            self.before[t][words], w.kept[words])
        with runs.autocast():
            text = nets.text_features(m, ids)
        text = F.normalize(text.float(), dim=1)
        seen = true.any(1)
        s = (self.scale * x @ text.T)[seen]
        right = s.masked_fill(~true[seen], -1e4)
        by_picture = (s.logsumexp(1) - right.logsumexp(1)).mean()
        has = true.any(0)
        column = (self.scale * x @ text.T).T[has]
        # Each picture a word is true of is an answer of its own.
        share = true.T[has].float() / true.T[has].sum(1, keepdim=True)
        by_word = -(share * F.log_softmax(column, 1)).sum(1).mean()
        place = (1 - (text * targets).sum(1)).mean()
        stay = (1 - (text * before).sum(1))[kept].mean()
        loss = 0.5 * by_picture + 0.3 * by_word + place + 4 * stay
        return loss, [v.item() for v in (by_picture, by_word, place, stay)]


def install(built, out, a):
    """Copy the built directory over `out`, unless the known names got worse."""
    new = known_accuracy(built)
    old = known_accuracy(out) if (out / "model.safetensors").exists() else (0.0, 0.0)
    print("unseen drawings, top-1 and top-5: new %.3f %.3f, shipped %.3f %.3f" % (*new, *old))
    if new[0] < old[0] - a.loss and not a.force:
        raise SystemExit(f"{out} is better and stays; the new network is in {built}")
    out.mkdir(parents=True, exist_ok=True)
    for f in built.iterdir():
        shutil.copyfile(f, out / f.name)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0],
                                 formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--init", type=Path, required=True, help="the network to go on from")
    ap.add_argument("--tokenizer", type=Path, required=True, help="directory of the wider tokenizer")
    ap.add_argument("--out", type=Path, default=Path("data/clip-tiny"))
    ap.add_argument("--work", type=Path, default=Path("out/train-words"))
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--pictures", type=int, default=48, help="a known concept; a third an auxiliary one")
    ap.add_argument("--steps", type=int, default=1500)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--words", type=int, default=256)
    ap.add_argument("--rate", type=float, default=1.5e-3)
    ap.add_argument("--loss", type=float, default=0.01, help="of top-1, that more words may cost")
    ap.add_argument("--force", action="store_true", help="install even what is worse")
    runs.add_device(ap)
    a = ap.parse_args()
    runs.use(a.device)
    torch.manual_seed(a.seed)
    licences.check(a.drawings)
    world = World(a)
    m = start(world)
    for part in (m.vision_model, m.visual_projection):
        part.requires_grad_(False)
    m.logit_scale.requires_grad_(False)
    rest = [p for p in m.parameters() if p.requires_grad]
    run = runs.Run(a.work, "words", m, [torch.optim.AdamW(rest, lr=a.rate, betas=(0.9, 0.98), weight_decay=0.0)],
                   a.steps, runs.warm_cosine(60, 0.3), a.seed, ema=0.995, clip=1.0)
    x, y = unseen_pictures(world.bank, 3)
    with torch.no_grad():
        seen = torch.cat([nets.image_features(world.old, c) for c in x.split(128)])
    runs.log(a.work, f"{len(world.bank)} concepts, {len(world.words.names)} words, {len(world.features)} pictures")

    @torch.no_grad()
    def score(model):
        names = nets.text_features(model, world.words.captions(world.tok, "a photo of a {}"))
        tagged = world.words.true[y].gather(1, (seen @ names.T).argmax(1)[:, None]).float().mean()
        return "unseen: names top-1 %.3f top-5 %.3f, best of all words is true %.3f" % (
            *accuracy(seen, names[:world.n_known], y), tagged)

    ema = run.loop(Losses(world, a), score)
    built = a.work / "clip-tiny"
    built.mkdir(exist_ok=True)
    hub.copy_tokenizer(a.tokenizer, built)
    hub.save(ema, built, world.words.trained())
    install(built, a.out, a)


if __name__ == "__main__":
    main()
