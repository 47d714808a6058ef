"""Train the embedded OWL-v2 from the committed drawings.

    python tools/world/train_owl.py

Scenes of 1-5 drawings at 96 px. Each thing's patches learn its class feature from clip-tiny looking
at the thing alone (distillation), the text tower learns the places of the words among those features
(all words true of a thing are right answers), and the heads learn boxes and scores. Held-out concepts
take part in nothing. State is saved every two minutes below --work; run the same command again to go
on after a kill. The result is installed over --out only if its AP50 on unseen drawings is higher than
what stands there.
"""
import argparse
import json
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPModel, CLIPTokenizerFast

import concepts
import detector
import hub
import licences
import nets
import runs
import scenes
from check_owl import average_precision, judging_scenes
from words import Words

CROP = 0.8          # part of the crop that the thing fills, as in the pictures clip-tiny knows


class World:
    """Drawings and words that train, and clip-tiny's view of them."""

    def __init__(self, a):
        self.bank = scenes.load_bank(a.drawings, roles=("known", "auxiliary"))
        self.words = Words(a.drawings, self.bank)
        self.n_known = len(concepts.KNOWN)
        self.tok = CLIPTokenizerFast.from_pretrained(a.tokenizer)
        self.clip = CLIPModel.from_pretrained(a.clip, dtype=torch.float32).eval().requires_grad_(False)
        self.places = self.concept_places(a)
        self.targets = self.words.targets(self.places)

    @torch.no_grad()
    def concept_places(self, a):
        """[concepts, 192]: known ones by their name in clip-tiny, others by their pictures."""
        r = np.random.default_rng([a.seed, 7])
        rows = []
        for i in range(len(self.bank)):
            made = [scenes.single(r, self.bank, i, "train", nets.SIDE)[0] for _ in range(6)]
            rows.append(nets.image_features(self.clip, nets.pixels(made)).mean(0))
        places = F.normalize(torch.stack(rows), dim=1)
        tok = CLIPTokenizerFast.from_pretrained(a.clip)
        ids = torch.tensor(tok([f"a photo of a {w}" for w in concepts.KNOWN]).input_ids)
        places[:self.n_known] = nets.text_features(self.clip, ids)
        return places

    def batch(self, key, size):
        """(pictures uint8, boxes, concepts, crops uint8 of each thing) of `size` training scenes."""
        r = np.random.default_rng(key)
        n, k = len(self.bank), self.n_known
        pictures, boxes, labels, crops = [], [], [], []
        for _ in range(size):
            count = int(r.choice([1, 2, 3, 4, 5], p=[0.15, 0.25, 0.25, 0.2, 0.15]))
            hi = {1: 0.9, 2: 0.62, 3: 0.54, 4: 0.46, 5: 0.42}[count]
            chosen = [int(r.integers(k) if r.random() < 0.65 else r.integers(k, n)) for _ in range(count)]
            picture, box, label = scenes.scene(r, self.bank, chosen, "train", detector.SIDE, 0.27, hi,
                                               scenes.STRONG)
            pictures.append(picture)
            boxes.append(box)
            labels.append(label)
            crops += [crop(picture, b) for b in box]
        return pictures, boxes, labels, crops


def crop(picture, box):
    """The square around a box, as clip-tiny would see the thing."""
    x, y, w, h = box
    side = max(w, h) / CROP
    scale = nets.SIDE / side
    m = np.float32([[scale, 0, -(x + w / 2 - side / 2) * scale], [0, scale, -(y + h / 2 - side / 2) * scale]])
    return cv2.warpAffine(picture, m, (nets.SIDE, nets.SIDE), borderMode=cv2.BORDER_REFLECT)


def mirrored(pictures, boxes):
    """The scenes seen in a mirror."""
    flipped = [np.stack([detector.SIDE - b[:, 0] - b[:, 2], b[:, 1], b[:, 2], b[:, 3]], 1) for b in boxes]
    return [np.ascontiguousarray(p[:, ::-1]) for p in pictures], flipped


@torch.no_grad()
def start_heads(m):
    """Few detections at first, boxes of a middling size, and the text tower's own start."""
    c, b, o = m.class_head, m.box_head, m.objectness_head
    for layer in (c.dense0, b.dense0, b.dense1, o.dense0, o.dense1):
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    for layer, bias in ((c.logit_shift, -0.6), (c.logit_scale, 9.0), (o.dense2, -4.0), (b.dense2, 0.0)):
        torch.nn.init.normal_(layer.weight, std=0.0 if layer.out_features == 1 else 0.01)
        torch.nn.init.constant_(layer.bias, bias)
    b.dense2.bias[2:] = 1.3


