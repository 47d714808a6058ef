/* The random Stable Diffusion directories of tests/reference/sd.py: their configurations are kept, their weights are
 * made from seeds when a test wants them. */
#ifndef VW_TESTS_MODELS_SD_FIXTURE_H
#define VW_TESTS_MODELS_SD_FIXTURE_H
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SD_FILES = 3, SD_MOST = 600 };

typedef struct sd_line {
  char component[32], name[128], type[8];
  int file;
  uint64_t seed;
  double scale, shift;
  vw_tensor shape;
} sd_line;

/* "vae decoder.conv_in.bias 0 F32 123 0.2 0.0 16" */
static inline bool sd_read_line(FILE *f, sd_line *l) {
  char dims[128];
  if (fscanf(f, "%31s %127s %d %7s %" SCNu64 " %lf %lf%127[^\n]", l->component, l->name, &l->file, l->type, &l->seed,
             &l->scale, &l->shift, dims) != 8)
    return false;
  l->shape = (vw_tensor){.dtype = !strcmp(l->type, "F16") ? VW_F16 : VW_F32};
  for (char *p = dims, *end; l->shape.ndim < VW_MAX_DIMS; p = end) {
    const int64_t n = strtoll(p, &end, 10);
    if (end == p) break;
    l->shape.dim[l->shape.ndim++] = n;
  }
  return true;
}

static inline void *sd_values(const sd_line *l) {
  const int64_t n = vw_count(&l->shape);
  double *x = malloc((size_t)n * sizeof *x);
  void *out = malloc((size_t)n * 4);
  assert_non_null(x);
  vw_test_fill(x, n, l->seed);
  for (int64_t i = 0; i < n; i++) x[i] = l->shift + l->scale * x[i];
  assert_ok(vw_convert(out, l->shape.dtype, x, VW_F64, n));
  free(x);
  return out;
}

/* The files of one component: "model.safetensors", or shards and their index. */
static inline void sd_write_component(const char *dir, const char *component, const sd_line *lines, int n) {
  const char *base = !strcmp(component, "text_encoder") ? "model" : "diffusion_pytorch_model";
  int files = 1;
  char path[VW_PATH_BYTES];
  for (int i = 0; i < n; i++)
    if (!strcmp(lines[i].component, component) && lines[i].file >= files) files = lines[i].file + 1;
  FILE *index = NULL;
  if (files > 1) {
    assert_ok(vw_path_format(path, "%s/%s/%s.safetensors.index.json", dir, component, base));
    index = fopen(path, "w");
    assert_non_null(index);
    (void)fprintf(index, "{\"weight_map\": {");
  }
  for (int f = 0, first = 1; f < files; f++) {
    vw_safetensors_entry entries[SD_MOST];
    int m = 0;
    char file[64];
    (void)snprintf(file, sizeof file, files > 1 ? "%s-%05d-of-%05d.safetensors" : "%s.safetensors", base, f + 1, files);
    for (int i = 0; i < n; i++) {
      if (strcmp(lines[i].component, component) != 0 || lines[i].file != f) continue;
      entries[m] = (vw_safetensors_entry){lines[i].name, lines[i].shape};
      entries[m++].tensor.data = sd_values(&lines[i]);
      if (index) (void)fprintf(index, "%s\"%s\": \"%s\"", first ? "" : ", ", lines[i].name, file);
      first = 0;
    }
    assert_ok(vw_path_format(path, "%s/%s/%s", dir, component, file));
    assert_ok(vw_safetensors_write(path, entries, m, NULL, 0));
    for (int i = 0; i < m; i++) free(entries[i].tensor.data);
  }
  if (index) (void)fprintf(index, "}}\n"), (void)fclose(index);
}

/* A copy of fixtures/<name> with its weights, in a new folder whose path is put into dir; sd_remove takes it away. */
static inline void sd_make(const char *name, char dir[VW_PATH_BYTES]) {
  char path[VW_PATH_BYTES], command[4 * VW_PATH_BYTES];
  sd_line *lines = malloc(SD_MOST * sizeof *lines);
  int n = 0;
  const char *tmp = getenv("TMPDIR");
  assert_non_null(lines);
  assert_ok(vw_path_format(dir, "%s/viswords-sd-XXXXXX", tmp ? tmp : "/tmp"));
  assert_non_null(mkdtemp(dir));
  assert_ok(vw_path_format(path, "%s/reference/fixtures/%s", vw_test_path(""), name));
  (void)snprintf(command, sizeof command, "cp -R '%s/.' '%s' && chmod -R u+w '%s'", path, dir, dir);
  assert_int_equal(system(command), 0);
  assert_ok(vw_path_format(path, "%s/weights.txt", dir));
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  while (n < SD_MOST && sd_read_line(f, &lines[n])) n++;
  (void)fclose(f);
  assert_true(n > 0 && n < SD_MOST);
  sd_write_component(dir, "text_encoder", lines, n);
  sd_write_component(dir, "unet", lines, n);
  sd_write_component(dir, "vae", lines, n);
  free(lines);
}

static inline void sd_remove(const char *dir) {
  char command[2 * VW_PATH_BYTES];
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  assert_int_equal(system(command), 0);
}

#endif
