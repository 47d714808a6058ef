#!/bin/bash
# tools/gpu-check.sh without a GPU: its plan fits the total that is given and names what it leaves out, every test program
# that it starts is built, it ends in time whatever a step does; and tools/gpu-report.sh on the output of a small run.
set -euo pipefail
source_dir=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
check=$source_dir/tools/gpu-check.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

# ---- plans: what runs comes to the total at most, what is left out is named, and nothing is lost
GPU_CHECK_BUILD=$build "$check" --plan --gpus 2 > "$work/all.txt" || fail "the build lacks programs: $(grep missing "$work/all.txt")"
[ "$(grep -c '^run ' "$work/all.txt")" = "$(wc -l < "$work/all.txt")" ] || fail "without a total everything runs: $(cat "$work/all.txt")"
for total in 120 300 540; do
  GPU_CHECK_BUILD=$build GPU_CHECK_TOTAL=$total "$check" --plan --gpus 2 > "$work/plan.txt" || fail "plan of $total"
  awk -v total=$total '
    $1 == "run" { sum += $2; if (sum + 5 != $4) print "adds up to " sum + 5 ", not " $4; order = order " " $6 }
    $1 == "left" { left[$5] = $3 }
    END {
      if (sum + 5 > total) print sum + 5 " s of " total
      for (name in left) if (sum + 5 + left[name] <= total) print name " would fit"
      if (order !~ /^ machine doctor operations networks golden smoke word torch-word/) print "the order is" order
    }' "$work/plan.txt" > "$work/bad.txt"
  [ ! -s "$work/bad.txt" ] || fail "plan of $total: $(cat "$work/bad.txt")"
  cmp -s <(awk '{ print $NF }' "$work/all.txt" | sort) <(awk '{ print $NF }' "$work/plan.txt" | sort) || fail "plan of $total lost steps"
done
[ "$(grep -c 'left out' "$work/plan.txt")" -gt 0 ] || fail "the plan of 540 leaves nothing out: is there still a total?"
GPU_CHECK_BUILD=$build "$check" --plan --gpus 1 > "$work/one.txt" || fail "the plan for one GPU"
grep -q '^skipped .*gpus: one GPU' "$work/one.txt" || fail "several GPUs are not skipped where there is one"
! GPU_CHECK_BUILD=$work/none "$check" --plan > "$work/out.txt" || fail "programs that are missing"
grep -q "missing: $work/none/tests/kernels_test_network_ops" "$work/out.txt" || fail "missing programs are not named"
code=0 && GPU_CHECK_TOTAL=soon "$check" --plan > /dev/null 2>&1 || code=$?
[ $code = 2 ] || fail "a total that is no number: exit code $code"

# ---- a run against programs that do as they are told: one passes, one fails, one never ends
mkdir -p "$work/build/tests"
cat > "$work/build/viswords" << 'END'
#!/bin/sh
case $1 in doctor) sleep 60 ;; *) echo "viswords 0" ;; esac
END
for test in kernels_test_network_ops kernels_test_picture_ops kernels_test_diffusion_ops kernels_test_learning_ops kernels_test_detection_ops \
  kernels_test_cuda_column kernels_test_network_fixtures kernels_test_context kernels_test_algorithms kernels_test_cudnn \
  analysis_test_tsne_device; do
  printf '#!/bin/sh\necho 3 test functions\n' > "$work/build/tests/$test"
