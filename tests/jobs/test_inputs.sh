#!/bin/bash
# Inputs that change while a run reads them, and ranks that read different ones: never another result than that of the
# bytes that were hashed, nothing wrong in the cache, the file is named, exit code 1; the same command goes on.
set -euo pipefail
source "$1/tests/jobs/jobs.sh"
source "$1/tests/jobs/faults.sh"
cd "$work"
for class in dog hammer camel camera fox pineapple; do
  for part in train test; do
    mkdir -p "$work/objects/$part" && cp -r "$source_dir/data/objects/$part/$class" "objects/$part/"
  done
done
cp -r "$source_dir/data/clip-tiny" weights
study s.yaml 4 dog
sed -i "s#root: .*#root: objects#; s#weights: [^,}]*#weights: weights#; /adam:/d; s/deltas: .*/deltas: [0.5]/" s.yaml
options=(--quiet --threads 1)

# start NAME: a run with a cache of its own that stops behind its first features; go_on: until its end, $code.
start() {
  name=$1
  VISWORDS_FAULT=renamed:features=pause timeout "$most_seconds" "$viswords" run s.yaml -o "$name" --cache "cache-$name" \
    "${options[@]}" > "$name.log" 2>&1 &
  waiter=$!
  until ls "cache-$name"/features/*.safetensors > /dev/null 2>&1; do
    kill -0 $waiter 2> /dev/null || { cat "$name.log" >&2 && fail "$name: the run ended early"; }
    sleep 0.05
  done
  sleep 0.3 # it waits by now
}
go_on() {
  local p
  for p in $(pgrep -x viswords); do
    [ "$(readlink "/proc/$p/cwd")" != "$work" ] || kill -RTMIN "$p"
  done
  code=0
  wait $waiter || code=$?
}
# refused FILE: the run ended with code 1 and named the file. Asked last: an old version is to fail by its result.
refused() {
  [ "$code" = 1 ] || { cat "$name.log" >&2 && fail "$name: exit code $code, expected 1"; }
  has "$name.log" "$1"
}
wrong() { [ "$code" != 0 ] || { results reference > a.txt && results "$name" > b.txt && ! cmp -s a.txt b.txt; }; }
# after FILE: the run that has ended used nothing else than it hashed; what it cached and kept is right.
after() {
  [ "$code" != 0 ] || ! wrong || fail "$name: the run saw other bytes than it hashed, and ended with 0"
  "$viswords" run s.yaml -o "$name" --cache "cache-$name" "${options[@]}" > later.log 2>&1 || { cat later.log >&2 && fail "$name: the next run"; }
  same reference "$name"
  refused "$1"
}
"$viswords" run s.yaml -o reference --cache cache-reference "${options[@]}"

echo "pictures that change behind the hash"
start pictures
mkdir keep && cp objects/train/fox/0[0-2].jpg keep/ && cp objects/train/hammer/0[0-2].jpg objects/train/fox/
go_on
cp keep/*.jpg objects/train/fox/
"$viswords" run s.yaml -o fresh --cache cache-pictures "${options[@]}"
same reference fresh
after 'objects/train/fox/00.jpg: changed while this run read it'
for part in train test; do cp -r "$source_dir/data/objects/$part/fox" "objects/$part/"; done

echo "weights that change under the mapping"
start in-place
cp weights/model.safetensors keep/
dd if=keep/model.safetensors of=weights/model.safetensors bs=64k skip=8 seek=60 count=16 conv=notrunc status=none
go_on
dd if=keep/model.safetensors of=weights/model.safetensors conv=notrunc status=none
after 'weights/model.safetensors: changed while this run used it'

echo "weights that change and come back before anything is committed"
start back
dd if=keep/model.safetensors of=weights/model.safetensors bs=64k skip=8 seek=60 count=16 conv=notrunc status=none
dd if=keep/model.safetensors of=weights/model.safetensors conv=notrunc status=none
go_on
after 'weights/model.safetensors: changed while this run used it'

echo "weights that are replaced by others"
start replaced
sed 's/a/a/' keep/model.safetensors > weights/other
dd if=keep/model.safetensors of=weights/other bs=64k skip=8 seek=60 count=16 conv=notrunc status=none
mv weights/other weights/model.safetensors
go_on
cp keep/model.safetensors weights/model.safetensors
after 'weights/model.safetensors: changed while this run used it'

echo "weights that only look otherwise: touched, written anew with the same bytes"
start touched
touch weights/model.safetensors
go_on
[ "$code" = 0 ] || { cat touched.log >&2 && fail "a touched file ends the run: $code"; }
same reference touched
start anew
cp weights/model.safetensors weights/other && mv weights/other weights/model.safetensors
go_on
[ "$code" = 0 ] || { cat anew.log >&2 && fail "a copy of the file ends the run: $code"; }
same reference anew

echo "weights that are cut short, alone and under mpirun"
start short
truncate -s 100000 weights/model.safetensors
go_on
cp keep/model.safetensors weights/model.safetensors
after 'weights/model.safetensors: '
name=short2 code=0
VISWORDS_FAULT=renamed:features=pause mpi 2 "$viswords" run s.yaml -o short2 --cache cache-short2 "${options[@]}" > short2.log 2>&1 &
waiter=$!
until [ "$(ls cache-short2/features/*.safetensors 2> /dev/null | wc -l)" -ge 2 ]; do
  kill -0 $waiter 2> /dev/null || { cat short2.log >&2 && fail "short2: the run ended early"; }
  sleep 0.05
done
sleep 0.3
truncate -s 100000 weights/model.safetensors
go_on
cp keep/model.safetensors weights/model.safetensors
refused 'weights/model.safetensors: '

echo "ranks that read different files"
for rank in 0 1; do
  mkdir "rank$rank" && cp -r s.yaml objects weights "rank$rank/"
done
# two_ranks NAME: each rank in a folder of its own, results in one.
two_ranks() {
  name=$1 code=0
  mpi 2 bash -c "cd rank\${OMPI_COMM_WORLD_RANK:-\$PMI_RANK} && exec '$viswords' run s.yaml -o '$work/$1' --cache '$work/cache-$1' --quiet --threads 1 --log debug" > "$1.log" 2>&1 || code=$?
}
options+=(--log debug)
name=one code=0
mpi 2 "$viswords" run s.yaml -o one --cache cache-one "${options[@]}" > one.log 2>&1 || code=$?
[ "$code" = 0 ] || { cat one.log >&2 && fail "two ranks: exit code $code"; }
same reference one
# rank 0 reads the pictures, the other takes its word; of copies, which are other files, every rank reads its own
read_pictures() { grep -o 'pictures read=[0-9]*' "$1" | sort -t = -k 2 -n | paste -sd ' '; }
all=$(read_pictures one.log | sed -n 's/^pictures read=0 pictures read=\([1-9][0-9]*\)$/\1/p')
[ -n "$all" ] || { cat one.log >&2 && fail "two ranks in one folder: $(read_pictures one.log)"; }
# so it is with folders, and with the files of features, which others than rank 0 never read
reads() { grep -o "$1 read=[0-9]*" "$2" | sort -t = -k 2 -n -u | sed 's/.*=//' | paste -sd ' '; }
folders=$(reads folders one.log | sed -n 's/^0 \([1-9][0-9]*\)$/\1/p')
[ -n "$folders" ] || { cat one.log >&2 && fail "two ranks in one folder: folders $(reads folders one.log)"; }
[ "$(grep 'feature files read=[1-9]' one.log | grep -o 'rank=[0-9]*' | sort -u)" = rank=0 ] || { cat one.log >&2 && fail "who reads features: $(grep 'feature files' one.log)"; }
two_ranks copies
[ "$(reads folders copies.log)" = "$folders" ] || { cat copies.log >&2 && fail "ranks with copies do not list their own"; }
[ "$(read_pictures copies.log)" = "pictures read=$all pictures read=$all" ] || { cat copies.log >&2 && fail "ranks with copies do not read their own"; }
[ "$code" = 0 ] || { cat copies.log >&2 && fail "equal copies: exit code $code"; }
same reference copies
dd if=keep/model.safetensors of=rank1/weights/model.safetensors bs=64k skip=8 seek=60 count=16 conv=notrunc status=none
two_ranks others
[ "$code" != 0 ] || ! wrong || fail "$name: a rank learned with other weights, and all ended with 0"
refused 'weights/model.safetensors: rank 0 read other bytes'
cp keep/model.safetensors rank1/weights/
cp rank1/objects/train/dog/00.jpg rank1/objects/train/fox/00.jpg
two_ranks pictures2
[ "$code" != 0 ] || ! wrong || fail "$name: a rank learned from other pictures, and all ended with 0"
refused 'rank 1 read another study'
