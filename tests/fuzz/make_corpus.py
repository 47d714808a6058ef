"""Seeds of the fuzz targets from the tests' fixtures and the shipped studies: OUT/<target>/<name>.

    python3 tests/fuzz/make_corpus.py OUT       standard library only
"""

import json
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "reference" / "fixtures"


def put(target, name, data):
    folder = pathlib.Path(sys.argv[1]) / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def tensors(shapes, metadata):
    """A safetensors file of zeros: name -> (type, shape, bytes)."""
    header, at = {"__metadata__": metadata}, 0
    for name, (dtype, shape, size) in shapes.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


F64, I64, U8, TEXT, SECOND, ONLY_SECOND = 1, 5, 7, 9, 0x10, 0x20
TYPES = {F64: "d", I64: "q", U8: "B"}


def data_set(path, values, dims=None, flags=0):
    """As tests/fuzz/stand_ins/study.h has it. Texts: a str alone has no dimensions."""
    alone = isinstance(values, str)
    values = [values] if alone else values
    if isinstance(values[0], str):
        kind, width = TEXT, max(2, *(len(v) + 1 for v in values), 2)
        raw = b"".join(v.encode().ljust(width, b"\0") for v in values)
    else:
        kind, width = (F64 if isinstance(values[0], float) else I64), 0
        raw = struct.pack(f"<{len(values)}{TYPES[kind]}", *values)
    dims = [] if alone else dims or [len(values)]
    return (path.encode() + b"\0" + struct.pack("<BHB", kind | flags, width, len(dims)) + bytes(dims) + struct.pack("<H", len(raw)) + raw)


def table(group, n=2, **columns):
    """Columns of `n` rows in a group; a value alone stands in all rows."""
    data, first = b"", True
    for name, value in columns.items():
        dims = None
        if isinstance(value, tuple):
            value, dims = value
        value = value if isinstance(value, list) else [value] * n
        data += data_set(f"{group}/{name}" if first else name, value, dims)
        first = False
    return data


NAN = float("nan")


def results():
    """Inputs of fuzz_results: for each kind of figure what it reads, two rows a table."""
    interval = {"mean": [0.5, 0.25], "low": 0.1, "high": 0.9, "boot_low": 0.2, "boot_high": 0.8}
    quartiles = {"median": [0.5, 0.25], "quartile_1": 0.1, "quartile_3": 0.9}
    trials = table("/trials", model=["a", "b"], data="d", concept=["fox", "owl"], anchor="dog", delta=0.5, replica=0, null=0, id="0" * 32)
    summary = {"model": ["a", "b"], "data": "d", "delta": [0.5, 1e300], "quantity": "value"}
    carried = table("/summary/transfer", n_=1, **summary).replace(b"n_", b"n") + table(
        "/summary/transfer", **{"from": "a", "to": "b"}, kind="carried word", metric="recall", **interval)
    names = table("/summary/classification", n_=[3, 4], what="learned words", metric="recall", **summary, **interval).replace(b"n_", b"n")
    put("results", "delta", trials + names + carried)
    put("results", "loss", trials + table("/summary/loss", n_=[3, 4], step=[0.0, 10.0], **{**summary, "quantity": "training loss"},
                                         **quartiles).replace(b"n_", b"n"))
    put("results", "constraint", trials + table("/summary/constraint", n_=[3, 4], **{**summary, "quantity": ["kkt", "distance"]},
                                               **quartiles).replace(b"n_", b"n"))
    put("results", "probe", trials + table("/summary/probe", n_=[3, 4], **{**summary, "quantity": "concept neighbour"}, layer=[0.0, 1.0],
                                          position="word", **interval).replace(b"n_", b"n"))
    put("results", "performant", trials + table("/summary/performant", n_=[3, 4], **{**summary, "quantity": "performant"}, kind="learned",
                                               **interval).replace(b"n_", b"n"))
    depths = table("/summary/truncation", n_=[3, 4], **summary, kind=["learned", "anchor"], source="", metric="named", depth=[1.0, 2.0],
                   layers=2.0, **interval).replace(b"n_", b"n")
    words = {"data": "d", "concept": ["fox", "owl"], "anchor": "dog", "delta": 0.5, "replica": 0.0}
    put("results", "truncation", trials + depths + table("/summary/generation", n_=[3, 4], **summary).replace(b"n_", b"n") + table(
        "/truncation/generation", kind=["learned", "carried"], model="a", source=["", "b"], trial=[0.0, 1.0], **words))
    maps = table("/tsne/a", 1, layer=[1.0], position="word", n_=2, points=([0.0, 0.5, 1.0, NAN], [1, 2, 2])).replace(b"n_", b"n")
    put("results", "tsne", trials + maps + table("/activations/a", origin=["trial", "anchor"], concept=["fox", ""], anchor="dog", delta=0.5,
                                                trial=[0.0, -1.0]))
    boxes = [0.5, 1.0, 2.0, 3.0, 4.0, 0.6] * 2
    put("results", "transfer", trials + carried + table("/summary/detection", n_=[3, 4], **summary).replace(b"n_", b"n") + table(
        "/evaluation", detection=([0.5, 0.25] * 2, [2, 2]), detection_trial=[0, 1]) + table(
        "/evaluation/detection_baselines", kind="untouched anchor", model="a", metrics=([0.5, 0.25] * 2, [2, 2]), **words) + table(
        "/transfer/b/a", kind="carried word", trial=[0, 1], evaluation=([0.5, 0.25] * 2, [2, 2]), boxes=(boxes, [2, 1, 1, 6]), **words)
        + table("/pictures/a/shown", data="d", concept=["fox", "owl"], place=0, width=96, height=64) + table(
        "/pictures/a", boxes=(boxes, [2, 1, 1, 6]), trial=[0, 1], baseline_boxes=(boxes, [2, 1, 1, 6]), baseline=[0, 1]))
    study = (HERE.parents[1] / "jobs" / "studies" / "smoke.yaml").read_text()
    plan = (HERE / "corpus" / "plan" / "smoke.yaml").read_text()
    config = data_set("/config/study", study) + data_set("/config/study", study.replace("smoke", "other"), flags=ONLY_SECOND)
    put("results", "config", trials + config + data_set("/config/plan", plan) + data_set("/provenance/study_file", "/nowhere/a.yaml"))
    put("results", "compared", data_set("/words/a", [0.5, 1.0], flags=SECOND) + data_set("/words/b", [1, 2], flags=SECOND)
        + data_set("/words/c", ["x", "y"], flags=SECOND) + data_set("/loss/a_trial", [1, 2]))