done
printf '#!/bin/sh\necho broken\nexit 3\n' > "$work/build/tests/kernels_test_picture_ops"
printf '#!/bin/sh\necho skipped on cuda: no device\n' > "$work/build/tests/kernels_test_learning_ops"
chmod +x "$work/build/viswords" "$work/build/tests"/*
code=0
GPU_CHECK_BUILD=$work/build GPU_CHECK_STEPS="operations" "$check" "$work/out" > "$work/out.txt" 2>&1 || code=$?
[ $code = 1 ] || fail "a failed test: exit code $code"
for line in 'ok .*kernels_test_network_ops' 'FAILED .*kernels_test_picture_ops (exit code 3): broken' \
  'FAILED .*kernels_test_learning_ops skipped tests: no device'; do
  grep -q "^$line" "$work/out/summary.txt" || fail "no '$line' in $(cat "$work/out/summary.txt")"
done
began=$SECONDS
GPU_CHECK_BUILD=$work/build GPU_CHECK_TOTAL=9 GPU_CHECK_STEPS="doctor golden" "$check" "$work/late" > "$work/out.txt" 2>&1 || true
[ $((SECONDS - began)) -le 12 ] || fail "a total of 9 s took $((SECONDS - began))"
grep -q '^FAILED .*doctor (exit code 124)' "$work/late/summary.txt" || fail "doctor was not stopped: $(cat "$work/late/summary.txt")"
grep -q '^left out .*golden: takes about 12 s' "$work/late/summary.txt" || fail "golden is not named: $(cat "$work/late/summary.txt")"

# ---- the report of a small run
command -v python3 > /dev/null || { echo "skipped: the report: no python3"; exit 77; }
cd "$work/out"
printf 'viswords 1 of a test\nNVIDIA H900, 600.1, 1000 MiB\ntorch 3.0 14.0\n' > machine.log
printf 'ok       3 s  golden\nleft out       owl: takes about 25 s\n9 s in all\n' > summary.txt
row='"bytes_planned": 2e9, "bytes_held": 2e9, "gflops": 360000'
echo "{\"rows\": [{\"pass\": \"word\", \"pictures\": 32, \"seconds\": 0.1, \"pictures_per_s\": 320, $row, \"settled\": true, \"measured_s\": 21.4},
  {\"pass\": \"word\", \"pictures\": 64, \"seconds\": 0.2, \"pictures_per_s\": 321, $row, \"settled\": false, \"measured_s\": 60}]}" > word-word.json
echo '{"rows": [{"pass": "word", "pictures": 32, "seconds": 0.2, "pictures_per_s": 160}]}' > torch-word.json
echo "{\"rows\": [{\"pass\": \"decode\", \"pictures\": 1, \"pictures_per_s\": 12.34, $row, \"ops\": [{\"op\": \"attention\", \"calls\": 1, \"seconds\": 0.002,
  \"share_of_time\": 0.75, \"share_of_ceiling\": 0.5, \"bytes\": 3e6}], \"kernels\": [{\"op\": \"group_norm\", \"in\": [\"bf16[1, 512, 512, 128]\"], \"bound\": \"copy\",
  \"bytes\": 1.3e8, \"seconds\": 4e-5, \"gb_per_s\": 3250, \"share_of_ceiling\": 0.76, \"share_of_time\": 0.1}]}]}" > autoencoder-decode.json
echo '{"rows": [{"points": 10000, "width": 1024, "on_device": true, "seconds": 0.51, "kl": 1.25, "iterations": 1000}]}' > tsne.json
echo '{"networks": [' > bench.json # cut off
echo '{"networks": [{"kernels": [{"op": "patch_embed", "in": ["f32[64, 224, 224, 3]"], "out": ["f32[64, 257, 1024]"], "seconds": 2e-4,
  "tflops": 98.6, "gb_per_s": 530, "bound": "tf32", "share_of_ceiling": 0.29, "share_of_time": 0.004}]}]}' > patches.json
"$source_dir/tools/gpu-report.sh" "$PWD" > report.md || fail "the report"
for line in 'Measured on NVIDIA H900, driver 600.1; viswords 1 of a test; torch 3.0 14.0.' '1 steps passed. 9 s in all.' '- left out owl: takes about 25 s' \
  '| word, 32 | 320 samples/s | settled in 21 s | 360 | 160 |  | 2.00 |  |' '| word, 64 | 321 samples/s | NOT settled in 60 s | 360 |  |  |  |  |' \
  '| decode, 1 | 12.3 pictures/s | shortest run | 360 | 2.00, 2.00 GB |  |' '| attention | 1 | 2.00 ms | 75 % | 50 % | 3.00 |' \
  '| f32[64, 224, 224, 3] | f32[64, 257, 1024] | 200.0 us | 98.6 | 530 | 29 % of tf32 | 0 % |' \
  '| 10,000 x 1,024 | 0.51 s | 1,000 | 1.2500 |' \
  '| group_norm | bf16[1, 512, 512, 128] | 40.0 us | 3,250 GB/s | 76 % | 10 % |'; do
  grep -qxF -- "$line" report.md || fail "no line '$line' in: $(cat report.md)"
done
[ "$(grep -c '^Not measured.' report.md)" = 2 ] || fail "CLIP and OWL-v2 were not measured: $(cat report.md)"
echo "ok: plans of 120, 300 and 540 s, a run with failures, a run that is cut, the report"
