#include "kernels/backend.h"

#include "kernels/cpu/openblas.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* ISO C has no cast from an object pointer to a function; dlsym's users copy the bits. */
static bool find(void *from, const char *name, void *function) {
  void *symbol = dlsym(from, name);
  memcpy(function, &symbol, sizeof symbol);
  return symbol != NULL;
}

static bool find_all(void *from, vw_openblas *b) {
  return find(from, "cblas_sgemm", (void *)&b->sgemm) && find(from, "openblas_get_config", (void *)&b->config) &&
         find(from, "openblas_get_parallel", (void *)&b->parallel) &&
         find(from, "openblas_set_num_threads", (void *)&b->set_threads);
}

/* openblas_get_parallel: a pool of threads beside OpenMP's, with which a rate would be of two pools on the same cores. */
enum { THREADS_OF_ITS_OWN = 1 };

const vw_openblas *vw_openblas_find(bool open) {
  static vw_openblas found;
  static bool is_there, was_opened;
  if (!is_there) is_there = find_all(RTLD_DEFAULT, &found);
  if (!is_there && open && !was_opened) {
    void *library = dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_LOCAL);
    was_opened = true;
    is_there = library && find_all(library, &found) && found.parallel() != THREADS_OF_ITS_OWN;
    if (library && !is_there) (void)dlclose(library);
  }
  return is_there ? &found : NULL;
}

const char *vw_cpu_blas(void) {
  const vw_openblas *blas = vw_openblas_find(true);
  return blas ? blas->config() : NULL;
}
