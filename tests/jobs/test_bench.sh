#!/bin/bash
# `viswords bench` runs each of its parts and says what it wants. What it measures is not tested: machines of tests are busy.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
model=$source_dir/data/clip-tiny
printf 'a photo of a dog\nthree red foxes\n' > "$work/texts.txt"

# bench CODE ARGUMENTS...: output in $work/out.txt
bench() {
  local expected=$1 code=0
  shift
  "$viswords" bench "$@" --seconds 0 > "$work/out.txt" 2>&1 || code=$?
  [ "$code" = "$expected" ] || fail "bench $*: exit code $code, expected $expected: $(cat "$work/out.txt")"
}
says() { grep -qF -- "$1" "$work/out.txt" || fail "expected '$1' in: $(cat "$work/out.txt")"; }

bench 0 load "$model"
says "copy to new memory, fp32's size"
says "open, map, pack both towers"
# all but the token embedding, which stays in the file, and the header
bytes=$(stat -c %s "$model/model.safetensors")
says "$(awk -v b="$bytes" 'BEGIN { printf "%.1f MB of weights in 1 files", 1e-6 * b }')"
bench 0 tokenizer "$model" "$work/texts.txt"
says "2 texts"
bench 0 preprocess "$model" "$source_dir/data/objects/test/fox" --json
says '"unit": "picture"'
bench 0 clip "$model" --trials 1,2 --variant cached --json
says '"trials": 2'

# ---- gpu: the same tables on every backend; a device that is emulated stands in for a real one.

# Every value of a JSON key lies in (LOW, HIGH): between KEY LOW HIGH LEAST, at least LEAST of them.
between() {
  sed -n "s/.*\"$1\": \([-+0-9.e]*\),\{0,1\}$/\1/p" "$work/out.txt" > "$work/values.txt"
  awk -v low="$2" -v high="$3" -v least="$4" '!($1 > low && $1 < high) { bad = bad " " $1 }
    END { if (bad != "") print "beyond:" bad; if (NR < least) print NR " values"; exit bad != "" || NR < least }' \
    "$work/values.txt" > "$work/bad.txt" || fail "$1 must be between $2 and $3, $4 times at least: $(cat "$work/bad.txt")"
}

# What JSON must say of two batches of the text encoder and one of the image tower: sums are sums, shares are shares. A
# tiny operation may lie in a cache and beat the copy from memory, but not by a factor of a hundred.
check_gpu_json() {
  local key
  for key in '"model"' '"kernels"' '"copy_gb_per_s"' '"products_tflops"' '"memory_bytes"' '"arena"' '"leaves"' '"weights"' \
    '"planned"' '"gap_seconds"' '"unit": "trial-steps"' '"unit": "images"' '"batch": 2' '"bound": "copy"' \
    '"op": "linear_grad"' '"op": "attention_grad"' '"op": "pgd_step"' '"op": "patch_embed"' '"op": "draw"'; do
    says "$key"
  done
  between copy_gb_per_s 0 1e5 1
  between share_of_ceiling -1e-9 100 100
  between share_of_products 0 100 3
  between share_of_roofline 0 100 3
  between share_of_time 0 1 100
  between seconds 0 1e3 100
  between gb_per_s 0 1e5 50
  # shares of the time of a table add up: by op and by kernel, three batches
  between share_of_time 0 1 1
  awk '{ sum += $1 } END { exit !(sum > 5.99 && sum < 6.01) }' "$work/values.txt" || fail "shares of time do not add up"
  [ "$(grep -c '"calls": 122,' "$work/out.txt")" = 2 ] || fail "a training step of clip-tiny has 122 calls"
  [ "$(grep -c '"network"' "$work/out.txt")" = 3 ] || fail "expected three rows: $(grep '"network"' "$work/out.txt")"
}
tiny=(--trials 1,2 --pictures 1 --order 64)

