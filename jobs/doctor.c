/* `doctor`: what this machine and this build can do, what stands in the way, and what was never verified. Only looks:
 * never calls MPI_Init. */
#include "jobs/jobs.h"

#include "cluster/nccl.h"
#include "core/durable.h"
#include "core/text.h"
#include "io/json.h"
#include "io/versions.h"
#include "kernels/backend.h"
#include "kernels/devices.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <mpi.h>
#if defined(OPEN_MPI)
#include <mpi-ext.h>
#endif
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

typedef struct doctor {
  const char *dir, *backend;
  bool json;
  json_t *all, *problems;
  const char *section;
  vw_status st; /* of what the wanted backend cannot do without */
  char message[512];
} doctor;

/* One line "  key   value", under its section's name; the same into the JSON. */
static void say(doctor *d, const char *section, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void say(doctor *d, const char *section, const char *key, const char *fmt, ...) {
  char text[1024];
  va_list ap;
  va_start(ap, fmt);
  (void)vsnprintf(text, sizeof text, fmt, ap); /* NOLINT(clang-analyzer-valist.Uninitialized): it was started */
  va_end(ap);
  json_t *part = json_object_get(d->all, section);
  if (!part) (void)json_object_set_new(d->all, section, part = json_object());
  (void)json_object_set_new(part, key, vw_json_name(text));
  if (d->json) return;
  if (!d->section || strcmp(d->section, section) != 0) (void)vw_print(stdout, "%s\n", section);
  d->section = section;
  (void)vw_print(stdout, "  %-22s %s\n", key, text);
}

/* The last error: shown here and again at the end; decides the exit code where the wanted backend needs it. */
static void problem(doctor *d, const char *section, vw_status st, bool decides) {
  (void)json_array_append_new(d->problems, json_string(vw_error_message()));
  say(d, section, "problem", "%s", vw_error_message());
  if (!decides || d->st != VW_OK) return;
  d->st = st;
  (void)snprintf(d->message, sizeof d->message, "%s", vw_error_message());
}

static bool wants_cuda(const doctor *d) {
  return !strcmp(d->backend, "cuda");
}

/* ---- the program and its libraries ------------------------------------------------------------------------------- */

static void look_at_program(doctor *d) {
  vw_library library[VW_LIBRARIES];
  char mpi[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0, major = 0, minor = 0;
  say(d, "program", "viswords", "%s", VISWORDS_VERSION);
#ifdef __clang__
  say(d, "program", "compiler", "%s", __VERSION__);
#else
  say(d, "program", "compiler", "gcc %s", __VERSION__);
#endif
  (void)MPI_Get_library_version(mpi, &length); /* this and the next are allowed before MPI_Init */
  (void)MPI_Get_version(&major, &minor);
  mpi[strcspn(mpi, ",\n")] = 0;
  say(d, "program", "MPI", "%s (MPI %d.%d)", mpi, major, minor);
  say(d, "program", "MPI threads",
      "MPI_THREAD_MULTIPLE is asked for when a run starts; VISWORDS_MPI_THREADS=funneled where that fails");
  vw_io_libraries(library);
  for (int i = 0; i < VW_LIBRARIES; i++) say(d, "program", library[i].name, "%s", library[i].version);
  const char *blas = vw_cpu_blas();
  say(d, "program", "OpenBLAS", "%s", blas ? blas : "not here: bench compares with viswords' own product");
}

static void look_at_cpu(doctor *d) {
  vw_context ctx;
  char kernels[128], features[128] = "";
  struct utsname system;
#ifdef __x86_64__
  static const char *const none = "SSE2";
  if (__builtin_cpu_supports("avx2")) (void)strcat(features, "AVX2 ");
  if (__builtin_cpu_supports("fma")) (void)strcat(features, "FMA ");
  if (__builtin_cpu_supports("avx512f")) (void)strcat(features, "AVX-512F ");
  if (__builtin_cpu_supports("avx512bf16")) (void)strcat(features, "AVX-512-BF16 ");
#else
  static const char *const none = "not x86: portable kernels";
#endif
  if (uname(&system) == 0) say(d, "machine", "system", "%s %s %s", system.sysname, system.release, system.machine);
  say(d, "machine", "cores", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
  say(d, "machine", "memory", "%.1f GiB",
      (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGE_SIZE) / 1073741824);
  say(d, "machine", "CPU features", "%s", features[0] ? features : none);
  const vw_status st = vw_context_open(&ctx, VW_CPU, 1, 0);
  if (st != VW_OK) {
    problem(d, "machine", st, true);
    return;
  }
  vw_kernel_set(&ctx, kernels);
  say(d, "machine", "kernel set", "%s", kernels);
  vw_context_close(&ctx);
}

/* ---- devices ----------------------------------------------------------------------------------------------------- */

static void version_line(doctor *d, const char *key, int code, const char *none) {
  if (code)
    say(d, "CUDA", key, "%d.%d", code / 1000, code % 1000 / 10);
  else
    say(d, "CUDA", key, "%s", none);
}

static void look_at_device(doctor *d, int i, const vw_device *x, json_t *list) {
  char key[32];
  (void)snprintf(key, sizeof key, "device %d", i);
  say(d, "CUDA", key, "%s, compute capability %d.%d, %d SMs, %.1f of %.1f GiB free, %s%s%s", x->name,
      x->capability / 10, x->capability % 10, x->multiprocessors, (double)x->free / 1073741824,
      (double)x->memory / 1073741824, x->bus, x->problem[0] ? ": " : "", x->problem);
  (void)json_array_append_new(list,
                              json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:s}", "name", x->name, "bus", x->bus,
                                        "capability", x->capability, "multiprocessors", x->multiprocessors, "memory",
                                        (json_int_t)x->memory, "free", (json_int_t)x->free, "problem", x->problem));
}

/* The one that a network of convolutions would open (kernels/libraries.h); its own function tells, no header is needed. */
static void look_at_cudnn(doctor *d) {
  const char *asked = getenv("VISWORDS_CUDNN_LIBRARY"), *name = asked && *asked ? asked : "libcudnn.so.9";
  void *library = strcmp(name, "none") != 0 ? dlopen(name, RTLD_LAZY | RTLD_LOCAL) : NULL;
  size_t (*version)(void) = NULL;
  if (library) *(void **)&version = dlsym(library, "cudnnGetVersion");
  const size_t code = version ? version() : 0;
  if (code)
    say(d, "CUDA", "cuDNN", "%zu.%zu.%zu (%s)", code / 10000, code / 100 % 100, code % 100, name);
  else
    say(d, "CUDA", "cuDNN",
        "not found (%s): Stable Diffusion runs on viswords' own kernels, which are slower; "
        "VISWORDS_CUDNN_LIBRARY=PATH names one",
        name);
  if (library) (void)dlclose(library);
}

static void look_at_devices(doctor *d) {
  static vw_devices devices;
  json_t *list = json_array();
  const vw_status st = vw_devices_look(&devices);
  if (devices.toolkit) {
    version_line(d, "built with", devices.toolkit, "");
    version_line(d, "runtime", devices.runtime, "unknown");
    version_line(d, "driver", devices.driver, "none");
    say(d, "CUDA", "cuBLASLt", "%" PRId64 ".%" PRId64 ".%" PRId64, devices.cublas_lt / 10000,
        devices.cublas_lt / 100 % 100, devices.cublas_lt % 100);
    look_at_cudnn(d);
  }
  for (int i = 0; i < devices.n && i < VW_DEVICES; i++) look_at_device(d, i, &devices.device[i], list);
  (void)json_object_set_new(d->all, "devices", list);
  if (st != VW_OK) problem(d, "CUDA", st, wants_cuda(d));
}

/* ---- exchange between ranks -------------------------------------------------------------------------------------- */

static void look_at_exchange(doctor *d) {
  vw_nccl_versions v;
  const char *asked = getenv("VISWORDS_TRANSPORT");
  const vw_status st = vw_nccl_look(&v);
  if (v.is_built) say(d, "exchange", "NCCL, built for", "%s", v.built);
  if (st == VW_OK) say(d, "exchange", "NCCL, found", "%s (%s)", v.found, v.path);
  if (st != VW_OK) problem(d, "exchange", st, wants_cuda(d) && asked && !strcmp(asked, "nccl"));
#if defined(MPIX_CUDA_AWARE_SUPPORT)
  say(d, "exchange", "MPI and CUDA", "%s; viswords sends device memory through the host or by NCCL, and needs neither",
      MPIX_CUDA_AWARE_SUPPORT ? "this MPI was built CUDA-aware" : "this MPI was built without CUDA");
#else
  say(d, "exchange", "MPI and CUDA", "this MPI does not say whether it is CUDA-aware; viswords does not need it");
#endif
  say(d, "exchange", "GPUDirect RDMA", "%s",
      access("/sys/module/nvidia_peermem", F_OK) == 0 ? "the module nvidia_peermem is loaded"
                                                      : "the module nvidia_peermem is not loaded: NCCL between nodes "
                                                        "goes through the host");
}

/* ---- system ------------------------------------------------------------------------------------------------------ */

static const char *file_system_name(long type) {
  static const struct {
    long type;
    const char *name;
  } names[] = {{0x6969, "NFS"},       {0x0BD00BD0, "Lustre"},  {0x47504653, "GPFS"}, {0x19830326, "BeeGFS"},
               {0x00C36400, "Ceph"},  {0xEF53, "ext2/3/4"},    {0x58465342, "XFS"},  {0x9123683E, "btrfs"},
               {0x01021994, "tmpfs"}, {0x794C7630, "overlay"}, {0x2FC12FC1, "ZFS"},  {0x65735546, "FUSE"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].type == type) return names[i].name;
  return "unknown type";
}

/* What an output directory needs: files made and locked there. */
static vw_status try_lock(const char *dir, const char **locks) {
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(path, "%s/.viswords-doctor-XXXXXX", dir));
  const int fd = mkostemp(path, O_CLOEXEC);
  VW_CHECK(fd >= 0, VW_ERR_IO, "%s: cannot make a file there: %s; give --dir the folder of your outputs", dir,
           strerror(errno));
  *locks = flock(fd, LOCK_EX | LOCK_NB) == 0 ? "files can be locked"
                                             : "no locks (flock): two runs at once are told apart by .lock alone";
  (void)unlink(path), (void)close(fd);
  return VW_OK;
}

