"""Trainings that can be killed: a loop that saves its state and goes on where it stood.

Every step draws from generators keyed by (seed, step), so a resumed run sees what an
uninterrupted one sees. Where a network trains is decided here too (--device): pictures are composed,
draws made and networks judged and saved on the CPU whatever the device, so the same seed gives the
same batches on both.
"""
import copy
import math
import time
import zlib

import numpy as np
import torch

SAVE_EVERY = 120.0          # seconds
device = torch.device("cpu")    # where networks train; use() sets it


def add_device(ap):
    ap.add_argument("--device", choices=("cpu", "cuda"), default="cpu",
                    help="where the network trains; cuda has not been tried on a GPU yet")


def use(name):
    """Train on device `name` from now on; the CPU works with one thread."""
    global device
    torch.set_num_threads(1)
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: PyTorch finds no GPU here")
    device = torch.device(name)


def move(*tensors):
    """The tensors on the training device, a tuple; what a step needs goes there by one call."""
    return tuple(t.to(device) for t in tensors)


def there(model):
    """The network on the training device: a copy, or on the CPU itself."""
    return model if device.type == "cpu" else copy.deepcopy(model).to(device)


def autocast(on_cpu=True):
    """bf16 for what is computed within; not on the CPU with on_cpu=False."""
    return torch.autocast(device.type, torch.bfloat16, enabled=on_cpu or device.type != "cpu")


def log(work, text):
    """Print a line and keep it in log.txt."""
    line = time.strftime("%H:%M:%S ") + text
    print(line, flush=True)
    with open(work / "log.txt", "a", encoding="utf-8") as f:
        f.write(line + "\n")


def write(path, value):
    """torch.save under another name first: `path` is never half written."""
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    partial.rename(path)


def kept(path, settings, make):
    """make(), or what it gave an earlier run: tensors stored at `path` with the `settings` they follow from.

    Other settings than the stored ones: made anew.
    """
    if path.exists():
        stored = torch.load(path, weights_only=True)
        if stored["settings"] == settings:
            return stored["made"]
    made = make()
    write(path, dict(settings=settings, made=made))
    return made


def fingerprint(model):
    """A checksum of a network's weights, to tell by what network something was made."""
    crc = 0
    for v in model.state_dict().values():
        crc = zlib.crc32(v.contiguous().numpy().tobytes(), crc)
    return crc


def warm_cosine(warm_up, constant=0.0, floor=0.02):
    """A factor of step and steps: linear warm-up, constant part, cosine down to `floor`."""
    def factor(step, steps):
        p = max(0.0, (step / steps - constant) / (1 - constant))
        return min(1.0, (step + 1) / warm_up) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * p)))
    return factor


def warm_linear(warm_up, constant):
    """The same with a linear decay to nothing."""
    def factor(step, steps):
        return min(1.0, (step + 1) / warm_up) * min(1.0, (1 - step / steps) / (1 - constant))
    return factor


class Run:
    """A network, its optimisers and moving average, saved below `work` every two minutes.

    losses(model, step, generator) returns (loss, figures); figures are averaged for the log.
    score(ema) returns a text; it is called at each save. The model moves to the training device, its
    parameters remain the optimisers'; the generator is the CPU's. Gradients of the parameters in
    `clipped` (None: all) are clipped to a norm of `clip` together.
    """

    def __init__(self, work, name, model, optimisers, steps, schedule, seed, ema=0.998, clip=1.0,
                 clipped=None):
        work.mkdir(parents=True, exist_ok=True)
        self.work, self.name, self.model, self.optimisers = work, name, model.to(device), optimisers
        self.steps, self.schedule, self.seed, self.keep, self.clip = steps, schedule, seed, ema, clip
        self.clipped = list(model.parameters()) if clipped is None else clipped
        self.ema = copy.deepcopy(model).requires_grad_(False)
        self.rates = [[g["lr"] for g in o.param_groups] for o in optimisers]
        self.path = work / f"{name}.pt"
        self.step, self.spent, self.saved = 0, 0.0, time.time()
        if self.path.exists():
            self.restore()

    def restore(self):
        s = torch.load(self.path, weights_only=True, map_location="cpu")
        self.model.load_state_dict(s["model"])
        self.ema.load_state_dict(s["ema"])
        for o, state in zip(self.optimisers, s["optimisers"]):
            o.load_state_dict(state)
        self.step, self.spent = s["step"], s["spent"]
        log(self.work, f"{self.name}: goes on at step {self.step}")

    def save(self):
        write(self.path, dict(model=self.model.state_dict(), ema=self.ema.state_dict(), step=self.step,
                              spent=self.spent, optimisers=[o.state_dict() for o in self.optimisers]))
        self.saved = time.time()

    def update(self, loss):
        factor = self.schedule(self.step, self.steps)
        for o, rates in zip(self.optimisers, self.rates):
            o.zero_grad()
            for group, rate in zip(o.param_groups, rates):
                group["lr"] = rate * factor
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.clipped, self.clip)
        for o in self.optimisers:
            o.step()
        self.step += 1
        keep = min(self.keep, self.step / (self.step + 10))
        with torch.no_grad():
            for a, b in zip(self.ema.state_dict().values(), self.model.state_dict().values()):
                if a.dtype.is_floating_point:
                    a.lerp_(b, 1 - keep)
                else:
                    a.copy_(b)

    def average(self):
        """The moving average on the CPU, to be judged and saved."""
        return (self.ema if device.type == "cpu" else copy.deepcopy(self.ema).cpu()).eval()

    def loop(self, losses, score):
        """Train to the last step; return the moving average, on the CPU."""
        start = time.time() - self.spent
        mean = None
        while self.step < self.steps:
            g = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
            loss, figures = losses(self.model.train(), self.step, g)
            self.update(loss)
            self.spent = time.time() - start
            now = np.array(figures)
            mean = now if mean is None else 0.98 * mean + 0.02 * now
            if time.time() - self.saved > SAVE_EVERY or self.step in (50, self.steps):
                self.save()
                log(self.work, f"{self.name} step {self.step}/{self.steps} {self.spent:.0f} s "
                               f"means {np.round(mean, 4)} {score(self.average())}")
        return self.average()