bench 0 gpu "$model" --backend cpu "${tiny[@]}" --json
check_gpu_json
between fp32 0 1e3 1
bench 0 gpu "$model" --backend ref "${tiny[@]}" --json
check_gpu_json
between fp64 0 1e3 1
bench 0 gpu "$model" --backend cpu --trials 2 --order 64 --only text --save "$work/saved.json"
grep -q '"network": "text"' "$work/saved.json" || fail "--save wrote no row: $(cat "$work/saved.json")"
says "ceilings, measured now: copy"
says "text, 2 at once"
says "memory: arena"
says "by op:"
says "op, inputs -> outputs"
says "linear f32[2, 2, 192] f32[576, 192] f32[576] -> f32[2, 2, 576]"
grep -q "image, " "$work/out.txt" && fail "--only text ran the image tower"
bench 0 gpu "$model" --backend cpu --order 64 --only ceilings
grep -q "at once" "$work/out.txt" && fail "--only ceilings ran a network"
if [ -x "$2/tests/viswords_emulated" ]; then
  plain=$viswords viswords=$2/tests/viswords_emulated
  bench 0 gpu "$model" --trials 1,2 --pictures 1 --order 32 --json
  check_gpu_json
  for product in fp32 tf32 bf16; do between $product 0 1e3 1; done
  says "emulated, no GPU"
  says '"precision": "mixed"' # pictures in bf16 with an fp32 residual stream, texts in fp32
  says 'bf16[1, 65, 432]'
  grep -q 'bf16\[2, 2' "$work/out.txt" && fail "texts are fp32 in mixed precision"
  # the device holds what the plan says for texts, and their weights beside what it says for pictures
  sed -n 's/.*"planned": \([0-9]*\).*/\1/p' "$work/out.txt" > "$work/planned.txt"
  sed -n 's/.*"held": \([0-9]*\).*/\1/p' "$work/out.txt" | paste "$work/planned.txt" - > "$work/memory.txt"
  awk '$2 < $1 || (NR < 3 && $2 > 1.03 * $1) { bad = 1 } END { exit bad || NR != 3 }' "$work/memory.txt" ||
    fail "planned and held: $(cat "$work/memory.txt")"
  bench 0 gpu "$model" --trials 2 --order 32 --only text --precision bf16 --timed --json
  says 'bf16[2, 2, 576]'
  says '"timed": true'
  viswords=$plain
fi
bench 2 gpu "$model" --backend cpu --precision bf16
says "backend cpu computes in fp32 alone"
bench 2 gpu "$model" --backend cpu --only words
says "choose ceilings, text or image"
bench 1 gpu "$model" --backend cpu --order 64 --only ceilings --save "$work/nowhere/saved.json"
says "nowhere/saved.json"
bench 2 gpu "$model" --backend cpu --order 1
says "from 16 to 32768"
bench 2 gpu "$model" --backend cpu --order 64 --trials 1,x
says "--trials '1,x': numbers, separated by commas"

bench 2 preprocess "$model"
says "expected MODEL_DIR PICTURES_FOLDER"
bench 2 load "$model" "$work"
says "MODEL_DIR alone"
bench 2 lode "$model"
says "choose clip, gpu, load, owl, precision, preprocess, queue, sd, study, tokenizer or tsne"

# t-SNE of the points of a file, kept where asked.
bench 0 tsne "$source_dir/tests/reference/fixtures/tsne.safetensors" --points "$work/points.safetensors"
says '60 points of 12 numbers, 1 thread: '
says '1000 iterations, divergence 0'
grep -q '"points":{"dtype":"F64","shape":\[60,2\]' "$work/points.safetensors" || fail "no points"
bench 2 tsne "$work/points.safetensors"
says 'has no tensor x'
bench 0 tsne random:30x5 --json
says '"points": 30'
bench 2 tsne random:30
says 'such as random:10000x1024'
bench 2 tsne "$work/points.safetensors" "$work/points.safetensors"
says "POINTS_FILE alone"

