"""A whole generation study in PyTorch float64: what viswords must reproduce (docs/protocol.md, Generation).

    cd tests/reference
    viswords draws ../golden/sd.yaml -o fixtures/golden_sd_draws.safetensors
    python golden_sd.py ../golden/sd.yaml fixtures/golden_sd_draws.safetensors fixtures/golden_sd.safetensors

Learning and its numbers are golden.py's; here are the networks by diffusers and transformers, pictures by Pillow, noise
by the protocol's formulas, DPM-Solver++ by its own (schedule.py). Metrics [n, 3]: named, named_10, named_all; NaN for
null concepts; counts: pictures of a word. Ran with Python 3.11, torch 2.15.0, diffusers 0.39, transformers 4.57.6, Pillow 13.
"""

import json
import math
import pathlib
import sys

import numpy as np
import torch
import yaml
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from draws_check import below, learn_of, philox4x32, stream_key
from golden import TIE, delta_text, learn_words, radius_of, unit
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from schedule import dpm_step, in_double
from sd import DoubleTimesteps, channels_first, tower_of
from transformers import CLIPImageProcessor, CLIPModel, CLIPTextModel, CLIPTokenizer

torch.set_default_dtype(torch.float64)
NOISE, POSTERIOR, LATENT, BASELINE, WATCH, WATCHED = 9, 11, 12, 5, 256, 8
f32 = np.float32


