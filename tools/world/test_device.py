"""The trainings with a GPU that is only pretended: python tools/world/test_device.py

No GPU is needed: all stays on the CPU, but tensors moved to "cuda" and what follows from them carry a
mark, and an operation on marked and unmarked tensors together stops, as on a GPU. Pretend sees what
Python calls, not what happens within PyTorch; it says nothing about bf16 on a GPU or about speed.
"""
import contextlib
import functools
import importlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

import runs

DATA = Path(__file__).resolve().parents[2] / "data"
CUDA, CPU = torch.device("cuda"), torch.device("cpu")
CROSSING = ("copy_", "__deepcopy__", "__getitem__", "__setitem__")    # may be given tensors of both devices


def is_marked(t):
    return getattr(t, "_marked", False)


def marked(mark, x):
    """x; if a tensor, with or without the mark."""
    if isinstance(x, torch.Tensor) and is_marked(x) != mark:
        x._marked = mark
    return x


def tensors_of(*trees):
    return [t for t in tree_flatten(trees)[0] if isinstance(t, torch.Tensor)]


class Pretend(TorchFunctionMode):
    def __torch_function__(self, f, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(f, "__name__", "")
        on_cuda = any(map(is_marked, tensors_of(args, kwargs)))
        if f == torch.Tensor.device.__get__:
            return CUDA if on_cuda else CPU
        if f == torch.Tensor.data.__set__:
            f(*args)
            return marked(is_marked(args[1]), args[0])
        if name in ("to", "cpu"):
            return self.moved(f, name, on_cuda, args, kwargs)
        if kwargs.get("device") is not None:            # makes a tensor
            return marked(torch.device(kwargs["device"]).type == "cuda", f(*args, **dict(kwargs, device=CPU)))
        mark = on_cuda
        if name in CROSSING:
            mark = is_marked(args[0])
            assert mark or not on_cuda or name in CROSSING[:2], f"{name} on the CPU by a tensor on the GPU"
        elif on_cuda and name != "_has_compatible_shallow_copy_type":
            stray = [tuple(t.shape) for t in tensors_of(args, kwargs) if t.ndim and not is_marked(t)]
            assert not stray, f"{name}: of shape {stray} and on the CPU"
            assert name not in ("numpy", "__array__"), f"{name} of a tensor on the GPU"
        return tree_map(functools.partial(marked, mark), f(*args, **kwargs))

    @staticmethod
    def moved(f, name, mark, args, kwargs):
        def devices(x):
            return CPU if isinstance(x, (str, torch.device)) else x
        asked = [x for x in (*args, *kwargs.values()) if isinstance(x, (str, torch.device))]
        like = [x for x in args[1:] if isinstance(x, torch.Tensor)]
        goal = (False if name == "cpu" else torch.device(asked[0]).type == "cuda" if asked else
                is_marked(like[0]) if like else mark)
        out = f(*map(devices, args), **{k: devices(v) for k, v in kwargs.items()})
        if out is args[0] and goal != mark:
            out = out.clone()
        return marked(goal, out)


def copied(deepcopy):
    """Parameter.__deepcopy__ that keeps the mark."""
    def copy(self, memo):
        return marked(is_marked(self), deepcopy(self, memo))
    return copy


class Marks(unittest.TestCase):
    def test_mixing_stops(self):
        with Pretend():
            there, here = torch.ones(2).to("cuda"), torch.ones(2)
            self.assertEqual((there.device, here.device, (there * 2)[:1].device), (CUDA, CPU, CUDA))
            for mixed in (lambda: there + here, lambda: torch.cat([here, there]), lambda: here[there.long()],
                          lambda: there @ torch.eye(2), lambda: (2 * there).numpy(),
                          lambda: torch.nn.functional.linear(there, torch.nn.Linear(2, 2).weight)):
                with self.assertRaises(AssertionError):
                    mixed()
            there + here.to(there) + torch.tensor(1.0) + torch.ones(2, device=there.device)


class Trainings(unittest.TestCase):
    """Two steps of each, on few pictures; nothing is installed, no state written."""

    def train(self, script, *args, **patches):
        module = importlib.import_module(script)
        loop = runs.Run.loop

        def checked(run, losses, score):
            self.assertTrue(all(is_marked(p) for p in run.model.parameters()))
            ema = loop(run, losses, lambda ema: "")
            self.assertFalse(any(is_marked(t) for t in ema.state_dict().values()))
            self.assertTrue(all(is_marked(p.grad) for p in run.clipped if p.grad is not None))
            self.assertTrue(all(v.isfinite().all() for v in ema.state_dict().values()))
            return ema

        with contextlib.ExitStack() as stack:
            enter = stack.enter_context
            work = enter(tempfile.TemporaryDirectory())
            enter(mock.patch("sys.argv", [script, "--device", "cuda", "--work", work, "--drawings",
                                          str(DATA / "drawings"), *map(str, args)]))
            for name, value in dict(patches, **{
                    "runs.device": CUDA, "runs.use": lambda name: None, "runs.write": lambda *a: None,
                    "runs.autocast": lambda on_cpu=True: torch.autocast("cpu", torch.bfloat16),
                    "runs.Run.loop": checked, "torch.nn.Parameter.__deepcopy__": copied(torch.nn.Parameter.__deepcopy__),
                    }).items():
                enter(mock.patch(name, value))
            if hasattr(module, "install"):
                enter(mock.patch(f"{script}.install", lambda *a: None))
            enter(contextlib.redirect_stdout(io.StringIO()))
            enter(Pretend())
            module.main()

    def few(self, labels):
        """Stands for what makes (pictures, labels)."""
        x = np.random.default_rng(0).integers(0, 256, (len(labels), 32, 32, 3)).astype(np.uint8)
        return lambda *a: (x, np.array(labels))

    def test_vae(self):
        self.train("train_vae", "--steps", 2, **{"diffusion.portraits": self.few([0] * 16)})

    def test_sd(self):
        self.train("train_sd", "--steps", 2, "--words", 8, "--apart", 0.1, "--init", DATA / "sd-tiny",
                   "--tokenizer", DATA / "clip-tiny", **{"diffusion.portraits": self.few(range(680))})

    def test_judge(self):
        views = {"train_judge.views": self.few(range(692))}
        common = "--batch", 16, "--student-steps", 2, "--tokenizer", DATA / "clip-tiny"
        self.train("train_judge", "--teacher-steps", 2, *common, **views)
        self.train("train_judge", "--init", DATA / "judge-tiny", *common, **views)

    def test_clip(self):
        self.train("train_clip", "--teacher-steps", 2, "--student-steps", 2, "--teacher-batch", 8,
                   "--student-batch", 8, "--whole-from", 0.5, "--tokenizer", DATA / "clip-tiny")

    def test_words(self):
        clip = DATA / "clip-tiny"
        self.train("train_words", "--steps", 2, "--pictures", 3, "--init", clip, "--tokenizer", clip)

    def test_owl(self):
        self.train("train_owl", "--steps", 2, "--batch", 4, "--tokenizer", DATA / "owlv2-tiny", "--clip",
                   DATA / "clip-tiny", **{
                       "train_owl.judging_scenes": lambda *a: ((), (), ()),
                       "train_owl.World.concept_places": lambda self, a: torch.eye(len(self.bank), 192)})


if __name__ == "__main__":
    unittest.main()