# Stable Diffusion: every pass, forward and back to the word, with its memory; by op where asked.
bench 0 sd "$source_dir/data/sd-tiny" --pictures 2 --seconds 0.01 --ops --backend cpu
for text in 'unet      2' 'word      2' 'encode    1' 'decode    1' 'MB planned' cross_attention_grad mse_grad; do says "$text"; done
bench 0 sd "$source_dir/data/sd-tiny" --pictures 1 --seconds 0.01 --json --backend cpu
says '"pass": "word"'
bench 0 sd "$source_dir/data/sd-tiny" --seconds 0.01 --only decode --backend cpu
says 'decode    1'
grep -q 'unet  ' "$work/out.txt" && fail "--only decode: $(cat "$work/out.txt")"
bench 2 sd "$source_dir/data/sd-tiny" --only text
says "choose unet, word, encode or decode"
bench 2 sd "$model"
says "has no model_index.json"
bench 2 sd "$source_dir/data/sd-tiny" --pictures 0
says "--pictures '0': numbers, separated by commas"

# OWL-v2: the tower, steps, judging. Average precision of boxes in a file: two classes, one found in full, one by half.
owl=$source_dir/data/owlv2-tiny
bench 0 owl "$owl" --trials 1,3 --ops
for text in 'picture     1' 'step        1' 'step        3' 'judge      64' 'MB planned' patch_logits_grad class_merge; do says "$text"; done
bench 0 owl "$owl" --trials 2 --only step --json
says '"unit": "trial-steps"'
grep -q picture "$work/out.txt" && fail "--only step ran the tower"
bench 2 owl "$owl" --only word
says "choose picture, step or judge"
bench 2 owl "$model"
says "model_type is 'clip', expected 'owlv2'"
python3 - "$work/boxes.safetensors" << 'END'
import json, struct, sys
table = {"truth.class": ("I64", [3], [0, 1, 1]), "truth.picture": ("I64", [3], [4, 4, 9]),
         "truth.box": ("F64", [3, 4], [0, 0, 50, 50, 10, 10, 40, 20, 5, 5, 60, 60]), "truth.area": ("F64", [3], [2500, 800, 3600]),
         "truth.crowd": ("U8", [3], [0, 0, 0]), "found.class": ("I64", [2], [1, 0]), "found.picture": ("I64", [2], [4, 4]),
         "found.box": ("F64", [2, 4], [10, 10, 40, 20, 0, 0, 50, 50]), "found.score": ("F64", [2], [0.5, 0.75])}
head, data = {}, b""
for name, (kind, shape, x) in table.items():
    bytes_ = struct.pack("<%d%s" % (len(x), {"I64": "q", "F64": "d", "U8": "B"}[kind]), *x)
    head[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(bytes_)]}
    data += bytes_
head = json.dumps(head).encode()
head += b" " * (-len(head) % 8)
open(sys.argv[1], "wb").write(struct.pack("<Q", len(head)) + head + data)
END
bench 0 precision "$work/boxes.safetensors"
says "3 true and 2 found boxes of 2 classes"
says "AP 0.752475, AP50 0.752475" # (1 + 51 / 101) / 2
sed 's/"truth.area"/"truth.arae"/' "$work/boxes.safetensors" > "$work/edited.safetensors"
bench 2 precision "$work/edited.safetensors"
says "truth.area"
bench 2 precision "$model/model.safetensors"
says "truth.class"
bench 0 sd "$source_dir/data/sd-tiny" --pictures 2 --only unet --settle --kernels --order 64 --json
says '"settled": '
says '"op": "group_norm"'
says '"share_of_ceiling": '
bench 0 sd "$source_dir/data/sd-tiny" --pictures 2 --only unet --count
says "GFLOP/sample"
# every weight once in either pass, so that two pictures move less than twice what one does
sum() { awk '$NF == "all" { print $2 }' "$work/out.txt"; }
two=$(sum)
bench 0 sd "$source_dir/data/sd-tiny" --pictures 1 --only unet --count
awk -v one="$(sum)" -v two="$two" 'BEGIN { exit !(one < two && two < 2 * one) }' || fail "--count: $(sum) GB for a picture, $two for two"
bench 2 precision "$work/boxes.safetensors" "$work"
says "expected BOXES_FILE alone"
bench 2 clip "$model" --backend gpu
says "choose auto, ref, cpu or cuda"

