"""Train the judge: a second small CLIP that names the generated pictures.

    python tools/world/train_judge.py

It looks at 32 px and knows all concepts, the held-out ones too, so it is never used to learn
words. As in train_clip.py a CNN learns to name the pictures first (teacher), then CLIP learns the
teacher's features, the names' and tags' places among them, and to match the two (student).

--init DIRECTORY trains a judge further, by the words alone and without a teacher, which takes most
of the time.

--blind trains only a teacher, on the drawings that the UNet never saw (diffusion.hidden_from_unet): a
weaker but independent second opinion for check_sd.py.

State is saved every two minutes below --work; run the same command again to go on after a kill.
The result is installed over --out only if it names more pictures than what stands there.
"""
import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTokenizerFast

import concepts
import diffusion
import hub
import licences
import nets
import runs
import scenes

CORE_SHARE = 0.8           # of a batch: known and held-out concepts
FEATURES = 128
SOME = 96                  # random words of a step, beside the names of all core concepts


def build(n_vocab):
    """The judge, about 1.3 M parameters."""
    text = dict(vocab_size=n_vocab, hidden_size=96, intermediate_size=192, num_hidden_layers=3,
                num_attention_heads=2, max_position_embeddings=77, hidden_act="quick_gelu",
                projection_dim=FEATURES, pad_token_id=n_vocab - 1, bos_token_id=n_vocab - 2,
                eos_token_id=n_vocab - 1)
    vision = dict(image_size=diffusion.SIDE, patch_size=4, hidden_size=128, intermediate_size=384,
                  num_hidden_layers=5, num_attention_heads=4, hidden_act="quick_gelu",
                  projection_dim=FEATURES)
    m = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=FEATURES))
    nets.init_vision(m)
    nets.init_text(m)
    return m


def views(bank, per_core, per_auxiliary, seed):
    """(pictures, labels) of each drawing in `train`: two in three strongly changed, the third as calm
    as those that the UNet learns from."""
    made, labels = [], []
    for i, c in enumerate(bank):
        for j, drawing in enumerate(c.train):
            alone = [scenes.Concept(c.name, c.role, [drawing], [])]
            for k in range(per_auxiliary if c.role == "auxiliary" else per_core):
                r = np.random.default_rng([seed, i, j, k])
                made.append(diffusion.portrait(r, alone, 0, "train") if k % 3 == 2 else
                            scenes.single(r, alone, 0, "train", diffusion.SIDE, scenes.STRONG)[0])
                labels.append(i)
    return np.stack(made), np.array(labels)


def normalised(pictures):
    """uint8 (B, S, S, 3) as the judge sees them."""
    return nets.pixels(list(pictures))


def enlarged(x):
    """What the teacher sees: it was made for 64 px."""
    return F.interpolate(x, scale_factor=2, mode="bilinear")


def soften(x, g):
    """A third of the pictures blurred, all with some noise: generated pictures are not crisp."""
    n = len(x) // 3
    blurred = F.interpolate(F.avg_pool2d(x[:n], 2), scale_factor=2, mode="bilinear")
    x = torch.cat([blurred, x[n:]])
    return x + 0.15 * torch.rand(len(x), 1, 1, 1, generator=g) * torch.randn(x.shape, generator=g)