static void limit_line(doctor *d, const char *key, int which, double unit, const char *unit_name, const char *why) {
  struct rlimit limit;
  if (getrlimit((__rlimit_resource_t)which, &limit) != 0) return;
  if (limit.rlim_cur == RLIM_INFINITY)
    say(d, "system", key, "unlimited (%s)", why);
  else
    say(d, "system", key, "%.0f %s (%s)", (double)limit.rlim_cur / unit, unit_name, why);
}

static void look_at_system(doctor *d) {
  struct statfs info;
  struct statvfs shared;
  const char *locks = "";
  const vw_status st = try_lock(d->dir, &locks);
  if (st != VW_OK) problem(d, "system", st, true);
  if (st == VW_OK && statfs(d->dir, &info) == 0)
    say(d, "system", "files", "%s: %s, %.1f GiB free, %s", d->dir, file_system_name((long)info.f_type),
        (double)info.f_bavail * (double)info.f_bsize / 1073741824, locks);
  if (statvfs("/dev/shm", &shared) == 0)
    say(d, "system", "/dev/shm", "%.2f GiB free (ranks of a node talk through it)",
        (double)shared.f_bavail * (double)shared.f_frsize / 1073741824);
  limit_line(d, "locked memory", RLIMIT_MEMLOCK, 1024, "KiB", "ulimit -l: pinned buffers, RDMA; unlimited is best");
  limit_line(d, "open files", RLIMIT_NOFILE, 1, "files", "ulimit -n: at least 1024");
  limit_line(d, "address space", RLIMIT_AS, 1048576, "MiB", "ulimit -v: CUDA and mapped weights need it unlimited");
  limit_line(d, "stack", RLIMIT_STACK, 1024, "KiB", "ulimit -s: at least 8192");
}