# ---- against what was kept: slower rows are named, other conditions are refused
bench 0 clip "$model" --trials 1,2 --variant cached --save "$work/kept.json"
grep -q '"host": "' "$work/kept.json" || fail "--save: no host"
sed 's/"trial_steps_per_s": [0-9.e+]*/"trial_steps_per_s": 1e-3/' "$work/kept.json" > "$work/slow.json"
bench 0 clip "$model" --trials 1,2 --variant cached --against "$work/slow.json"
awk '/"trials": 2/ { two = 1 } two && /trial_steps_per_s/ { sub(/: .*/, ": 1e12,") } { print }' "$work/slow.json" > "$work/fast.json"
bench 3 clip "$model" --trials 1,2 --variant cached --against "$work/fast.json"
[ "$(grep -c '^slow: ' "$work/out.txt")" = 1 ] || fail "one row is slower: $(cat "$work/out.txt")"
says "bench clip (cached, trials 2): "
says " 100 % below the 1e+12 of $work/fast.json"
sed 's/"threads": 1/"threads": 3/' "$work/kept.json" > "$work/other.json"
bench 2 clip "$model" --trials 1 --variant cached --against "$work/other.json"
says "cannot be compared: its \"threads\" is 3, here it is 1"
bench 2 load "$model" --against "$work/kept.json"
says 'its "bench" is "clip", here it is "load"'

# ---- several ranks: the queue, and a study's steps
on_two() { # CODE ARGUMENTS...
  local code=0
  mpi 2 "$viswords" bench "${@:2}" > "$work/out.txt" 2>&1 || code=$?
  [ "$code" = "$1" ] || fail "bench ${*:2} on 2 ranks: exit code $code, expected $1: $(cat "$work/out.txt")"
}
on_two 0 queue --seconds 0.05 --save "$work/queue.json"
grep -q '"ranks": 2' "$work/queue.json" && grep -q '"requests_a_second": [1-9]' "$work/queue.json" || fail "queue: $(cat "$work/queue.json")"
on_two 0 study "$source_dir/jobs/studies/smoke.yaml" --seconds 0 --threads 1 --save "$work/study.json"
python3 - "$work/study.json" << 'END' || fail "bench study: $(cat "$work/study.json")"
import json, sys
all = json.load(open(sys.argv[1]))
one, two = [r for r in all["rows"] if r["what"] == "ranks"]
assert [one["ranks"], two["ranks"]] == [1, 2] and one["weak_efficiency"] == one["strong_efficiency"] == 1
for r in one, two:
    assert 0 < r["least"] <= r["most"] and r["rate"] > 0 and r["weak_seconds"] > 0
# 8 blocks by one rank against the same by two; 4 by one against 8 by two
assert abs(two["strong_efficiency"] - one["strong_seconds"] / (2 * two["strong_seconds"])) < 1e-9
assert abs(two["weak_efficiency"] - two["rate"] / (2 * one["rate"])) < 1e-9
assert [r["rank"] for r in all["rows"] if r["what"] == "rank"] == [0, 1] and all["study"] == "smoke"
END
sed 's/"rate": [0-9.e+]*/"rate": 1e15/' "$work/study.json" > "$work/fast.json"
on_two 3 study "$source_dir/jobs/studies/smoke.yaml" --seconds 0 --threads 1 --against "$work/fast.json"
says "slow: rank 1 on "
bench 2 queue "$model"
says "expected no file"
bench 2 study
says "expected STUDY.yaml"

