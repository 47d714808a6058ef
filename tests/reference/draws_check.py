"""The random draws of a study from docs/protocol.md alone, in plain Python: what `viswords draws` must hand out.

    python tests/reference/draws_check.py STUDY.yaml DRAWS.safetensors            # recompute every draw and compare
    python tests/reference/draws_check.py STUDY.yaml DRAWS.safetensors --write    # make such a file without viswords

Uses pyyaml, xxhash, numpy and safetensors; no code of viswords. Pictures and classes come from the data set's folders.
Ran with Python 3.11, numpy 2.4, xxhash 4.1, safetensors 0.8.
"""

import argparse
import json
import pathlib
import struct

import numpy as np
import xxhash
import yaml
from safetensors import safe_open
from safetensors.numpy import save_file

TEMPLATE, POSITIVE, NEGATIVE, BASELINE, NULL, WATCH = 1, 2, 3, 5, 7, 256
TEMPLATES = ["a photo of a {}", "a photo of the {}", "a good photo of a {}", "a photo of one {}",
             "a close-up photo of a {}", "a picture of a {}"]


def philox4x32(key, counter):
    """Salmon et al., SC 2011: ten rounds on four 32-bit words."""
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    c = list(counter)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k0, p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = k0 + 0x9E3779B9 & 0xFFFFFFFF, k1 + 0xBB67AE85 & 0xFFFFFFFF
    return c


def stream_key(*fields):
    """Low 64 bits of XXH3-128 over the fields, each after its length as 64-bit little endian."""
    h = xxhash.xxh3_128()
    for field in fields:
        raw = str(field).encode()
        h.update(struct.pack("<Q", len(raw)) + raw)
    return h.intdigest() & (1 << 64) - 1