@torch.no_grad()
def start_from_clip(m, clip):
    """The image tower of clip-tiny: the same grid of 8 x 8 patches, the kernel stretched 8 -> 12."""
    theirs, mine = clip.vision_model, m.owlv2.vision_model
    kernel = theirs.embeddings.patch_embedding.weight
    grown = F.interpolate(kernel, size=(detector.PATCH,) * 2, mode="bilinear", align_corners=False)
    mine.embeddings.patch_embedding.weight.copy_(grown * (nets.PATCH / detector.PATCH) ** 2)
    mine.embeddings.position_embedding.weight.copy_(theirs.embeddings.position_embedding.weight)
    mine.embeddings.class_embedding.copy_(theirs.embeddings.class_embedding)
    mine.encoder.load_state_dict(theirs.encoder.state_dict())
    mine.pre_layernorm.load_state_dict(theirs.pre_layrnorm.state_dict())
    mine.post_layernorm.load_state_dict(theirs.post_layernorm.state_dict())
    t = m.owlv2
    nets.init_text(argparse.Namespace(text_model=t.text_model, text_projection=t.text_projection,
                                      config=t.config))
    start_heads(m)


def start(m, world, a):
    """Take over --init or clip-tiny's image tower, and fit what leads into clip-tiny's features.

    A network of the same shapes, shipped by an earlier run, stays as it is.
    """
    if not a.init:
        start_from_clip(m, world.clip)
        return
    earlier = detector.Owlv2ForObjectDetection.from_pretrained(a.init, dtype=torch.float32).state_dict()
    if {k: v.shape for k, v in earlier.items()} == {k: v.shape for k, v in m.state_dict().items()}:
        m.load_state_dict(earlier)      # this very network: it is trained further as it is
        return
    detector.start_from(m, world.tok, earlier, json.loads((a.init / "vocab.json").read_text()))
    with torch.no_grad():
        ids = world.words.captions(world.tok, "a {}")
        refit(m.owlv2.text_projection, detector.text_states(m, ids), world.targets)
        states, targets = [], []
        for i in range(20):
            pictures, boxes, labels, crops = world.batch([a.seed, 5, i], 48)
            label, _, _, thing = detector.assign(boxes, labels)
            seen = nets.image_features(world.clip, nets.pixels(crops))
            mine = label >= 0
            states.append(detector.patch_features(m, nets.pixels(pictures))[mine])
            targets.append(seen[thing[mine]])
        refit(m.class_head.dense0, torch.cat(states), torch.cat(targets))


def refit(layer, states, targets):
    """Point a linear layer at unit targets: least squares from the states before it."""
    if layer.bias is not None:
        layer.bias.zero_()
    ridge = 1e-3 * states.square().mean() * len(states) * torch.eye(states.shape[1])
    layer.weight.copy_(torch.linalg.solve(states.T @ states + ridge, states.T @ targets).T)


def optimisers(m, a):
    """Muon for the matrices of the image blocks (--muon 0: none), AdamW for the rest."""
    unused = {id(m.owlv2.logit_scale), id(m.owlv2.visual_projection.weight)}
    matrices = [p for p in m.owlv2.vision_model.encoder.layers.parameters() if p.ndim == 2 and a.muon]
    skip = unused | {id(p) for p in matrices}
    named = [(n, p) for n, p in m.named_parameters() if id(p) not in skip]
    plain = [p for n, p in named if p.ndim < 2 or "embedding" in n]
    rest = [p for n, p in named if not (p.ndim < 2 or "embedding" in n)]
    groups = [dict(params=rest, weight_decay=0.02), dict(params=plain, weight_decay=0.0)]
    adam = torch.optim.AdamW(groups, lr=a.rate, betas=(0.9, 0.98))
    return [nets.Muon(matrices, lr=a.muon, weight_decay=0.05), adam] if matrices else [adam]


