#!/usr/bin/env bash
# Everything that wants a GPU, in one command, from an unpacked bundle (tools/bundle.sh) or a checkout that is built:
#   tools/gpu-check.sh [--plan] [--gpus N] [OUT]        default OUT: out/gpu-check
#   GPU_CHECK_TOTAL=540 tools/gpu-check.sh OUT          ends within 540 s; what did not fit is named at the end
# Steps run in the order of their importance. Each has an estimate (seconds on an H200) and a limit, and writes
# OUT/<step>.log; later steps run although earlier ones failed. With a total, a step that would not fit into what is left
# waits, and is tried again behind the others. OUT holds text and JSON alone: `tools/gpu-report.sh OUT` makes the tables of
# docs/benchmarks.md. Exit code 1 when a step failed.
#   --plan      lists steps, estimates and what is left out, and checks that the programs are there; runs nothing
#   --gpus N    devices for the exchange between ranks (default: all that are seen; with one it is skipped)
#   GPU_CHECK_STEPS="word clip ..."    only these        GPU_CHECK_MODEL=DIR   CLIP weights to measure with
#   GPU_CHECK_SETTLE=S                 most seconds for a rate to settle (60; an eighth of a smaller total)
#   GPU_CHECK_BACKEND=cpu              tries the script itself where no GPU is, with small sizes
# shellcheck disable=SC2054,SC2086,SC2317,SC2329 # lists with commas and numbers are one word; called through row
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
plan_only=0 gpus='' out=out/gpu-check
while [ $# -gt 0 ]; do
  case $1 in
    --plan) plan_only=1 ;;
    --gpus) gpus=${2:?--gpus wants a number} && shift ;;
    -h | --help) sed -n '2,17s/^# \{0,1\}//p' "$0" && exit 0 ;;
    -*) echo "gpu-check.sh: unknown option '$1' (--plan, --gpus N)" >&2 && exit 2 ;;
    *) out=$1 ;;
  esac
  shift
done
total=${GPU_CHECK_TOTAL:-0} # 0: no limit
settle=${GPU_CHECK_SETTLE:-}
backend=${GPU_CHECK_BACKEND:-cuda}
reserve=5 # for the summary, and for what a step that is stopped takes to end
for number in "$total" "${settle:-1}" "${gpus:-1}"; do
  case $number in '' | *[!0-9]*) echo "gpu-check.sh: '$number' is no whole number of seconds or devices" >&2 && exit 2 ;; esac
done
[ -n "$settle" ] || { settle=60 && { [ "$total" = 0 ] || [ "$total" -ge 480 ] || settle=$((total / 8)); }; }

# ---- the program and the test programs: a bundle's or a build's
if [ -e "$root/libexec/environment.sh" ]; then
  # shellcheck disable=SC1091 # of the bundle
  . "$root/libexec/environment.sh"
  viswords=$root/libexec/viswords$suffix
  tests=$root/tests/bin
else
  suffix=
  build=${GPU_CHECK_BUILD:-$root/build/${PRESET:-release}}
  viswords=$build/viswords
  tests=$build/tests
  export VISWORDS_TESTS=$root/tests
fi
[ $plan_only = 1 ] || [ -x "$viswords" ] || { echo "gpu-check.sh: no $viswords: unpack a bundle or run 'make build' first" >&2; exit 1; }
mpirun=$root/tools/mpirun.sh
[ ! -e "$root/bin/viswords-mpirun" ] || mpirun=$root/bin/viswords-mpirun
[ -n "$gpus" ] || gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU' || true)
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
wheels="torch diffusers transformers" # what PyTorch's side imports; torch built for the machine's CUDA

# ---- the table of steps
names=() estimates=() limits=() commands=() kinds=() reasons=()
# row NAME ESTIMATE LIMIT KIND COMMAND...: KIND is alone (the device is its own) or together (several programs, a line each)
row() {
  case " ${GPU_CHECK_STEPS:-$1} " in *" $1 "*) ;; *) return 0 ;; esac
  names+=("$1") estimates+=("$2") limits+=($(($3 * (small ? 5 : 1)))) kinds+=("$4") reasons+=("${without:-}")
  shift 4
  local quoted
  printf -v quoted '%q ' "$@"
  commands+=("$quoted")
}
# A row that is skipped for a reason; with '' it is not.
unless() { # REASON row...
  local without=$1
  shift
  "$@"
}