def below(key, step, purpose, i, n):
    """The i-th word of a purpose at a step, as an integer below n."""
    return philox4x32(key, [i // 4, step & 0xFFFFFFFF, purpose, step >> 32])[i % 4] * n >> 32


def without_repetition(key, purpose, n, want, i=0, skip=()):
    """`want` different integers below n (all of them where there are fewer), and where the stream stands then."""
    got = []
    while len(got) < min(want, n - len(skip)):
        drawn = below(key, 0, purpose, i, n)
        i += 1
        if drawn not in got and drawn not in skip:
            got.append(drawn)
    return got, i


def learn_of(study, model):
    """Keys of `learn` for a model, with the defaults that draws depend on."""
    learn = {**study.get("learn", {}), **study["models"][model].get("learn", {})}
    steps = learn.get("steps", 1000)
    learn["steps"] = steps.get(model, 1000) if isinstance(steps, dict) else steps
    learn.setdefault("templates", TEMPLATES)
    learn["judge_template"] = learn.get("judge_template") or learn["templates"][0]
    learn["batch"] = {"positives": 8, "negatives": 8, **learn.get("batch", {})}
    return learn


def listing(folder, data):
    """Classes and pictures of a class-per-folder data set: the classes' first, then those of concepts beside them."""
    root = (folder / data["root"]).resolve()
    classes = data.get("classes") or sorted(p.name for p in (root / "train").iterdir() if p.is_dir())
    if isinstance(classes, str):
        classes = (folder / classes).read_text().split("\n")
    classes = [c.strip() for c in map(str, classes) if c.strip()]
    names = classes + [c for c in data["concepts"] if c not in classes]
    most = {"train": 16, "test": 16, **data.get("pictures", {})}
    out = {"classes": classes}
    for part in ("train", "test"):
        files = {c: sorted(p.name for p in (root / part / c).iterdir())[: most[part]] for c in names}
        out[part] = [[f"{part}/{c}/{f}", c] for c in names for f in files[c]]
    return out


def null_pictures(key, data, n_train, n_test):
    """Indices of a null concept's training and test pictures, drawn among the classes' pictures."""
    pools = [[i for i, (_, c) in enumerate(data[part]) if c in data["classes"]] for part in ("train", "test")]
    train, i = without_repetition(key, NULL, len(pools[0]), n_train)
    test, _ = without_repetition(key, NULL, len(pools[1]), n_test, i)
    return [pools[0][k] for k in train], [pools[1][k] for k in test]


def draws(study, name, data, concept, replica, learn, neighbours):
    """All draws of one concept and replica on the data set `name`; `data` as listing() gives it."""
    key, of_concept = (stream_key("viswords-stream-1", name, concept, r, study.get("seed", 0)) for r in (replica, 0))
    out = {}
    if concept not in study["data"][name]["concepts"]:
        most = {"train": 16, "test": 16, **study["data"][name].get("pictures", {})}
        out["null_train"], out["null_test"] = null_pictures(of_concept, data, most["train"], most["test"])
    mine = out.get("null_train") or [i for i, (_, c) in enumerate(data["train"]) if c == concept]
    rest = [i for i, (_, c) in enumerate(data["train"]) if c in data["classes"] and c != concept and i not in mine]
    M, batch = len(learn["templates"]), learn["batch"]
    for prefix, steps, at in (("", learn["steps"], 0), ("watch_", 32, WATCH)):
        out[prefix + "template"] = [below(key, s, TEMPLATE + at, 0, M) for s in range(steps)]
        for word, purpose, pool in (("positive", POSITIVE, mine), ("negative", NEGATIVE, rest)):
            out[prefix + word] = [[pool[below(key, s, purpose + at, i, len(pool))] for i in range(batch[word + "s"])]
                                  for s in range(steps)]
    skip = [i for i, c in enumerate(data["classes"]) if c == concept]
    out["others_10"] = without_repetition(of_concept, BASELINE, len(data["classes"]), 9, skip=skip)[0]
    out["random_word"] = [neighbours[below(of_concept, 0, BASELINE, 64, len(neighbours))]]
    return {k: np.array(v, np.int32) for k, v in out.items()}


def neighbours_of(folder):
    """Token ids of the words that trained_words.txt lists, ascending."""
    vocab = json.loads((folder / "vocab.json").read_text())
    return sorted(vocab[w + "</w>"] for w in (folder / "trained_words.txt").read_text().split())


def expected(path):
    """What the file must hold: (description, tensors by name)."""
    study = yaml.safe_load(path.read_text())
    info, tensors = {"models": {}, "data": {}}, {}
    for name, data in study["data"].items():
        info["data"][name] = listing(path.parent, data)
    for model, spec in study["models"].items():
        learn = learn_of(study, model)
        info["models"][model] = {"templates": learn["templates"], "judge_template": learn["judge_template"]}
        neighbours = neighbours_of(path.parent / spec["weights"])
        for name, data in study["data"].items():
            nulls = [f"null-{j}" for j in range(study["trials"].get("null_concepts", 1))]
            for concept in data["concepts"] + nulls:
                for replica in range(study["trials"].get("replicas", 1)):
                    got = draws(study, name, info["data"][name], concept, replica, learn, neighbours)
                    tensors |= {f"{model}/{name}/{concept}/{replica}/{k}": v for k, v in got.items()}
    return info, tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("study", type=pathlib.Path)
    parser.add_argument("draws", type=pathlib.Path)
    parser.add_argument("--write", action="store_true", help="write the file instead of checking it")
    args = parser.parse_args()
    info, tensors = expected(args.study)
    if args.write:
        save_file(tensors, args.draws, metadata={"json": json.dumps(info)})
        return
    with safe_open(args.draws, "np") as f:
        given, names = json.loads(f.metadata()["json"]), set(f.keys())
        assert given == info, "templates, classes or pictures differ from the study file and its folders"
        assert names == set(tensors), f"names differ: {sorted(names ^ set(tensors))[:4]} ..."
        for name, want in tensors.items():
            got = f.get_tensor(name)
            assert got.shape == want.shape and (got == want).all(), f"{name}: {got.ravel()[:8]}, not {want.ravel()[:8]}"
    print(f"{len(tensors)} tensors of draws are as docs/protocol.md defines them")


if __name__ == "__main__":
    main()