def log01(x):
    """ln(x) for x in (0, 1] in fp32, as src/core/random.h has it."""
    bits = x.view(np.uint32)
    e = (bits >> 23).astype(np.int32) - 127
    m = ((bits & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(f32)
    large = m > f32(1.41421356)
    m, e = np.where(large, m * f32(0.5), m), np.where(large, e + 1, e)
    s = (m + f32(-1)) / (m + f32(1))
    z = s * s
    p = z * f32(0.11111111) + f32(0.14285714)
    p = p * z + f32(0.2)
    p = p * z + f32(0.33333333)
    p = p * z * s
    return e.astype(f32) * f32(0.69314718) + f32(2) * (s + p)


def sincos_turn(t):
    t4 = t * f32(4)
    q = (t4 + f32(0.5)).astype(np.int32)
    r = (t4 - q.astype(f32)) * f32(1.57079633)
    z = r * r
    s = z * f32(2.7557319e-6) + f32(-1.9841270e-4)
    s = s * z + f32(8.3333333e-3)
    s = s * z + f32(-1.6666667e-1)
    s = r + s * z * r
    c = z * f32(2.4801587e-5) + f32(-1.3888889e-3)
    c = c * z + f32(4.1666667e-2)
    c = c * z + f32(-0.5)
    c = c * z + f32(1)
    quadrant = q & 3
    sin = np.select([quadrant == 0, quadrant == 1, quadrant == 2], [s, c, -s], -c)
    cos = np.select([quadrant == 0, quadrant == 1, quadrant == 2], [c, -s, -c], s)
    return sin, cos


def normals(key, step, purpose, n):
    """n standard normals of a stream: Box and Muller on Philox blocks, in fp32."""
    words = np.array([philox4x32(key, [i, step & 0xFFFFFFFF, purpose, step >> 32]) for i in range((n + 3) // 4)], np.uint32)
    u = ((words >> 9).astype(f32) + f32(0.5)) * f32(2.0**-23)
    out = np.empty_like(u)
    for i in (0, 2):
        radius = np.sqrt(f32(-2) * log01(u[:, i].copy()))
        sin, cos = sincos_turn(u[:, i + 1].copy())
        out[:, i], out[:, i + 1] = radius * cos, radius * sin
    assert out.dtype == f32
    return torch.tensor(out.reshape(-1)[:n].astype(np.float64))


class Network:
    """A diffusers directory in float64."""

    def __init__(self, folder):
        self.text = CLIPTextModel.from_pretrained(folder / "text_encoder").double().eval()
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet").double().eval()
        self.unet.time_proj = DoubleTimesteps(self.unet.time_proj)
        self.vae = AutoencoderKL.from_pretrained(folder / "vae").double().eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        for part in (self.text, self.unet, self.vae):
            part.requires_grad_(False)
        self.table = tower_of(self.text).embeddings.token_embedding.weight
        self.trained = {word: self.token(word) for word in (folder / "trained_words.txt").read_text().split()}
        self.scheduler = DPMSolverMultistepScheduler.from_pretrained(folder / "scheduler")
        in_double(self.scheduler)
        self.abar = self.scheduler.alphas_cumprod
        self.velocity = self.scheduler.config.prediction_type == "v_prediction"
        self.side = self.unet.config.sample_size * 2 ** (len(self.vae.config.block_out_channels) - 1)

    def token(self, word):
        ids = self.tokenizer.encode(word, add_special_tokens=False)
        assert len(ids) == 1, f"{word} is {len(ids)} tokens"
        return ids[0]

    def rows(self, text):
        return self.tokenizer([text], padding="max_length", max_length=77, return_tensors="pt").input_ids

    def states(self, text):
        return self.text(self.rows(text)).last_hidden_state

    def words(self, v, template):
        """States [K, J, C] of a template with the vectors v [K, C] in place of {}."""
        word = next(iter(self.trained))
        before = len(self.tokenizer.encode(template.split("{}")[0].strip(), add_special_tokens=False))
        ids, at = self.rows(template.format(word)), before + 1
        assert ids[0, at] == self.token(word)
        e = self.table[ids].expand(len(v), -1, -1)
        e = torch.cat([e[:, :at], v[:, None], e[:, at + 1 :]], 1)
        hook = tower_of(self.text).embeddings.token_embedding.register_forward_hook(lambda *_: e)
        try:
            return self.text(ids.expand(len(v), -1)).last_hidden_state
        finally:
            hook.remove()

    @torch.no_grad()
    def moments(self, path):
        """[2, 2c, h, w]: the picture's centre, and its mirror."""
        image = Image.open(path).convert("RGB")
        S = min(image.size)
        x, y = (image.width - S) // 2, (image.height - S) // 2
        image = image.crop((x, y, x + S, y + S)).resize((self.side, self.side), Image.BICUBIC)
        x = torch.tensor(np.asarray(image)).double() / 127.5 - 1
        x = x.permute(2, 0, 1)
        return self.vae.encode(torch.stack([x, x.flip(-1)])).latent_dist.parameters


class Generation:
    """One concept and replica: its pictures and draws."""

    def __init__(self, net, judge, root, concept, names, draws, learn, key):
        self.net, self.judge_by, self.concept, self.names = net, judge, concept, names
        self.draws, self.learn, self.key, self.clip = draws, learn, key, net
        self.moments = {p: net.moments(root / path) for p, path in names["pictures"].items()
                        if p in set(draws["picture"].flatten().tolist() + draws["watch_picture"].flatten().tolist())}

    def loss(self, v, step, prefix=""):
        net, d, set_ = self.net, self.draws, WATCH if prefix else 0
        picture, mirror, t = (d[prefix + k][step].tolist() for k in ("picture", "mirror", "timestep"))
        m = torch.stack([self.moments[p][i] for p, i in zip(picture, mirror)])
        mean, logvar = m.chunk(2, 1)
        e, noise = (normals(self.key, step, p + set_, mean.numel()).view(mean.shape) for p in (POSTERIOR, NOISE))
        z = net.vae.config.scaling_factor * (mean + (logvar.clamp(-30, 20) / 2).exp() * e)
        a = net.abar[t][:, None, None, None]
        x = a.sqrt() * z + (1 - a).sqrt() * noise
        target = a.sqrt() * noise - (1 - a).sqrt() * z if net.velocity else noise
        states = net.words(v, self.learn["templates"][d[prefix + "template"][step]])
        out = []
        for one in states:
            y = net.unet(x, torch.tensor(t), encoder_hidden_states=one.expand(len(x), -1, -1)).sample
            out.append(((y - target) ** 2).mean())
        return torch.stack(out)

    def gradient(self, v, step, prefix=""):
        v = v.detach().requires_grad_()
        loss = self.loss(v, step, prefix)
        return loss.detach(), torch.autograd.grad(loss.sum(), v)[0]

    def fixed(self, v):
        parts = [self.gradient(v, s, "watch_") for s in range(WATCHED)]
        return (torch.stack(p).mean(0) for p in zip(*parts))

    def judge(self, v, anchors=None):
        anchors = anchors or self.anchors
        if self.names["is_null"]:
            return torch.full((len(v), 3), math.nan)
        return self.judge_by(self, self.net.words(v, self.learn["judge_template"]), anchors)


class Judge:
    """Draws the pictures of words and names them."""

    def __init__(self, folder, net, spec, names, concepts, data, seed, template):
        self.net, self.spec, self.known, self.concepts = net, spec, names, concepts
        self.data, self.seed, self.template = data, seed, template
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float64).eval()
        self.processor = CLIPImageProcessor.from_pretrained(folder)
        self.tokenizer = CLIPTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def texts(self, names):
        rows = self.tokenizer([self.template.format(n.replace("_", " ")) for n in names], padding=True, return_tensors="pt")
        return unit(self.model.get_text_features(**rows))

    @torch.no_grad()
    def draw(self, states, number):
        """8-bit pictures [K, S, S, 3], all from the noise of this number."""
        net, n, guidance = self.net, self.spec["steps"], self.spec["guidance"]
        h = net.unet.config.sample_size
        key = stream_key("viswords-stream-1", self.data, "", 0, self.seed)
        x = normals(key, number, LATENT, 4 * h * h).view(1, 4, h, h).repeat(len(states), 1, 1, 1)
        s = net.scheduler
        s.set_timesteps(n)
        s.sigmas = torch.cat([((1 - s.alphas_cumprod) / s.alphas_cumprod).sqrt()[s.timesteps], torch.zeros(1)])
        both = torch.cat([net.states("").expand(len(states), -1, -1), states])
        for i, t in enumerate(s.timesteps):
            without, given = net.unet(torch.cat([x, x]), t[None].expand(2 * len(x)), encoder_hidden_states=both).sample.chunk(2)
            x = dpm_step(s, i, n, x, without + guidance * (given - without))
        y = net.vae.decode(x / net.vae.config.scaling_factor).sample
        return ((y / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()

    @torch.no_grad()
    def __call__(self, task, states, anchors):
        known = [n for n in self.known if n != task.concept]
        others, i = {}, 0
        for a in set(anchors):
            got, i = [], 0
            while len(got) < min(8, len([n for n in known if n != a])):
                n = self.known[below(task.key0, 0, BASELINE, i, len(self.known))]
                i += 1
                if n not in (task.concept, a) and n not in got:
                    got.append(n)
            others[a] = got
        names = list(dict.fromkeys([*self.known, *self.concepts, *[a for a in anchors if a]]))
        q, hits = self.texts(names), []
        for number in range(self.spec["pictures"]):
            pictures = [Image.fromarray(p) for p in self.draw(states, number)]
            mean, std = (torch.tensor(v)[:, None, None] for v in (self.processor.image_mean, self.processor.image_std))
            raw = self.processor(pictures, do_rescale=False, do_normalize=False, return_tensors="pt").pixel_values
            f = unit(self.model.get_image_features((raw.double() / 255 - mean) / std))
            z = self.model.logit_scale.exp() * f @ q.T
            rows = []
            for one, a in zip(z, anchors):
                own = one[names.index(task.concept)]
                rivals = (self.concepts + [a], others[a] + [a], self.known + self.concepts + [a])
                rows.append([all(own > one[names.index(r)] + TIE for r in group if r and r != task.concept) for group in rivals])
            hits.append(torch.tensor(rows).double())
        return torch.stack(hits).mean(0)


def main(study_path, draws_path, out_path):
    study, tensors, names = yaml.safe_load(study_path.read_text()), {}, {"trials": {}, "baselines": {}}
    draws = {k: v.long() for k, v in load_file(draws_path).items()}
    with safe_open(draws_path, "pt") as f:
        info = json.loads(f.metadata()["json"])
    here, spec = study_path.parent, study["models"]["sd"]
    net, learn = Network(here / spec["weights"]), {**learn_of(study, "sd"), **info["models"]["sd"]}
    data, seed = study["data"]["portraits"], study["seed"]
    concepts, group = [str(c) for c in data["concepts"]], "sd/portraits"
    known = (here / spec["judge"]["names"]).read_text().split("\n")
    known = [n.strip() for n in known if n.strip() and not n.startswith("#")]
    judge = Judge(here / spec["judge"]["weights"], net, spec["judge"], known, concepts, "portraits", seed,
                  learn["judge_template"])
    pictures = {i: path for i, (path, _) in enumerate(info["data"]["portraits"]["train"])}
    anchors = [str(a) for a in study["trials"]["anchors"]]
    pairs = [(a, d) for a in anchors for d in study["trials"]["deltas"]]
    anchor = net.table[[net.token(a) for a, _ in pairs]]
    radius = torch.stack([d * radius_of(net, a) for a, d in pairs])[:, None]
    out, trials, base = {}, [], []
    for concept in concepts + [f"null-{j}" for j in range(study["trials"].get("null_concepts", 1))]:
        stem = f"{group}/{concept}/0/"
        mine = {k[len(stem):]: v for k, v in draws.items() if k.startswith(stem)}
        key = stream_key("viswords-stream-1", "portraits", concept, 0, seed)
        task = Generation(net, judge, here / data["root"], concept,
                          {"pictures": pictures, "is_null": concept not in concepts}, mine, learn, key)
        task.key0, task.anchors = key, [a for a, _ in pairs]
        for k, v in learn_words(task, anchor, radius).items():
            out.setdefault(k, []).append(v)
        number = float(spec["judge"]["pictures"])
        out.setdefault("counts", []).append(torch.full((len(pairs), 3), number))
        trials += [{"concept": concept, "anchor": a, "delta": delta_text(d), "replica": 0} for a, d in pairs]
        for a in anchors if concept in concepts else []:
            out.setdefault("baselines", []).append(task.judge(net.table[[net.token(a)]], [a]))
            base.append({"concept": concept, "kind": "anchor", "anchor": a})
        if concept in concepts:
            out["baselines"].append(task.judge(net.table[mine["random_word"]], [None]))
            base.append({"concept": concept, "kind": "random_word", "anchor": ""})
        print(concept, [f"{x:.5f}" for x in out["fixed_end"][-1].tolist()], out["metrics"][-1].tolist(), flush=True)
    out["baseline_counts"] = [torch.full((len(base), 3), number)]
    names["trials"][group], names["baselines"][group] = trials, base
    tensors |= {f"{group}/{k}": torch.cat(v).contiguous() for k, v in out.items()}
    save_file(tensors, out_path, metadata={"json": json.dumps(names)})


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:4]))