/* ---- what was verified where ------------------------------------------------------------------------------------- */

static void look_at_verified(doctor *d) {
  static const struct {
    const char *what, *how;
  } list[] = {
      {"backends ref, cpu", "verified: every commit, x86-64, against PyTorch"},
      {"ranks on one node", "verified: every commit, over shared memory and over TCP"},
      {"several nodes", "unverified: tests run all ranks on one machine"},
      {"aarch64", "unverified: never built there"},
      {"backend cuda",
       "verified: NVIDIA H200, 2026-11-26 and 27, all tests of operations, a study against PyTorch, fp32 "
       "to mixed; every commit on an emulated device"},
      {"other GPUs", "unverified: no other has been tried (A100, H100)"},
      {"Stable Diffusion on cuda",
       "verified: NVIDIA H200, 2026-11-27, a study against PyTorch in fp32, the demo twice in "
       "mixed with the same bits; every commit on an emulated device"},
      {"cuDNN", "verified: 9.19 on an NVIDIA H200, 2026-11-27; every plan is compared with an own kernel before it is "
                "used"},
      {"several GPUs", "unverified on GPUs: 1 to 3 ranks on emulated devices"},
      {"NCCL", "unverified on GPUs: its calls run against a stand-in for the library, without a device"},
      {"device lost mid-run", "unverified on a GPU: injected into the emulated device"},
  };
  json_t *unverified = json_array();
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    say(d, "verified where", list[i].what, "%s", list[i].how);
    if (strstr(list[i].how, "unverified")) (void)json_array_append_new(unverified, vw_json_name(list[i].what));
  }
  (void)json_object_set_new(d->all, "unverified", unverified);
}

