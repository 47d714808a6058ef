# Sourced by the wrappers in bin/ with `root`, the folder of the bundle, set: where this copy of Open MPI and of the
# libraries lies, and which program runs here. Sets `suffix`: -cuda where the cuda backend can be used, else empty.
openmpi=$root/openmpi
export OPAL_PREFIX="$openmpi" OPAL_BINDIR="$openmpi/bin" OPAL_LIBDIR="$root/lib" OPAL_PKGLIBDIR="$openmpi/plugins"
export OPAL_DATADIR="$openmpi/share" OPAL_PKGDATADIR="$openmpi/share" OPAL_SYSCONFDIR="$openmpi/etc"
export OMPI_MCA_mca_base_component_path="$openmpi/plugins"
# PMIx and hwloc work without plugins of their own; those of the machine may be of another version.
export PMIX_PREFIX="$openmpi" PMIX_LIBDIR="$openmpi/none" PMIX_PKGLIBDIR="$openmpi/none" PMIX_PKGDATADIR="$openmpi/share"
export PMIX_MCA_mca_base_component_path="$openmpi/none" HWLOC_PLUGINS_PATH="$openmpi/none"
export PMIX_MCA_pcompress_base_silence_warning=1 # it goes without compression, and would tell each time
# mpirun insists on a way to other nodes even where none is wanted.
command -v ssh >/dev/null || command -v rsh >/dev/null || command -v srun >/dev/null || export OMPI_MCA_plm=isolated
export VISWORDS_TESTS="$root/tests"
export FONTCONFIG_FILE="${FONTCONFIG_FILE:-$root/fonts/fonts.conf}" # the font of figures lies there

# Prints the folders, separated by colons, that hold every CUDA library which the bundle lacks; fails where one is missing.
find_cuda() {
  found=
  while read -r library; do
    [ ! -e "$root/lib/$library" ] || continue
    here=
    for folder in $(printf %s "${VISWORDS_CUDA_LIBRARIES:-}:${LD_LIBRARY_PATH:-}" | tr : ' ') ${CUDA_HOME:+"$CUDA_HOME/lib64"} \
      ${CUDA_PATH:+"$CUDA_PATH/lib64"} /usr/local/cuda/lib64 /usr/local/cuda/targets/*/lib /usr/local/cuda-*/lib64 /usr/lib/"$(uname -m)"-linux-gnu \
      /usr/local/lib /usr/lib64 /usr/local/lib/python3*/dist-packages/nvidia/*/lib; do
      if [ -e "$folder/$library" ]; then
        here=$folder
        break
      fi
    done
    [ -n "$here" ] || return 1
    case :$found: in *":$here:"*) ;; *) found=$found${found:+:}$here ;; esac
  done <"$root/libexec/cuda-libraries"
  printf %s "$found"
}

suffix=
if [ -e "$root/libexec/viswords-cuda" ]; then
  if folders=$(find_cuda); then
    suffix=-cuda
    [ -z "$folders" ] || cuda_folders=$folders
  fi
  [ -n "$suffix" ] || [ -e "$root/libexec/viswords" ] || {
    echo "viswords: this bundle's program needs $(tr '\n' ' ' <"$root/libexec/cuda-libraries")and the folders of a CUDA toolkit hold no such files; name them in VISWORDS_CUDA_LIBRARIES" >&2
    exit 1
  }
fi
export LD_LIBRARY_PATH="$root/lib${cuda_folders:+:$cuda_folders}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