class Losses:
    """The loss of one step. Each batch is seen twice, the second time mirrored."""

    def __init__(self, world, a):
        self.world, self.a = world, a
        self.captions = [world.words.captions(world.tok, t) for t in concepts.TEMPLATES]
        self.clip = runs.there(world.clip)
        self.scale, self.places = runs.move(world.clip.logit_scale.exp(), world.places)
        self.made = None

    def batch(self, step):
        if step % 2 == 0 or self.made is None:
            pictures, boxes, labels, crops = self.world.batch([self.a.seed, 2, step // 2], self.a.batch)
            things, = runs.move(nets.pixels(crops))
            with torch.no_grad(), runs.autocast():
                seen = nets.image_features(self.clip, things).float()
            self.made = pictures, boxes, labels, F.normalize(seen, dim=1)
        pictures, boxes, labels, seen = self.made
        if step % 2:
            pictures, boxes = mirrored(pictures, boxes)
        return nets.pixels(pictures), detector.assign(boxes, labels), seen

    def __call__(self, m, step, g):
        w = self.world
        x, (label, box, centre, thing), seen = self.batch(step)
        mine = label >= 0
        concept = label[mine]
        words = w.words.sample(g, concept.unique(), self.a.words)
        template = self.captions[int(torch.randint(len(self.captions), (), generator=g))]
        x, ids, targets, mine, thing, box, centre, true, right = runs.move(
            x, template[words], w.targets[words], mine, thing[mine], box[mine], centre,
            w.words.true[concept][:, words], w.words.true[label[centre]][:, words])
        seen = seen[thing]
        with runs.autocast():
            f = detector.patch_features(m, x)
            text = detector.queries(m, ids)
            unit, shift, scale, boxes, thingness = detector.heads(m, f)
        own = unit[mine]
        cosine = unit @ text.T
        copy = (1 - (own * seen).sum(1)).mean()
        answer = F.kl_div(F.log_softmax(self.scale * own @ self.places.T, 1),
                          F.log_softmax(self.scale * seen @ self.places.T, 1),
                          log_target=True, reduction="batchmean")
        place = (1 - (text * targets).sum(1)).mean()
        # Words true of the thing are right together, whatever their number.
        s = self.scale * cosine[mine]
        named = true.any(1)
        match = (s.logsumexp(1) - s.masked_fill(~true, -1e4).logsumexp(1))[named].mean()
        logits = (0.3 * cosine + 0.7 * cosine.detach() + shift) * scale
        weight = torch.ones_like(logits)
        weight[mine] = torch.where(true, 0.3, 1.0)      # near misses of a right word count less
        positive = torch.zeros_like(logits, dtype=torch.bool)
        positive[centre] = right
        score = detector.focal(logits, positive, weight) / positive.sum().clamp(min=1)
        b = boxes[mine]
        place_box = (5 * (b - box).abs().sum(1) + 2 * (1 - detector.giou(b, box))).mean()
        found = detector.focal(thingness, centre, torch.where(mine, 0.3, 1.0)) / centre.sum()
        loss = 3 * copy + 0.5 * answer + 2 * place + 0.5 * match + score + 2.0 * place_box + 0.3 * found
        return loss, [v.item() for v in (copy, answer, place, match, score, place_box)]


def install(built, out, force):
    """Copy the built directory over `out`, unless what stands there is better."""
    known = judging_scenes("test", 300)
    new = average_precision(built, *known)
    old = average_precision(out, *known) if (out / "model.safetensors").exists() else 0.0
    print(f"AP50 on unseen drawings: new {new:.3f}, shipped {old:.3f}")
    if new < old and not force:
        raise SystemExit(f"{out} is better and stays; the new network is in {built}")
    out.mkdir(parents=True, exist_ok=True)
    for f in built.iterdir():
        shutil.copyfile(f, out / f.name)


def build_folder(model, world, a):
    """The hub directory of the network below --work."""
    built = a.work / "owlv2-tiny"
    built.mkdir(exist_ok=True)
    hub.copy_tokenizer(a.tokenizer, built)
    hub.save_owl(model, built, world.words.trained())
    return built


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0],
                                 formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--tokenizer", type=Path, default=Path("data/owlv2-tiny"))
    ap.add_argument("--clip", type=Path, default=Path("data/clip-tiny"), help="teacher")
    ap.add_argument("--init", type=Path, help="start from this OWL-v2 directory")
    ap.add_argument("--out", type=Path, default=Path("data/owlv2-tiny"))
    ap.add_argument("--work", type=Path, default=Path("out/train-owl"))
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--steps", type=int, default=6000)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--words", type=int, default=96, help="text queries a step")
    ap.add_argument("--muon", type=float, default=0.02)
    ap.add_argument("--rate", type=float, default=1.5e-3)
    ap.add_argument("--force", action="store_true", help="install even what is worse")
    runs.add_device(ap)
    a = ap.parse_args()
    runs.use(a.device)
    torch.manual_seed(a.seed)
    licences.check(a.drawings)
    began = time.time()
    world = World(a)
    m = detector.build(len(world.tok))
    start(m, world, a)
    run = runs.Run(a.work, "owl", m, optimisers(m, a), a.steps, runs.warm_cosine(60, 0.3), a.seed,
                   ema=0.99, clip=5.0)
    runs.log(a.work, f"{len(world.bank)} concepts, {len(world.words.names)} words, ready in {time.time() - began:.0f} s")
    pictures, boxes, labels = judging_scenes("test", 150)

    def score(model):
        return "AP50 unseen %.3f" % average_precision(build_folder(model, world, a), pictures, boxes, labels)

    ema = run.loop(Losses(world, a), score)
    install(build_folder(ema, world, a), a.out, a.force)


if __name__ == "__main__":
    main()