def output_files(run, rank):
    """Inputs of readers of what viswords itself writes beside results."""
    lines = [json.dumps(run)[1:], json.dumps(rank)[1:]]
    lock = ("viswords lock 2\nepoch " + "0123456789abcdef" * 2 + "\nhost a\nboot -\nnamespace 1\npid 1\nborn 1\n"
            "counter 0000000000000000\n")
    put("status", "both", "\0".join(lines) + "\0\0" + lock)
    put("status", "alone", "\0".join(lines))
    put("lock_record", "second", lock)
    put("lock_record", "first", "host a pid 17 born 3\n")
    put("slurm_jobs", "two", "17 array-learn\n18 collect\n\x0017 RUNNING\n17 PENDING\n18 COMPLETED\n")
    rates = [{"kind": "step 8x2", "shape": "0" * 31 + "1", "flops": 1e9, "seconds": 0.25},
             {"kind": "step 8x2", "shape": "f" * 32, "flops": 1e12, "seconds": 1000.0}]
    put("rates", "two", json.dumps({"machine": "a", "product_flops_per_second": 1e10, "rates": rates}))
    product = "cublaslt forward 1600x768x3072 bf16 bf16 f32 bias: id 66 tile 20 stages 36 split 1"
    put("algorithms", "joined", product + "\ncudnn convolve 32x64: engine 62 knob 14 1\n\0" + product + " reduction 0\n")
    rows = [{"variant": "cached", "trials": 16, "trial_steps_per_s": 120.0}, {"what": "rank", "ranks": 4, "rank": 3, "rate": 9.5},
            {"what": "tsne", "points": 4800, "width": 768, "seconds": 1.5}, {"what": "tokenizer", "per_second": 1}]
    bench = {"bench": "clip", "kernels": "k", "precision": "mixed", "threads": 2, "rows": rows}
    put("against", "rows", json.dumps(bench))
    put("against", "networks", json.dumps({**{k: v for k, v in bench.items() if k != "rows"}, "networks": rows[:1]}))
    figure = {"name": "probe", "kind": "probe", "subject": "", "made": True, "title": "x", "caption": "y", "paper": "", "note": "z"}
    time = {"time": "2026-01-01T00:00:00Z", "stage": "learn", "seconds": 1.5, "ranks": 2, "threads": 1, "backend": "cpu",
            "version": "0.1", "revision": "x", "hosts": ["a", "b"]}
    put("reports", "both", json.dumps({"figures": [figure]}) + "\0" + json.dumps(time) + "\n" + json.dumps({**time, "hosts": []}) + "\n")


