"""Train the embedded CLIP from the committed drawings.

    python tools/world/train_clip.py

Two stages. First a small CNN learns to name the drawings (teacher): it needs far
fewer pictures than a vision transformer. Then CLIP learns the teacher's features with its image
tower and the teacher's prototypes with its text tower, and to match the two (student). Held-out
concepts take part in neither.

State is saved every two minutes below --work; run the same command again to go on after a kill.
Every step draws from generators keyed by (seed, stage, step), so a resumed run sees what an
uninterrupted one sees. The result is installed over --out only if it names more unseen drawings
than what stands there.
"""
import argparse
import json
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


class World:
    """Drawings, the concepts that train, and the words that name them."""

    def __init__(self, drawings, tokenizer):
        self.bank = scenes.load_bank(drawings, roles=("known", "auxiliary"))
        self.tok = CLIPTokenizerFast.from_pretrained(tokenizer)
        names = [c.name for c in self.bank]
        self.n_known = len(concepts.KNOWN)
        assert names[:self.n_known] == concepts.KNOWN
        self.words = concepts.KNOWN + [n for n in names[self.n_known:] if self.one_token(n)]
        self.concept_of_word = torch.tensor([names.index(w) for w in self.words])
        self.word_of_concept = torch.full((len(names),), -1)
        self.word_of_concept[self.concept_of_word] = torch.arange(len(self.words))

    def one_token(self, name):
        return name.isascii() and name.isalpha() and len(self.tok.tokenize(name)) == 1

    def captions(self, template):
        return torch.tensor(self.tok([template.format(w) for w in self.words]).input_ids)

    def trained_words(self):
        plain = {w for t in concepts.TEMPLATES for w in t.format("").split()}
        return sorted(plain | set(self.words))

    def batch(self, key, size, known_share=0.5):
        """Training pictures: (pixels, concepts, boxes in pixels)."""
        r = np.random.default_rng(key)
        n, k = len(self.bank), self.n_known
        labels = [int(r.integers(k) if r.random() < known_share else r.integers(k, n))
                  for _ in range(size)]
        made = [scenes.single(r, self.bank, c, "train", nets.SIDE, scenes.STRONG, lo=0.5)
                for c in labels]
        boxes = torch.tensor(np.array([b for _, b in made]))
        return nets.pixels([p for p, _ in made]), torch.tensor(labels), boxes


@torch.no_grad()
def in_chunks(f, x):
    return torch.cat([f(c) for c in x.split(128)])


def run_of(work, name, model, muon, decay, rest, steps, seed, clipped):
    """Both stages: Muon beside `rest`, linear decay over the last 70 %, an average that reaches back
    over a tenth of the run."""
    return runs.Run(work, name, model, [nets.Muon(muon, weight_decay=decay), rest], steps,
                    runs.warm_linear(60, constant=0.3), seed, ema=1 - 1 / max(20.0, 0.1 * steps), clip=5.0,
                    clipped=clipped)


def train_teacher(world, a):
    """The CNN, on all concepts that may train, by cross-entropy."""
    torch.manual_seed(a.seed)
    m = nets.Teacher(len(world.bank)).to(memory_format=torch.channels_last)
    muon = [p for n, p in m.named_parameters() if p.ndim == 4 and not n.startswith(("fine.0", "attend"))]
    inner = {id(p) for p in muon}
    rest = [p for p in m.parameters() if id(p) not in inner]
    run = run_of(a.work, "teacher", m, muon, 0.1, torch.optim.AdamW(rest, lr=2e-3, weight_decay=0.01),
                 a.teacher_steps, a.seed, rest)
    x, y = unseen_pictures(world.bank, 2)      # a glimpse; check_clip.py takes more

    def losses(m, step, g):
        pics, labels = runs.move(*world.batch([a.seed, 1, step], a.teacher_batch)[:2])
        with runs.autocast(on_cpu=False):
            f = m(pics)
        s = m.log_scale.exp() * f.float() @ F.normalize(m.prototypes, dim=1).T
        loss = F.cross_entropy(s, labels, label_smoothing=0.1)
        return loss, (loss.item(), (s.argmax(1) == labels).float().mean().item())

    def score(m):
        known = F.normalize(m.prototypes.detach()[:world.n_known], dim=1)
        return "top-1 %.3f top-5 %.3f" % accuracy(in_chunks(m, x), known, y)

    return run.loop(losses, score)


