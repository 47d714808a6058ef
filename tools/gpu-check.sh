#!/usr/bin/env bash
# Everything that wants a GPU, in one command, from an unpacked bundle (tools/bundle.sh) or a checkout:
#   tools/gpu-check.sh [OUT]           default OUT: out/gpu-check
# Facts of the machine, doctor, operations and a study on cuda, compute-sanitizer on the operations, the benchmark and
# PyTorch's. Each step has a time limit and writes OUT/<step>.log; later steps run although earlier ones failed. Ends with
# a summary, also in OUT/summary.txt; exit code 1 when a step failed. What docs/benchmarks.md wants is in OUT.
#   GPU_CHECK_STEPS="tests bench ..."  only these        GPU_CHECK_LIMIT=S   seconds a step (300; sanitizers 3 x)
#   GPU_CHECK_MODEL=DIR                weights to measure with (default: random ones of ViT-L/14, written to TMPDIR)
#   GPU_CHECK_BACKEND=cpu              tries the script itself where no GPU is, with small sizes
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-out/gpu-check}
limit=${GPU_CHECK_LIMIT:-300}
backend=${GPU_CHECK_BACKEND:-cuda}
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export XDG_CACHE_HOME=$scratch/cache OMP_WAIT_POLICY=passive
summary=()
failed=0
note() { summary+=("$*") && echo "$*"; }

# step NAME SECONDS COMMAND...
step() {
  local name=$1 seconds=$2 started=$SECONDS code=0
  shift 2
  case " ${GPU_CHECK_STEPS:-$name} " in *" $name "*) ;; *) return 0 ;; esac
  printf '== %s: %s\n' "$name" "$*"
  printf '%s\n' "$ $*" >"$out/$name.log"
  timeout -k 10 "$seconds" "$@" >>"$out/$name.log" 2>&1 || code=$?
  if [ $code = 0 ]; then
    note "ok       $((SECONDS - started)) s  $name"
  else
    [ $code != 124 ] || echo "stopped after $seconds s" >>"$out/$name.log"
    note "FAILED   $((SECONDS - started)) s  $name (exit code $code): $(tail -1 "$out/$name.log" | cut -c 1-200)"
    failed=1
  fi
}
skip() { note "skipped        $1: $2"; }

# ---- the program and the test programs: a bundle's or a build's
if [ -e "$root/libexec/environment.sh" ]; then
  # shellcheck disable=SC1091 # of the bundle
  . "$root/libexec/environment.sh"
  viswords=$root/libexec/viswords$suffix
  tests=$root/tests/bin
else
  suffix=
  preset=${PRESET:-release}
  viswords=$root/build/$preset/viswords
  tests=$root/build/$preset/tests
  [ -x "$viswords" ] || (cd "$root" && step build 3600 tools/build.sh "$preset")
  export VISWORDS_TESTS=$root/tests
fi
[ -x "$viswords" ] || { echo "gpu-check.sh: no $viswords: unpack a bundle or run 'make build' first" >&2; exit 1; }
cd "$root" || exit 1 # random-clip takes the tokenizer of data/clip-tiny

# shellcheck disable=SC2317 # called through step
machine() {
  date -u
  uname -srm
  grep -m 1 'model name' /proc/cpuinfo
  "$viswords" --version
  nvidia-smi || echo "no nvidia-smi"
  nvidia-smi -q -d CLOCK,POWER,ECC 2>/dev/null | head -80
  command -v nvcc compute-sanitizer ncu python3
  python3 -c 'import torch; print("torch", torch.__version__, torch.version.cuda)' 2>&1 | tail -1
}
export -f machine 2>/dev/null || true
export viswords
step machine 60 bash -c machine
step doctor 120 "$viswords" doctor

# ---- right?
for test in kernels_test_network_ops kernels_test_learning_ops kernels_test_picture_ops \
  kernels_test_detection_ops kernels_test_diffusion_ops kernels_test_cuda_column kernels_test_network_fixtures \
  models_test_owlv2 models_test_sd; do
  step "$test" "$limit" "$tests/$test$suffix"
  # what tests say that find no device
  if [ $backend = cuda ] && grep -qi 'skipped' "$out/$test.log" 2>/dev/null; then
    note "FAILED         $test skipped tests: no device was used, see its log"
    failed=1
  fi
done
step kernels_test_cudnn "$limit" "$tests/kernels_test_cudnn$suffix" # skipped where the library is not found
for stage in learn evaluate; do
  step "golden-$stage" "$limit" "$viswords" $stage tests/golden/golden.yaml -o "$scratch/golden" --backend $backend --precision fp32 --threads 1