static vw_status look(doctor *d) {
  static const char *const names[] = {"auto", "ref", "cpu", "cuda"};
  bool is_known = false;
  for (int i = 0; i < 4; i++) is_known |= !strcmp(d->backend, names[i]);
  VW_CHECK(is_known, VW_ERR_ARG, "--backend '%s': choose auto, ref, cpu or cuda", d->backend);
  d->all = json_object(), d->problems = json_array();
  VW_CHECK(d->all && d->problems, VW_ERR_MEMORY, "out of memory");
  look_at_program(d);
  look_at_cpu(d);
  look_at_devices(d);
  look_at_exchange(d);
  look_at_system(d);
  look_at_verified(d);
  if (!d->json) {
    (void)vw_print(stdout, "%zu problem%s\n", json_array_size(d->problems),
                   json_array_size(d->problems) == 1 ? "" : "s");
    return d->st == VW_OK ? VW_OK : VW_RAISE(d->st, "%s", d->message);
  }
  (void)json_object_set(d->all, "problems", d->problems);
  (void)json_object_set_new(d->all, "usable", json_boolean(d->st == VW_OK));
  (void)vw_json_print(d->all, JSON_INDENT(1), stdout);
  (void)vw_print(stdout, "\n");
  return d->st == VW_OK ? VW_OK : VW_RAISE(d->st, "%s", d->message);
}

int vw_job_doctor(int argc, char **argv) {
  doctor d = {.dir = ".", .backend = "auto"};
  const vw_option options[] = {
      {"backend", 'b', VW_OPT_STRING, &d.backend, "NAME", "what is to work: with cuda, a problem of CUDA is a failure"},
      {"dir", 'd', VW_OPT_STRING, &d.dir, "DIR", "folder of outputs whose file system is tried (default: here)"},
      {"json", 0, VW_OPT_FLAG, &d.json, NULL, "as JSON"},
      {0}};
  const vw_command_line c = {
      "doctor",
      "[--backend cuda] [--dir DIR] [--json]",
      "Shows versions, CPU, CUDA devices, NCCL, file system and limits, and what was never verified. Starts nothing. "
      "Exit code 0: what is wanted works; 1: a device, its driver, memory or the file system does not; 2: this build "
      "or "
      "the installed NCCL cannot do it.",
      options,
      NULL,
      0,
      0};
  const char *positional[1];
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  code = vw_report(look(&d));
  json_decref(d.all), json_decref(d.problems);
  return code;
}