small=0 # sizes that a CPU does in seconds
[ "$backend" = cuda ] || small=1
gpu_sizes=(--seconds 2) sd_word=(--pictures 32,64 --seconds "$settle" --settle) sd_rest=(--pictures 16,64 --seconds 8 --settle)
owl_sizes=(--trials 1,64,1024 --seconds 4) patch_sizes=(--pictures 1,64,256 --seconds 1 --order 4096) python_gpu=(--limit 150) python_sd='--device cuda --dtype bfloat16 --pictures 32'
operations=(kernels_test_network_ops kernels_test_picture_ops kernels_test_diffusion_ops kernels_test_learning_ops
  kernels_test_detection_ops kernels_test_cuda_column kernels_test_network_fixtures kernels_test_context kernels_test_algorithms
  kernels_test_cudnn analysis_test_tsne_device)
networks=(models_test_clip models_test_owlv2 models_test_sd)
if [ $small = 1 ]; then
  gpu_sizes=(--trials 1,2 --pictures 1 --order 64 --seconds 0) sd_word=(--pictures 1 --seconds 0) sd_rest=(--pictures 1 --seconds 0)
  owl_sizes=(--trials 1 --seconds 0) patch_sizes=(--pictures 1 --seconds 0 --order 64) python_sd='--device cpu --pictures 1'
  python_gpu=(--device cpu --size tiny --trials 1,2 --pictures 1 --order 64 --seconds 0.01 --ways eager)
fi

no_sanitizer=$([ -n "$sanitizer" ] || echo "no compute-sanitizer on PATH")
no_torch=
if [ $plan_only = 1 ]; then # what may be missing here is another machine's
  no_sanitizer=
else
  no_torch=$(python3 -c 'import sys, torch, diffusers, transformers; sys.exit("torch sees no GPU" if "'"$backend"'" == "cuda" and not torch.cuda.is_available() else 0)' 2>&1 | tail -1)
  [ -z "$no_torch" ] || no_torch="$no_torch (wanted: $wheels)"
fi
one_gpu=$([ "${gpus:-0}" -gt 1 ] || echo "one GPU: nothing to exchange (--gpus N)")

steps() {
  row machine 3 60 alone machine
  row doctor 3 60 alone "$viswords" doctor
  row operations 20 200 together "${operations[@]}"
  row networks 8 120 together "${networks[@]}"
  row golden 12 120 alone golden
  row smoke 6 120 alone smoke
  # a word step at full size until it settles, then the same work in PyTorch, one after the other
  row word $((15 + settle * 4 / 3)) $((2 * settle + 90)) alone bench_sd word "${sd_word[@]}" --only word
  unless "$no_torch" row torch-word $((15 + settle / 3)) 150 alone torch_sd torch-word --only word --settle --seconds $((settle / 2 + 1))
  row clip 45 200 alone bench_clip bench "${gpu_sizes[@]}"
  row sd 30 150 alone bench_sd sd "${sd_rest[@]}" --only unet
  row autoencoder 20 60 alone bench_sd autoencoder --seconds 3 --kernels --order 4096 --only decode,encode
  row owl 25 120 alone bench_owl "${owl_sizes[@]}"
  unless "$no_sanitizer" row memcheck 40 200 alone sanitize memcheck
  row ranks 15 120 alone ranks
  row studies 30 150 alone studies
  row draw 15 90 alone draw
  row maps 15 90 alone maps
  row word-ops 30 90 alone bench_sd word-ops --pictures 4,16 --seconds 1 --kernels --order 4096 --only word
  row word-timed 60 200 alone bench_sd word-timed --pictures 32 --seconds 10 --settle --timed --only word
  unless "$one_gpu" row gpus 30 200 alone several
  unless "$no_torch" row torch-word-compiled 110 240 alone torch_sd torch-word-compiled --only word --compile --settle --seconds $((settle / 2 + 1))
  unless "$no_sanitizer" row racecheck 40 200 alone sanitize racecheck
  row timed 40 150 alone bench_clip timed "${gpu_sizes[@]}" --timed
  # the text encoder's attention on CUDA cores, as word-ops' 4 pictures have it on tensor cores
  row word-fp32 45 150 alone bench_sd word-fp32 --pictures 4 --precision fp32 --seconds 1 --kernels --order 2048 --only word
  # patches with fp32 rounded to TF32, beside those in bf16 of the step clip
  row patches 15 90 alone bench_clip patches "${patch_sizes[@]}" --precision tf32 --only image
  unless "$no_torch" row torch-unet 60 120 alone torch_sd torch-unet --only unet --compile
  unless "$no_torch" row torch 160 400 alone python3 tools/bench/gpu.py --json "$out/torch.json" "${python_gpu[@]}" --against "$out/bench.json"
  row word-own 25 120 alone own_kernels
  unless "$no_sanitizer" row synccheck 40 200 alone sanitize synccheck
  unless "$no_sanitizer" row initcheck 40 200 alone sanitize initcheck
}