done
step golden "$limit" "$tests/golden_check_study$suffix" tests/reference/fixtures/golden_golden.safetensors "$scratch/golden" rounded
for stage in learn evaluate; do
  step "golden-sd-$stage" "$limit" "$viswords" $stage tests/golden/sd.yaml -o "$scratch/golden-sd" --backend $backend --precision fp32 --threads 1
done
step golden-sd "$limit" "$tests/golden_check_study$suffix" tests/reference/fixtures/golden_sd.safetensors "$scratch/golden-sd" rounded
# what a user runs, in the precision that is the default; two ranks share the device
step smoke "$limit" "$viswords" run jobs/studies/smoke.yaml -o "$scratch/smoke" --backend $backend
mpirun=$root/tools/mpirun.sh
[ ! -e "$root/bin/viswords-mpirun" ] || mpirun=$root/bin/viswords-mpirun
step two-ranks "$limit" "$mpirun" -n 2 "$viswords" run jobs/studies/smoke.yaml -o "$scratch/smoke2" --backend $backend
step same-bits 60 "$viswords" diff "$scratch/smoke" "$scratch/smoke2"
# a step in slices: by one rank, and by a team of two (through NCCL where each has a device of its own)
sed 's/^plan:.*/plan: {ranks: 2, ranks_per_block: 2}/; s#: ../../data#: '"$root"'/data#' jobs/studies/smoke.yaml >"$scratch/team.yaml"
step sliced "$limit" "$viswords" run "$scratch/team.yaml" -o "$scratch/sliced" --backend $backend
step team "$limit" "$mpirun" -n 2 "$viswords" run "$scratch/team.yaml" -o "$scratch/team" --backend $backend
step team-same-bits 60 "$viswords" diff "$scratch/sliced" "$scratch/team"
step verify "$limit" "$viswords" verify data/clip-tiny --reference tests/reference/fixtures/verify_tiny.safetensors --backend $backend
step verify-owl "$limit" "$viswords" verify data/owlv2-tiny --reference tests/reference/fixtures/verify_owl_tiny.safetensors --backend $backend
step verify-sd "$limit" "$viswords" verify data/sd-tiny --reference tests/reference/fixtures/verify_sd_tiny.safetensors --backend $backend
step scenes "$limit" "$viswords" run jobs/studies/scenes.yaml -o "$scratch/scenes" --backend $backend
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
for tool in memcheck racecheck synccheck initcheck; do
  for suite in learning picture detection diffusion network; do
    if [ -n "$sanitizer" ]; then
      step "$tool-$suite" $((3 * limit)) "$sanitizer" --tool $tool --error-exitcode 9 --print-limit 20 "$tests/kernels_test_${suite}_ops$suffix"
    else
      skip "$tool-$suite" "no compute-sanitizer on PATH"
    fi
  done
done

# ---- fast?
model=${GPU_CHECK_MODEL:-$scratch/vit-l-14}
sizes=()
python_sizes=(--limit $((2 * limit))) # compilation takes long: what comes first counts most, see gpu.py
if [ $backend != cuda ] && [ -z "${GPU_CHECK_MODEL:-}" ]; then
  model=data/clip-tiny
  sizes=(--trials 1,2 --pictures 1 --order 64 --seconds 0)
  python_sizes=(--device cpu --size tiny --trials 1,2 --pictures 1 --order 64 --seconds 0.01 --ways eager)
fi
[ -e "$model/config.json" ] || step random-clip "$limit" "$viswords" random-clip "$model" --size L/14
step bench "$((3 * limit))" "$viswords" bench gpu "$model" --backend $backend --save "$out/bench.json" "${sizes[@]}"
if [ $backend = cuda ]; then # a word step and drawing at full size, with cuDNN where it is found, and without
  step random-sd "$limit" "$viswords" random-sd "$scratch/sd" --size 2.1-base
  step bench-sd "$((2 * limit))" "$viswords" bench sd "$scratch/sd" --backend cuda --pictures 16,32 --ops
  step bench-sd-own "$limit" env VISWORDS_CUDNN_LIBRARY=none "$viswords" bench sd "$scratch/sd" --backend cuda --only word --pictures 16 --ops
fi
step bench-timed "$((2 * limit))" "$viswords" bench gpu "$model" --backend $backend --timed --save "$out/bench-timed.json" "${sizes[@]}"
if python3 -c 'import torch, sys; sys.exit(0 if "'$backend'" != "cuda" or torch.cuda.is_available() else 1)' 2>/dev/null; then
  [ ! -s "$out/bench.json" ] || python_sizes+=(--against "$out/bench.json")
  step torch "$((4 * limit))" python3 tools/bench/gpu.py --json "$out/torch.json" "${python_sizes[@]}"
else
  skip torch "python3 has no torch that sees a GPU"
fi
printf '%s\n' "${summary[@]}" >"$out/summary.txt"
printf '\n==== gpu-check: %s\n' "$out"
cat "$out/summary.txt"
exit $failed