# ---- simulate: with what the queue was found to bear; a seed replays a run
simulate() { "$viswords" simulate "$@" > "$work/out.txt" 2>&1; }
simulate --seconds 20 --noise 0.03 --per-rank 8 --ranks 1024 --seed 3 --queue "$work/queue.json" --json || fail "simulate: $(cat "$work/out.txt")"
cp "$work/out.txt" "$work/first.txt"
python3 - "$work/first.txt" << 'END' || fail "simulate: $(cat "$work/first.txt")"
import json, sys
all = json.load(open(sys.argv[1]))
(row,) = all["rows"]
assert row["ranks"] == 1024 and row["blocks"] == 8192 and row["trials"] == 81920 and row["files"] == 8192 + 1024
assert row["requests"]["takes"] == 8192 + 1024 and row["requests"]["halts"] == 0
assert row["utilisation"] >= 0.95 and row["share_of_rank_0"] < 1 # P7
assert abs(row["utilisation"] * row["seconds"] * 1024 / (8192 * 20) - 1) < 0.01
END
simulate --seconds 20 --noise 0.03 --per-rank 8 --ranks 1024 --seed 3 --queue "$work/queue.json" --json
cmp "$work/out.txt" "$work/first.txt" || fail "the same seed gives another run"
simulate --seconds 20 --noise 0.03 --per-rank 8 --ranks 1024 --seed 4 --queue "$work/queue.json" --json
! cmp -s "$work/out.txt" "$work/first.txt" || fail "another seed gives the same run"
! simulate || fail "simulate without a study and without --seconds"
says "either STUDY.yaml or --seconds"
# a study that was learned: its own times, its own files
study "$work/small.yaml" 2 dog
"$viswords" learn "$work/small.yaml" -o "$work/made" --quiet --threads 1
simulate "$work/small.yaml" -o "$work/made" --ranks 1,2 --json || fail "simulate: $(cat "$work/out.txt")"
sed -n '/^{/,$p' "$work/out.txt" > "$work/json.txt"
bytes=$(find "$work/made/blocks" -name '*.safetensors' -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
simulate "$work/small.yaml" --ranks 1 --json
sed -n '/^{/,$p' "$work/out.txt" > "$work/by-size.txt"
python3 - "$work/json.txt" "$work/by-size.txt" "$bytes" << 'END' || fail "simulate of a finished study: $(cat "$work/json.txt")"
import json, sys
made, planned, size = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), float(sys.argv[3])
assert made["seconds_from"] == "finished blocks" and made["blocks"] == made["measured"] == 4
assert made["rows"][0]["bytes"] == size and made["rows"][0]["trials"] == 12
assert planned["measured"] == 0 and abs(planned["rows"][0]["bytes"] / size - 1) < 0.25
one, two = made["rows"]
assert one["requests"]["takes"] == 5 and two["requests"]["takes"] == 6 and two["seconds"] < one["seconds"]
END
# every stage in turn: what is left of it, as plan knows it
stages() { simulate "$work/small.yaml" --ranks 1,2 --stages --noise 0.1 --json "$@" || fail "simulate --stages: $(cat "$work/out.txt")"; sed -n '/^{/,$p' "$work/out.txt"; }
stages --seed 3 > "$work/stages.txt"
stages -o "$work/made" > "$work/left.txt"
python3 - "$work/stages.txt" "$work/left.txt" << 'END' || fail "simulate --stages: $(cat "$work/stages.txt" "$work/left.txt")"
import json, sys
whole, left = (json.load(open(name))["rows"] for name in sys.argv[1:])
assert [r["stage"] for r in whole] == ["learn", "evaluate", "collect", "all"] * 2 and [r["ranks"] for r in whole] == [1] * 4 + [2] * 4
assert [r["stage"] for r in left] == ["evaluate", "collect", "all"] * 2 # all is learned
for learn, evaluate, collect, every in (whole[:4], whole[4:]):
    assert learn["blocks"] == 4 and every["blocks"] == 4 + evaluate["blocks"] and evaluate["blocks"] > 4 # and baselines
    assert collect["blocks"] == 0 and collect["requests"]["takes"] == 0 # rank 0 alone
    assert abs(every["seconds"] - sum(r["seconds"] for r in (learn, evaluate, collect))) < 1e-9 * every["seconds"]
    assert all(0 < r["utilisation"] <= 1 and r["tail_seconds"] >= 0 and r["requests"]["takes"] >= r["blocks"] for r in (learn, evaluate, every))
    assert abs(collect["utilisation"] * collect["ranks"] - 1) < 1e-9
assert whole[4]["seconds"] < whole[0]["seconds"] and whole[0]["utilisation"] > 0.9
END
! simulate --seconds 20 --stages || fail "simulate --stages without a study"
says "stages wants STUDY.yaml"