class World:
    """Concepts, training pictures, and pictures to measure with."""

    def __init__(self, a):
        everything = (lambda e, d: False) if not a.blind else (
            lambda e, d: not diffusion.hidden_from_unet(e, d))
        self.bank = scenes.load_bank(a.drawings, is_test=everything)
        self.n_core = sum(c.role != "auxiliary" for c in self.bank)
        self.x, self.y = runs.kept(
            a.work / "views.pt", dict(seed=a.seed, views=a.views, blind=a.blind),
            lambda: tuple(map(torch.from_numpy, views(self.bank, a.views, a.views // 6, a.seed))))
        self.core = torch.where(self.y < self.n_core)[0]
        self.other = torch.where(self.y >= self.n_core)[0]
        split = scenes.load_bank(a.drawings, ("known", "held_out"), is_test=diffusion.hidden_from_unet)
        self.new = []           # new pictures: of drawings the UNet sees, of the others
        for which in ("train", "test"):
            x, y = diffusion.portraits(split, lambda c: 1, which, 99)
            self.new.append((normalised(x), torch.from_numpy(y)))

    def batch(self, g, size):
        n = int(CORE_SHARE * size)
        i = torch.cat([pool[torch.randint(len(pool), (k,), generator=g)]
                       for pool, k in ((self.core, n), (self.other, size - n))])
        return soften(normalised(self.x[i].numpy()), g), self.y[i]

    @torch.no_grad()
    def score(self, features, targets):
        out = []
        for x, y in self.new:
            f = torch.cat([features(c) for c in x.split(128)])
            out.append(((f @ targets.T).argmax(1) == y).float().mean().item())
        return "new pictures of the UNet's drawings %.3f, of the others %.3f" % tuple(out)


def train_teacher(world, a):
    """The CNN, by cross-entropy over all concepts."""
    torch.manual_seed(a.seed)
    m = nets.Teacher(len(world.bank), features=FEATURES).to(memory_format=torch.channels_last)
    muon = [p for n, p in m.named_parameters()
            if p.ndim == 4 and not n.startswith(("fine.0", "attend"))]
    inner = {id(p) for p in muon}
    rest = [p for p in m.parameters() if id(p) not in inner]
    optimisers = [nets.Muon(muon, weight_decay=0.1),
                  torch.optim.AdamW(rest, lr=2e-3, weight_decay=0.01)]
    run = runs.Run(a.work, "teacher", m, optimisers, a.teacher_steps, runs.warm_cosine(60), a.seed,
                   ema=0.995, clip=5.0)

    def losses(m, step, g):
        x, y = runs.move(*world.batch(g, a.batch))
        with runs.autocast():
            f = m(enlarged(x))
        s = m.log_scale.exp() * f.float() @ F.normalize(m.prototypes, dim=1).T
        loss = F.cross_entropy(s, y, label_smoothing=0.1)
        return loss, (loss.item(), (s.argmax(1) == y).float().mean().item())

    return run.loop(losses, lambda m: world.score(
        lambda x: m(enlarged(x)), F.normalize(m.prototypes, dim=1)[:world.n_core]))


class Words:
    """All words, held-out names too, their captions and the concepts they are true of."""

    def __init__(self, a, world, tok):
        meaning = json.loads((a.drawings / "words.json").read_text())
        meaning.update({n: [n] for n in concepts.HELD_OUT})
        place = {c.name: i for i, c in enumerate(world.bank)}
        self.words, self.n_vocab = sorted(meaning), len(tok)
        self.true = torch.zeros(len(world.bank), len(self.words), dtype=torch.bool)
        for j, w in enumerate(self.words):
            self.true[[place[n] for n in meaning[w]], j] = True
        self.captions = [torch.tensor(tok([t.format(w) for w in self.words]).input_ids)
                         for t in concepts.TEMPLATES]
        core = [c.name for c in world.bank[:world.n_core]]
        self.core = torch.tensor([self.words.index(n) for n in core])

    def targets(self, prototypes):
        """Where each word should lie: among the prototypes of its concepts. [words, FEATURES]."""
        return F.normalize(self.true.T.float() @ prototypes, dim=1)

    def sample(self, g):
        """(template, words of a step): some of all, then the names of all core concepts."""
        template = int(torch.randint(len(self.captions), (), generator=g))
        some = torch.randperm(len(self.words), generator=g)[:SOME]
        return template, torch.cat([some, self.core])

    @torch.no_grad()
    def score(self, world, m):
        ids = self.captions[concepts.TEMPLATES.index("a photo of a {}")][self.core]
        return world.score(lambda x: nets.image_features(m, x), nets.text_features(m, ids))


def optimisers(m, muon, rate):
    """Muon for the matrices of the image blocks, AdamW for the rest."""
    matrices = [p for p in m.vision_model.encoder.layers.parameters() if p.ndim == 2]
    inner = {id(p) for p in matrices}
    rest = [p for p in m.parameters() if p.requires_grad and id(p) not in inner]
    return [nets.Muon(matrices, lr=muon, weight_decay=0.05),
            torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)]


def train_student(world, words, teacher, a):
    """CLIP: image tower to the teacher's features, text tower to the words' places, and both."""
    torch.manual_seed(a.seed + 1)
    m = build(words.n_vocab)
    g = torch.Generator().manual_seed(a.seed)
    nets.whiten_patches(m, world.batch(g, 512)[0])
    with torch.no_grad():
        m.logit_scale.copy_(teacher.log_scale)
    m.logit_scale.requires_grad_(False)
    run = runs.Run(a.work, "student", m, optimisers(m, 0.02, 1.5e-3), a.student_steps,
                   runs.warm_cosine(60), a.seed + 1, ema=0.995, clip=5.0)
    targets = words.targets(F.normalize(teacher.prototypes, dim=1))
    teacher = runs.there(teacher)
    prototypes, scale = F.normalize(teacher.prototypes, dim=1), teacher.log_scale.exp()

    def losses(m, step, g):
        x, y = world.batch(g, a.batch)
        template, chosen = words.sample(g)
        x, y, ids, place = runs.move(x, y, words.captions[template][chosen], targets[chosen])
        with runs.autocast():
            seen = teacher(enlarged(x))
            image = nets.image_features(m, x)
            text = nets.text_features(m, ids)
        seen, image, text = seen.float(), image.float(), text.float()
        named = y < world.n_core
        match = scale * image[named] @ text[SOME:].T
        copy_image = (1 - (image * seen).sum(-1)).mean()
        copy_text = (1 - (text * place).sum(-1)).mean()
        copy_answer = F.kl_div(F.log_softmax(scale * image @ prototypes.T, 1),
                               F.log_softmax(scale * seen @ prototypes.T, 1),
                               log_target=True, reduction="batchmean")
        right = F.cross_entropy(scale * image @ prototypes.T, y, label_smoothing=0.1)
        contrast = F.cross_entropy(match, y[named], label_smoothing=0.05)
        loss = 3 * copy_image + 2 * copy_text + 0.5 * copy_answer + 0.3 * right + 0.3 * contrast
        return loss, [v.item() for v in (copy_image, copy_text, copy_answer, right, contrast)]

    return run.loop(losses, lambda m: words.score(world, m))


def refine(world, words, a):
    """The judge of --init trained further: all words true of a picture are right together."""
    m = build(words.n_vocab)
    m.load_state_dict(CLIPModel.from_pretrained(a.init, dtype=torch.float32).state_dict())
    m.logit_scale.requires_grad_(False)
    scale, = runs.move(m.logit_scale.exp())
    run = runs.Run(a.work, "refined", m, optimisers(m, 0.01, 1e-3), a.student_steps,
                   runs.warm_cosine(60), a.seed + 2, ema=0.995, clip=5.0)

    def losses(m, step, g):
        x, y = world.batch(g, a.batch)
        template, chosen = words.sample(g)
        x, y, ids, true = runs.move(x, y, words.captions[template][chosen], words.true[y][:, chosen])
        with runs.autocast():
            image = nets.image_features(m, x)
            text = nets.text_features(m, ids)
        s = scale * image.float() @ text.float().T
        named = true.any(1)
        loss = (s.logsumexp(1) - s.masked_fill(~true, -1e4).logsumexp(1))[named].mean()
        core = (y < world.n_core) & named
        hit = true[core].gather(1, s[core].argmax(1, keepdim=True)).float().mean()
        return loss, (loss.item(), hit.item())

    return run.loop(losses, lambda m: words.score(world, m))


def known_accuracy(folder, drawings):
    """Share of new pictures of all drawings of known and held-out concepts named right."""
    m = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    tok = CLIPTokenizerFast.from_pretrained(folder)
    bank = scenes.load_bank(drawings, ("known", "held_out"), is_test=lambda e, d: False)
    x, y = diffusion.portraits(bank, lambda c: 1, "train", 98)
    with torch.no_grad():
        text = nets.text_features(m, torch.tensor(tok([f"a photo of a {c.name}" for c in bank]).input_ids))
        f = torch.cat([nets.image_features(m, c) for c in normalised(x).split(128)])
    return ((f @ text.T).argmax(1) == torch.from_numpy(y)).float().mean().item()


def install(built, out, drawings, force):
    """Copy the built directory over `out`, unless what stands there is better."""
    new = known_accuracy(built, drawings)
    old = known_accuracy(out, drawings) if (out / "model.safetensors").exists() else 0.0
    print(f"new pictures named right: new {new:.3f}, shipped {old:.3f}")
    if new < old and not force:
        raise SystemExit(f"{out} is better and stays; the new network is in {built}")
    out.mkdir(parents=True, exist_ok=True)
    for f in built.iterdir():
        shutil.copyfile(f, out / f.name)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0],
                                 formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--tokenizer", type=Path, default=Path("data/clip-tiny"))
    ap.add_argument("--out", type=Path, default=Path("data/judge-tiny"))
    ap.add_argument("--work", type=Path, default=Path("out/train-judge"))
    ap.add_argument("--init", type=Path, help="train this judge further, without a teacher")
    ap.add_argument("--blind", action="store_true", help="only a teacher, on drawings the UNet never saw")
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--views", type=int, default=60, help="pictures a known or held-out drawing")
    ap.add_argument("--teacher-steps", type=int, default=2100)
    ap.add_argument("--student-steps", type=int, default=1000)
    ap.add_argument("--batch", type=int, default=96)
    ap.add_argument("--force", action="store_true", help="install even what is worse")
    runs.add_device(ap)
    a = ap.parse_args()
    runs.use(a.device)
    licences.check(a.drawings)
    a.work.mkdir(parents=True, exist_ok=True)
    world = World(a)
    runs.log(a.work, f"{len(world.bank)} concepts, {len(world.x)} pictures")
    if a.blind:
        torch.save(train_teacher(world, a).state_dict(), a.work / "blind.pt")
        return
    tok = CLIPTokenizerFast.from_pretrained(a.tokenizer)
    words = Words(a, world, tok)
    judge = refine(world, words, a) if a.init else train_student(
        world, words, train_teacher(world, a).requires_grad_(False), a)
    built = a.work / "judge-tiny"
    built.mkdir(exist_ok=True)
    hub.copy_tokenizer(a.tokenizer, built)
    plain = {w for t in concepts.TEMPLATES for w in t.format("").split()}
    hub.save(judge, built, sorted(plain | set(words.words)))
    install(built, a.out, a.drawings, a.force)


if __name__ == "__main__":
    main()