# ---- what the steps do
machine() {
  date -u
  uname -srm
  grep -m 1 'model name' /proc/cpuinfo
  "$viswords" --version
  nvidia-smi || echo "no nvidia-smi"
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.max.sm,power.draw,power.limit,temperature.gpu --format=csv || true
  command -v nvcc compute-sanitizer ncu python3
  python3 -c 'import torch; print("torch", torch.__version__, torch.version.cuda)' 2>&1 | tail -1
}
# Weights of full size, random, written once.
sd_model() {
  if [ $small = 1 ]; then echo data/sd-tiny; else echo "$scratch/sd"; fi
}
have_sd() { [ -e "$(sd_model)/unet/config.json" ] || "$viswords" random-sd "$scratch/sd" --size 2.1-base; }
bench_sd() { # NAME OPTIONS... [--only PASS,PASS]
  local name=$1 passes=${*: -1} pass
  shift
  have_sd || return
  for pass in ${passes//,/ }; do
    "$viswords" bench sd "$(sd_model)" --backend $backend "${@:1:$#-1}" "$pass" --save "$out/$name-$pass.json" || return
  done
}
torch_sd() { # NAME OPTIONS...: diffusers' side
  have_sd || return
  # shellcheck disable=SC2086 # options
  python3 tools/bench/sd.py "$(sd_model)" $python_sd --json "$out/$1.json" "${@:2}"
}
own_kernels() { VISWORDS_CUDNN_LIBRARY=none bench_sd word-own --pictures 16 --seconds 1 --ops --only word; }
bench_clip() { # NAME OPTIONS...
  local name=$1 model=${GPU_CHECK_MODEL:-$scratch/vit-l-14}
  shift
  [ $small = 0 ] || [ -n "${GPU_CHECK_MODEL:-}" ] || model=data/clip-tiny
  [ -e "$model/config.json" ] || "$viswords" random-clip "$model" --size L/14 || return
  "$viswords" bench gpu "$model" --backend $backend --save "$out/$name.json" "$@"
}
bench_owl() {
  local model=$scratch/owl
  [ $small = 0 ] || model=data/owlv2-tiny
  [ -e "$model/config.json" ] || "$viswords" random-owlv2 "$model" --size base || return
  "$viswords" bench owl "$model" --backend $backend --save "$out/owl.json" "$@"
}
golden() { # whole studies against PyTorch's float64
  local study stage failed=0
  for study in golden owl sd; do
    for stage in learn evaluate; do
      "$viswords" $stage tests/golden/$study.yaml -o "$scratch/golden-$study" --backend $backend --precision fp32 --threads 1 || failed=1
    done
    "$tests/golden_check_study$suffix" tests/reference/fixtures/golden_$study.safetensors "$scratch/golden-$study" rounded || failed=1
  done
  return $failed
}
smoke() { # what a user runs, in the precision that is the default
  "$viswords" run jobs/studies/smoke.yaml -o "$scratch/smoke" --backend $backend
}
ranks() { # two ranks share the device: same bits; a step in slices by one rank and by a team of two: same bits
  local failed=0
  [ -e "$scratch/smoke" ] || smoke || failed=1
  "$mpirun" -n 2 "$viswords" run jobs/studies/smoke.yaml -o "$scratch/smoke2" --backend $backend || failed=1
  "$viswords" diff "$scratch/smoke" "$scratch/smoke2" || failed=1
  sed 's/^plan:.*/plan: {ranks: 2, ranks_per_block: 2}/; s#: ../../data#: '"$root"'/data#' jobs/studies/smoke.yaml >"$scratch/team.yaml"
  "$viswords" run "$scratch/team.yaml" -o "$scratch/sliced" --backend $backend || failed=1
  "$mpirun" -n 2 "$viswords" run "$scratch/team.yaml" -o "$scratch/team" --backend $backend || failed=1
  "$viswords" diff "$scratch/sliced" "$scratch/team" || failed=1
  return $failed
}
studies() { # all networks against recorded numbers, and a study with boxes
  local failed=0 name
  for name in clip:tiny owlv2:owl_tiny sd:sd_tiny; do
    "$viswords" verify data/${name%%:*}-tiny --reference tests/reference/fixtures/verify_${name#*:}.safetensors --backend $backend || failed=1
  done
  [ $small = 1 ] || "$viswords" run jobs/studies/scenes.yaml -o "$scratch/scenes" --backend $backend || failed=1
  [ $small = 1 ] || "$viswords" run jobs/studies/demo.yaml -o "$scratch/demo" --backend $backend || failed=1
  return $failed
}
draw() { # 16 pictures of 20 guided steps: 640 evaluations of the UNet, and the autoencoder
  have_sd || return
  local began
  began=$(date +%s.%N)
  "$viswords" generate "$(sd_model)" "a photo of a dog" -n 16 --batch 16 --steps 20 --backend $backend -o "$scratch/pictures" || return
  awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN { printf "16 pictures of 20 steps in %.1f s with loading\n", b - a }'
}
maps() { # t-SNE: the processor's bits, and the time of many points
  local some=1500x256 many=10000x1024
  [ $small = 0 ] || some=60x8 many=80x8
  "$viswords" bench tsne random:$some --backend cpu --threads "$(nproc)" --points "$scratch/cpu.safetensors" || return
  "$viswords" bench tsne random:$some --backend $backend --points "$scratch/device.safetensors" || return
  cmp "$scratch/cpu.safetensors" "$scratch/device.safetensors" || return
  "$viswords" bench tsne random:$many --backend $backend --threads "$(nproc)" --save "$out/tsne.json"
}
several() { # on $gpus devices: broadcast, gather, sums of slices; NCCL and MPI with the same bits as one rank
  local failed=0 kind
  for kind in nccl mpi; do "$mpirun" -n "$gpus" "$tests/learn_mpi_transport$suffix" $kind || failed=1; done
  [ -e "$scratch/smoke" ] || smoke || failed=1
  sed "s/^plan:.*/plan: {ranks: $gpus, ranks_per_block: $gpus}/; s#: ../../data#: $root/data#" jobs/studies/smoke.yaml >"$scratch/gpus.yaml"
  "$viswords" run "$scratch/gpus.yaml" -o "$scratch/gpus-one" --backend $backend || failed=1
  for kind in nccl mpi; do
    VISWORDS_TRANSPORT=$kind "$mpirun" -n "$gpus" "$viswords" run jobs/studies/smoke.yaml -o "$scratch/gpus-$kind" --backend $backend || failed=1
    "$viswords" diff "$scratch/smoke" "$scratch/gpus-$kind" || failed=1
    VISWORDS_TRANSPORT=$kind "$mpirun" -n "$gpus" "$viswords" run "$scratch/gpus.yaml" -o "$scratch/gpus-team-$kind" --backend $backend || failed=1
    "$viswords" diff "$scratch/gpus-one" "$scratch/gpus-team-$kind" || failed=1
  done
  return $failed
}
sanitize() { # TOOL: the operations' small cases
  local suite failed=0
  for suite in picture network diffusion learning detection; do
    VISWORDS_TEST_ELEMENTS=3000 "$sanitizer" --tool "$1" --error-exitcode 9 --print-limit 20 "$tests/kernels_test_${suite}_ops$suffix" || failed=1
  done
  return $failed
}

# ---- running them
summary=() failed=0
note() { summary+=("$*") && echo "$*"; }
left() { # seconds that a step may take
  if [ "$total" = 0 ]; then echo 100000; else echo $((total - reserve - SECONDS)); fi
}
verdict() { # NAME CODE SECONDS LIMIT
  if [ "$2" = 0 ]; then
    note "ok       $3 s  $1"
  else
    [ "$2" != 124 ] || echo "stopped after $4 s" >>"$out/$1.log"
    note "FAILED   $3 s  $1 (exit code $2): $(tail -1 "$out/$1.log" | cut -c 1-200)"
    failed=1
  fi
}
run_alone() { # LIMIT NAME COMMAND
  local began=$SECONDS code=0
  printf '%s\n' "$ $3" >"$out/$2.log"
  # shellcheck disable=SC2016 # the inner shell's
  timeout -k 5 "$1" bash -c "$3" >>"$out/$2.log" 2>&1 || code=$?
  verdict "$2" $code $((SECONDS - began)) "$1"
}
# Programs that need the device for moments run at once. One that skips its tests has found no device.
run_together() { # LIMIT NAME COMMAND: names of test programs
  local began=$SECONDS test code
  for test in $3; do
    (
      code=0
      printf '%s\n' "$ $tests/$test$suffix" >"$out/$test.log"
      timeout -k 5 "$1" "$tests/$test$suffix" >>"$out/$test.log" 2>&1 || code=$?
      echo "$code $((SECONDS - began))" >"$scratch/$test.code"
    ) &
  done
  wait
  for test in $3; do
    # shellcheck disable=SC2046 # two numbers
    verdict "$test" $(cat "$scratch/$test.code") "$1"
    case $test in kernels_test_cudnn | kernels_test_algorithms | kernels_test_context) continue ;; esac
    if [ "$backend" = cuda ] && grep -qi 'skipped' "$out/$test.log"; then
      note "FAILED         $test skipped tests: no device was used, see its log"
      failed=1
    fi
  done
}

waiting=()
try_step() { # INDEX: runs it, or leaves it in `waiting`
  local i=$1 room
  room=$(left)
  if [ -n "${reasons[i]}" ]; then
    note "skipped        ${names[i]}: ${reasons[i]}"
  elif [ "${estimates[i]}" -gt "$room" ]; then
    waiting+=("$i")
  else
    printf '== %s: about %s s\n' "${names[i]}" "${estimates[i]}"
    [ "${limits[i]}" -lt "$room" ] && room=${limits[i]}
    "run_${kinds[i]}" "$room" "${names[i]}" "${commands[i]}"
  fi
}

# What --plan prints: the same rule on estimates.
print_plan() {
  local i test used=$reserve missing=0
  for i in "${!names[@]}"; do
    if [ -n "${reasons[i]}" ]; then
      printf 'skipped                 %s: %s\n' "${names[i]}" "${reasons[i]}"
    elif [ "$total" != 0 ] && [ $((used + estimates[i])) -gt "$total" ]; then
      printf 'left out  %4d s        %s\n' "${estimates[i]}" "${names[i]}"
    else
      used=$((used + estimates[i]))
      printf 'run       %4d s %4d s %s\n' "${estimates[i]}" $used "${names[i]}"
    fi
  done
  for test in "${operations[@]}" "${networks[@]}" golden_check_study learn_mpi_transport; do
    [ -x "$tests/$test$suffix" ] || { echo "missing: $tests/$test$suffix" && missing=1; }
  done
  [ -x "$viswords" ] || { echo "missing: $viswords" && missing=1; }
  return $missing
}

if [ $plan_only = 1 ]; then
  scratch=DIR
  steps
  print_plan
  exit
fi
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export XDG_CACHE_HOME=$scratch/cache OMP_WAIT_POLICY=passive
cd "$root" || exit 1 # random-clip takes the tokenizer of data/clip-tiny
export python_sd out scratch backend small viswords tests suffix root mpirun sanitizer gpus
export -f machine sd_model have_sd bench_sd torch_sd own_kernels bench_clip bench_owl golden smoke ranks studies draw maps several sanitize
steps
for i in "${!names[@]}"; do try_step "$i"; done
again=("${waiting[@]}") && waiting=()
for i in "${again[@]}"; do try_step "$i"; done
for i in "${waiting[@]}"; do note "left out       ${names[i]}: takes about ${estimates[i]} s, $(left) s were left of $total"; done
{
  printf '%s\n' "${summary[@]}"
  echo "$SECONDS s in all"
} >"$out/summary.txt"
printf '\n==== gpu-check: %s\n' "$out"
cat "$out/summary.txt"
exit $failed