def main():
    wanted = {"unknown field", "metadata good", "hole", "overlap", "zero size between", "six dimensions", "unaligned",
              "F4 as 4 bytes", "BF16 as 16 bytes", "nested 125 deep", "name: pair of escapes", "length one too long"}
    for case in json.loads((FIXTURES / "safetensors_files.json").read_text())["cases"]:
        if case["name"] in wanted:
            put("safetensors", case["name"].replace(" ", "-").replace(":", ""), bytes.fromhex(case["file"]))
    for name in ("learned_embeds", "two_vectors", "kohya", "sdxl"):
        put("word_file", name, (FIXTURES / "words" / f"{name}.safetensors").read_bytes())
    trial = {"id": "0123456789abcdef", "concept": "fox", "anchor": "dog", "delta": "0.5", "replica": 0}
    shapes = {"words": ("F16", [2, 2, 3], 24), "anchors": ("F16", [2, 3], 12), "radius": ("F64", [2], 16), "anchor_id": ("I64", [2], 16)}
    put("word_file", "block", tensors(shapes, {"model": "clip", "trials": json.dumps([trial, trial])}))
    put("word_file", "rows", tensors({"words": ("F32", [2, 2], 16)}, {"words": '["a", "b"]'}))
    exported = {"viswords": "word", "anchor": "dog", "delta": "free", "radius": "0.25", "replica": "1", "trial": "0123"}
    put("word_file", "exported", tensors({"<vw-fox>": ("F32", [1, 3], 12)}, exported))
    for name in ("kind_0_1.png", "kind_3_4_interlaced.png", "kind_6_16.png", "dark_16.png", "turned.png", "turned_6.jpg",
                 "cmyk_plain.jpg", "sampled_420.jpg", "grey.jpg", "progressive.jpg"):
        put("image", name, (FIXTURES / "pictures" / name).read_bytes())
    for name in ("lossless", "lossy_alpha", "turned", "moving"):
        put("image", f"{name}.webp", (FIXTURES / "webp" / f"{name}.webp").read_bytes())
    for i, case in enumerate(json.loads((FIXTURES / "hub_configs.json").read_text())["cases"]):
        put("hub", f"config-{i}", json.dumps(case["config"]))
    run = {"state": "running", "stage": "learn", "unit": "trials", "host": "a", "ranks": 1, "pid": 1, "items": 2, "total": 8,
           "before": 0, "cost": 1e9, "is_operations": True, "started": 1.5e9, "stage_started": 1.5e9, "time": 1.5e9}
    rank = {"rank": 0, "host": "a", "pid": 1, "state": "working", "stage": "learn", "item": "0123", "step": 2, "steps": 9, "units": 4,
            "done": 4, "items": 1, "unit_steps": 44.0, "step_seconds": 0.5, "cost": 5e8, "cost_done": 5e8, "cost_made": 6e8,
            "loss": None, "started": 1.5e9, "item_started": 1.5e9, "ended": 0.0, "time": 1.500000009e9}
    put("ranks", "one", json.dumps(run)[1:] + "\0" + json.dumps(rank)[1:])
    output_files(run, rank)
    results()
    put("ranks", "torn", json.dumps(run)[1:] + "\0" + json.dumps(rank)[1:80])
    names = "n02000001 fox, red fox\nn02000002 goldfish\n"
    put("lists", "kaggle", "# a comment\na.JPEG 1 2 30 40.5\n\0" + names + "\0ImageId,PredictionString\n"
        "v1,n02000001 1 2 30 40 n02000001 5 6 7 8 \nv2,n02000002 1 1 2 2 \n")
    put("lists", "val", "\0" + names + "\0\0v1.JPEG n02000001\nv2.JPEG 1\n")
    put("lists", "ilsvrc", "\0" + names + "\0\0\0" + "1\n2\n\0n02000001 1 fox\nn02000002 2 goldfish\n")
    coco = {"info": {"year": 2017}, "licenses": [{"id": 1}],
            "images": [{"id": 5, "file_name": "b.jpg", "width": 640, "height": 480, "license": 1}],
            "categories": [{"id": 70, "name": "hair drier", "supercategory": "x"}],
            "annotations": [{"id": 9, "image_id": 5, "category_id": 70, "bbox": [1.5, 2, 30.25, 4], "area": 120.5, "iscrowd": 0,
                             "segmentation": [[1.5, 2, 31.75, 2, 1.5, 6]]},
                            {"id": 10, "image_id": 5, "category_id": 70, "bbox": [0, 0, 640, 480], "iscrowd": 1,
                             "segmentation": {"counts": [4, 10, 2], "size": [480, 640]}}]}
    put("coco", "small", json.dumps(coco))
    put("coco", "pretty", json.dumps(coco, indent=1, ensure_ascii=True))
    put("coco", "escapes", '{"images":[{"id":1,"file_name":"\\u00e9\\ud83e\\udd8a \\n\\/.jpg","width":1e2,"height":12.0}],'
        '"categories":[],"annotations":[],"x":[true,false,null,-0.5E+3,"\u00e9",{"y":[[]]}]}')
    voc = ("<annotation><filename>a.jpg</filename><size><width>96</width><height>96</height></size><object><name>fox</name>"
           "<truncated>0</truncated><difficult>1</difficult><bndbox><xmin>30</xmin><ymin>51</ymin><xmax>70</xmax><ymax>88</ymax>"
           "</bndbox><part><name>head</name></part></object></annotation>")
    put("voc", "small", voc)
    put("voc", "doctype", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>' + voc)
    put("voc", "entities", voc.replace("fox", "f&amp;&#120;<![CDATA[ y ]]><!-- c -->"))
    put("hub", "preprocessor", b'{}\0{"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}, '
        b'"image_mean": [0.5, 0.5, 0.5], "do_resize": true, "resample": 3, "rescale_factor": 0.00392}')
    whole = {"image_processor": {"image_processor_type": "CLIPImageProcessor", "size": {"height": 16, "width": 16}, "crop_size": 16,
                                 "resample": 3, "image_std": 0.5, "do_rescale": None}, "processor_class": "CLIPProcessor"}
    put("hub", "processor", '{"vision_config": {"image_size": 16}, "projection_dim": 5}\0{}\0' + json.dumps(whole))
    put("hub", "owlv2", "{}\0" + json.dumps({"image_processor_type": "Owlv2ImageProcessor", "size": {"height": 16, "width": 16},
                                            "do_pad": True, "rescale_factor": 0.5, "image_mean": [0, 0, 1], "do_normalize": False}))
    put("hub", "infinity", '{"a": -Infinity, "b": [NaN], "projection_dim": 5}')
    parts = ("model_index.json", "text_encoder/config.json", "unet/config.json", "vae/config.json",
             "scheduler/scheduler_config.json")
    for name in ("sd_a", "sd_b", "sd_c"):
        put("hub_diffusers", name, b"\0".join((FIXTURES / name / p).read_bytes() for p in parts))
    put("hub_diffusers", "infinity", b'\0\0\0\0{"lambda_min_clipped": -Infinity, "_class_name": "PNDMScheduler"}')
    put("hub_diffusers", "lists", b'\0\0{"only_cross_attention": [false], "sample_size": [8, 6], "layers_per_block": [1, 2, '
        b'1, 2], "cross_attention_dim": [512, 512, 512, 512], "num_class_embeds": null}\0{"latents_mean": null}')
    vocabulary = {"a": 1, "b": 2, "b</w>": 4, "ab</w>": 5, "<|startoftext|>": 6, "<|endoftext|>": 7}
    model = {"end_of_word_suffix": "</w>", "vocab": vocabulary, "merges": ["a b</w>"]}
    put("tokenizer_files", "one-file", b"\0" + json.dumps({"model": model}).encode())
    put("tokenizer_files", "vocabulary", b"\1" + json.dumps(vocabulary).encode())
    put("tokenizer_files", "merges", b"\2#version: 0.2\na b</w>\n\nb a\n")
    added = {"8": {"content": "<toy>", "normalized": False, "single_word": True}, "0": {"content": "!"}}
    put("tokenizer_files", "config", b"\3" + json.dumps({"added_tokens_decoder": added, "pad_token": "!"}).encode())
    put("tokenizer_files", "special", b"\4" + json.dumps({"pad_token": {"content": "!"}}).encode())
    for i, text in enumerate(("a photo of a fox", "It's <|EndOfText|>!!! 12\u00bd", "e\u0301\u0323 \u0130 \ua7cb \U00011935\U00011930",
                              "\U0001f469\u200d\U0001f467\u3000\x1c", "x" * 300)):
        put("text", f"text-{i}", text)
    for name in ("smoke.yaml", "demo.yaml", "optimisers.yaml"):
        put("study", name, (HERE.parents[1] / "jobs" / "studies" / name).read_bytes())


if __name__ == "__main__":
    main()