def choose_patches(g, boxes, count):
    """`count` random patches a picture, those on the thing first of all.

    Looking at part of a picture trains the transformer on twice as many pictures in a given
    time (Li et al. 2023, arXiv 2212.00794).
    """
    c = torch.arange(nets.SIDE // nets.PATCH) * nets.PATCH + nets.PATCH / 2
    x, y, w, h = boxes.float().T[..., None]
    inside = (((c > y) & (c < y + h))[:, :, None] & ((c > x) & (c < x + w))[:, None, :]).flatten(1)
    return (torch.rand(inside.shape, generator=g) + 0.4 * inside).topk(count, 1).indices


def split_parameters(m):
    """(matrices of the image blocks, other matrices, vectors and embeddings)."""
    muon = [p for p in m.vision_model.encoder.layers.parameters() if p.ndim == 2]
    skip = {id(p) for p in muon} | {id(m.logit_scale)}
    plain = [p for n, p in m.named_parameters()
             if id(p) not in skip and (p.ndim < 2 or "embedding" in n)]
    skip |= {id(p) for p in plain}
    return muon, [p for p in m.parameters() if id(p) not in skip], plain


def sample_words(g, world, labels, count):
    """Words of the pictures of a batch, filled up with random others."""
    present = world.word_of_concept[labels.unique()]
    present = present[present >= 0]
    other = torch.ones(len(world.words), dtype=torch.bool)
    other[present] = False
    order = torch.randperm(len(world.words), generator=g)
    order = order[other[order]]
    return torch.cat([present, order[:max(0, count - len(present))]])


def refit(projection, states, targets):
    """Point a projection at unit targets: least squares from the states before it."""
    ridge = 1e-3 * states.square().mean() * len(states) * torch.eye(states.shape[1])
    solved = torch.linalg.solve(states.T @ states + ridge, states.T @ targets)
    projection.weight.copy_(solved.T)


@torch.no_grad()
def start_from(m, folder, world, teacher, a):
    """Take over an earlier network: its towers, and the vectors of the words both train.

    Its projections lead into another feature space, so they are fitted anew to the teacher's.
    """
    tok = CLIPTokenizerFast.from_pretrained(folder)
    theirs, mine = CLIPModel.from_pretrained(folder, dtype=torch.float32).state_dict(), m.state_dict()
    tokens = "text_model.embeddings.token_embedding.weight"
    for name, value in mine.items():
        if name != tokens:
            value.copy_(theirs[name])
    trained = set((folder / "trained_words.txt").read_text().split())
    shared = [w for w in world.trained_words() if w in trained]
    for token in [w + "</w>" for w in shared] + [tok.bos_token, tok.eos_token]:
        mine[tokens][world.tok.get_vocab()[token]] = theirs[tokens][tok.get_vocab()[token]]
    pics = world.batch([a.seed, 3, 1], 1024)[0]
    refit(m.visual_projection, in_chunks(lambda x: nets.image_states(m, x), pics),
          in_chunks(teacher, pics))
    names = [w for w in shared if w in world.words]
    captions = torch.tensor(world.tok([f"a {w}" for w in names]).input_ids)
    places = world.concept_of_word[[world.words.index(w) for w in names]]
    refit(m.text_projection, nets.text_states(m, captions),
          F.normalize(teacher.prototypes, dim=1)[places])


def train_student(world, teacher, a):
    """CLIP: image tower to the teacher's features, text tower to its prototypes, and both."""
    torch.manual_seed(a.seed + 1)
    m = nets.build_clip(len(world.tok))
    if a.init:
        start_from(m, a.init, world, teacher, a)
    else:
        nets.whiten_patches(m, world.batch([a.seed, 3, 0], 256)[0])
    with torch.no_grad():
        m.logit_scale.copy_(teacher.log_scale)
    m.logit_scale.requires_grad_(False)
    muon, matrices, plain = split_parameters(m)
    groups = [dict(params=matrices, weight_decay=0.02), dict(params=plain, weight_decay=0.0)]
    run = run_of(a.work, "student", m, muon, 0.05, torch.optim.AdamW(groups, lr=1.5e-3, betas=(0.9, 0.98)),
                 a.student_steps, a.seed, matrices + plain)
    places = F.normalize(teacher.prototypes, dim=1)
    teacher = runs.there(teacher)
    prototypes, scale = runs.move(places, teacher.log_scale.exp())
    captions = [world.captions(t) for t in concepts.TEMPLATES]
    x, y = unseen_pictures(world.bank, 2)      # a glimpse; check_clip.py takes more

    def losses(m, step, g):
        pics, labels, boxes = world.batch([a.seed, 2, step], a.student_batch, 0.6)
        whole = step >= a.whole_from * a.student_steps
        keep = None if whole else runs.move(choose_patches(g, boxes, a.patches))[0]
        words = sample_words(g, world, labels, a.captions)
        template = captions[int(torch.randint(len(captions), (), generator=g))]
        column = torch.full((len(world.words) + 1,), -1)
        column[words] = torch.arange(len(words))
        target = column[world.word_of_concept[labels]]      # -1: a concept without a word
        named = target >= 0
        pics, ids, place, target, named = runs.move(
            pics, template[words], places[world.concept_of_word[words]], target, named)
        with runs.autocast(on_cpu=False):
            seen = teacher(pics)
            image = nets.image_features(m, pics, keep)
            text = nets.text_features(m, ids)
        seen, image, text = seen.float(), image.float(), text.float()
        match = scale * image[named] @ text.T
        copy_image = (1 - (image * seen).sum(-1)).mean()
        copy_text = (1 - (text * place).sum(-1)).mean()
        copy_answer = F.kl_div(F.log_softmax(scale * image @ prototypes.T, 1),
                               F.log_softmax(scale * seen @ prototypes.T, 1),
                               log_target=True, reduction="batchmean")
        contrast = F.cross_entropy(match, target[named], label_smoothing=0.05)
        loss = 3 * copy_image + 2 * copy_text + 0.5 * contrast + 0.5 * copy_answer
        hit = (match.argmax(1) == target[named]).float().mean()
        return loss, [v.item() for v in (copy_image, copy_text, copy_answer, contrast, hit)]

    def score(m):
        with torch.no_grad():
            known = nets.text_features(m, world.captions("a photo of a {}")[:world.n_known])
        features = in_chunks(lambda p: nets.image_features(m, p), x)
        return "top-1 %.3f top-5 %.3f" % accuracy(features, known, y)

    if a.init and run.step == 0:
        runs.log(a.work, f"student before training: unseen {score(run.average())}")
    return run.loop(losses, score)


def install(built, out, force):
    """Copy the built directory over `out`, unless what stands there is better."""
    new = known_accuracy(built)
    old = known_accuracy(out) if (out / "model.safetensors").exists() else (0.0, 0.0)
    print("unseen drawings, top-1 and top-5: new %.3f %.3f, shipped %.3f %.3f" % (*new, *old))
    if new[0] < old[0] and not force:
        raise SystemExit(f"{out} is better and stays; the new network is in {built}")
    out.mkdir(parents=True, exist_ok=True)
    for f in built.iterdir():
        shutil.copyfile(f, out / f.name)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0],
                                 formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--tokenizer", type=Path, default=Path("data/clip-tiny"))
    ap.add_argument("--out", type=Path, default=Path("data/clip-tiny"))
    ap.add_argument("--work", type=Path, default=Path("out/train-clip"))
    ap.add_argument("--init", type=Path, help="start the student from this hub directory")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--teacher-steps", type=int, default=1500)
    ap.add_argument("--teacher-batch", type=int, default=80)
    ap.add_argument("--student-steps", type=int, default=1500)
    ap.add_argument("--student-batch", type=int, default=80)
    ap.add_argument("--captions", type=int, default=96, help="words a step")
    ap.add_argument("--patches", type=int, default=36, help="patches looked at, of 64")
    ap.add_argument("--whole-from", type=float, default=0.8,
                    help="part of the steps after which all patches are looked at")
    ap.add_argument("--force", action="store_true", help="install even what is worse")
    runs.add_device(ap)
    a = ap.parse_args()
    runs.use(a.device)
    licences.check(a.drawings)
    a.work.mkdir(parents=True, exist_ok=True)
    settings = {k: str(v) for k, v in vars(a).items()}
    (a.work / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")
    world = World(a.drawings, a.tokenizer)
    runs.log(a.work, f"{len(world.bank)} concepts, {len(world.words)} words")
    teacher = train_teacher(world, a)
    student = train_student(world, teacher, a)
    built = a.work / "clip-tiny"
    built.mkdir(exist_ok=True)
    hub.copy_tokenizer(a.tokenizer, built)
    hub.save(student, built, world.trained_words())
    install(built, a.out, a.force)


if __name__ == "__main__":
    main()
