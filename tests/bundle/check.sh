#!/usr/bin/env bash
# A bundle runs far from where it was built: moved to a folder with a space in its name, with an empty environment, loading
# nothing of this machine but the C library's family and the GPU's; and, where namespaces allow it, inside a root folder that
# holds nothing but that family and a shell.   check.sh BUNDLE.tar.xz      (make check-bundle)
set -euo pipefail
bundle=$(readlink -f "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# The C library's family and the loader; the driver; nothing else may come from outside.
allowed='/(ld-linux[^/]*|libc|libm|libmvec|libpthread|libdl|librt|libresolv|libutil|libanl|libnss_[a-z]*|libcuda|libnvidia[^/]*)\.so'

mkdir "$work/first" "$work/moved here"
tar -xf "$bundle" -C "$work/first"
name=$(ls "$work/first")
mv "$work/first/$name" "$work/moved here/"
root="$work/moved here/$name"
clean() { (cd / && env -i PATH=/usr/bin:/bin HOME="$work" "$@"); }

# ---- every file that the loader maps, of mpirun, its plugins and both ranks, during a whole study
mkdir "$work/loader"
clean LD_DEBUG=files LD_DEBUG_OUTPUT="$work/loader/log" "$root/bin/viswords-mpirun" -n 2 viswords run "$root/jobs/studies/smoke.yaml" -o "$work/smoke" -q \
  >"$work/smoke.log" 2>&1 || fail "the smoke study: $(tail -5 "$work/smoke.log")"
[ -s "$work/smoke/study.h5" ] || fail "the smoke study left no study.h5"
# the logs of its programs: the shell's tools (id, readlink) load what is theirs
# (what setpriv loads before it becomes one of them is its own, too); a program's list begins with the loader itself
grep -lF "calling init: $root/" "$work"/loader/log.* | tr '\n' '\0' | xargs -0 awk '
  function tell(i) { for (i = 0; i < n && program != "setpriv"; i++) print library[i]; n = 0; program = "" }
  FNR == 1 { tell() }
  /initialize program: / { program = $NF }
  sub(/.*calling init: /, "") { if (/\/ld-linux/) tell(); library[n++] = $0 }
  END { tell() }' | sort -u >"$work/loaded"
# A toolkit's libraries, where the bundle leaves them out.
cuda=$(sed 's/\./\\./g; s/.*/\/&/' "$root/libexec/cuda-libraries" | tr '\n' '|')
outside=$(grep -vF "$root/" "$work/loaded" | grep -vE "$allowed" | grep -vE "${cuda}^$" || true)
[ -z "$outside" ] || fail "loaded from outside the bundle: $outside"
grep -F "$root/" "$work/loaded" >"$work/own"
for needed in libmpi.so libhdf5 libcairo openmpi/plugins/mca_btl_vader.so openmpi/plugins/mca_pmix; do
  grep -qF "$needed" "$work/own" || fail "$needed was not loaded from the bundle: is LD_DEBUG read at all?"
done
echo "ok: smoke study on 2 ranks, $(wc -l <"$work/own") libraries and plugins of the bundle, nothing from outside"

# ---- no program names the folder it was built in, and none wants a newer C library than the README says
built=$(cd "$(dirname "$0")/../.." && pwd)
named=$(grep -rlF "$built/" "$root/bin" "$root/libexec" "$root/README.md" "$root/openmpi" || true)
[ -z "$named" ] || fail "names the folder of the build, $built: $named"
grep -qF "glibc $(cat "$root/libexec/glibc") or newer" "$root/README.md" || fail "README.md does not say which glibc is wanted"

# ---- its own tests; the script for GPU machines, on the CPU
clean "$root/bin/viswords-test" >"$work/test.log" 2>&1 || fail "viswords-test: $(cat "$work/test.log")"
grep -q 'viswords-test: all passed' "$work/test.log" || fail "viswords-test: $(cat "$work/test.log")"
echo "ok: $(tail -1 "$work/test.log")"
clean GPU_CHECK_BACKEND=cpu GPU_CHECK_STEPS="machine doctor operations golden smoke ranks clip" "$root/tools/gpu-check.sh" "$work/gpu" \
  >"$work/gpu.log" 2>&1 || fail "gpu-check.sh: $(cat "$work/gpu.log")"
[ "$(grep -c '^ok ' "$work/gpu/summary.txt")" = 17 ] && # eleven programs of operations
  "$root/tools/gpu-report.sh" "$work/gpu" >"$work/report.md" && grep -q '^| text | 1 |' "$work/report.md" && [ -s "$work/gpu/bench.json" ] || fail "gpu-check.sh: $(cat "$work/gpu.log")"
echo "ok: gpu-check.sh, with the CPU in the place of a GPU"

# ---- a root folder with a shell and the C library: what a bare machine is
bare=$work/bare
mkdir -p "$bare"/{bin,dev,proc,tmp,lib64,usr/bin,etc,sys}
for program in sh dirname readlink id tr uname basename cat; do
  path=$(readlink -f "$(command -v $program)")
  cp "$path" "$bare/bin/$program"
  ldd "$path" | grep -oE '/[^ ]+' | while read -r library; do
    mkdir -p "$bare$(dirname "$library")"
    cp -L "$library" "$bare$library"
  done
done
for library in libm libmvec libpthread libdl librt libresolv libutil libnss_files libnss_dns; do
  path=$(ldconfig -p | sed -n "s/.*$library\.so\.[0-9]* .*=> //p" | head -1)
  [ -z "$path" ] || { mkdir -p "$bare$(dirname "$path")" && cp -L "$path" "$bare$path"; }
done
echo 'root:x:0:0:root:/tmp:/bin/sh' >"$bare/etc/passwd"
cp -r "$root" "$bare/bundle"
cat >"$work/enter" <<'END'
mount --rbind /dev "$1/dev" && mount --rbind /proc "$1/proc" && mount --rbind /sys "$1/sys" || exit 77
exec chroot "$1" /bin/sh -c '
  /bundle/bin/viswords --version && cd /bundle &&
  bin/viswords-mpirun -n 2 viswords run jobs/studies/smoke.yaml -o /tmp/smoke -q && [ -s /tmp/smoke/study.h5 ] &&
  bin/viswords bench gpu data/clip-tiny --backend cpu --trials 1 --pictures 1 --order 64 --seconds 0 &&
  tests/bin/kernels_test_network_ops && bin/viswords bench gpu data/clip-tiny --only ceilings'
END
code=0
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin unshare -rm sh "$work/enter" "$bare" >"$work/bare.log" 2>&1 || code=$?
if [ $code = 77 ] || grep -q 'unshare failed' "$work/bare.log"; then
  echo "skipped: a bare root folder; this machine allows no namespaces: $(tail -1 "$work/bare.log")"
else
  # its last command asks for a GPU and is refused in words: no driver, or a program without the cuda backend
  [ $code != 0 ] && grep -q 'use --backend cpu' "$work/bare.log" || fail "in a bare root folder, exit code $code: $(tail -20 "$work/bare.log")"
  grep -q 'text, 1 at once' "$work/bare.log" || fail "in a bare root folder: $(tail -20 "$work/bare.log")"
  echo "ok: smoke study on 2 ranks, operations and benchmark in a root folder with nothing but a shell and the C library"
fi
