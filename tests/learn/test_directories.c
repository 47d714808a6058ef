/* One network in every form that the hub has: in shards, in fp64, fp32, fp16, bf16 and mixed. Forms that hold the same
 * numbers give the same bits; bf16 gives those of its own rounded numbers. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "core/pool.h"
#include "io/safetensors.h"
#include "networks/clip.h"
#include "tasks/classify/classify.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXTS = 3, MOST = 512, SHARDS = 3 };
static const char *const texts[TEXTS] = {"a photo of a fox", "three red hammers", ""};

static char folder[] = "/tmp/vw-directories-XXXXXX";

static const char *in_folder(const char *name) {
  static char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s/%s", folder, name));
  return path;
}

static const char *const linked[] = {"config.json", "preprocessor_config.json", "vocab.json", "merges.txt"};

static int make_folder(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return 1;
  for (size_t i = 0; i < sizeof linked / sizeof *linked; i++) {
    char from[VW_PATH_BYTES];
    assert_ok(vw_path_format(from, "../data/clip-tiny/%s", linked[i]));
    if (symlink(vw_test_path(from), in_folder(linked[i])) != 0) return 1;
  }
  return 0;
}

static void remove_weights(void) {
  static const char *const names[] = {"model.safetensors", "model.safetensors.index.json", "model-0.safetensors",
                                      "model-1.safetensors", "model-2.safetensors"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) (void)unlink(in_folder(names[i]));
}

static int remove_folder(void **state) {
  (void)state;
  remove_weights();
  for (size_t i = 0; i < sizeof linked / sizeof *linked; i++) (void)unlink(in_folder(linked[i]));
  return rmdir(folder);
}

/* The type of tensor i, after it went through `through` (the same type: nothing is lost). */
typedef struct form {
  vw_dtype (*type)(int64_t i);
  vw_dtype through;
  bool shards;
} form;

/* Tensor i of clip-tiny in the form, its data owned by the pool. */
static vw_tensor convert(const vw_tensor *t, vw_dtype through, vw_dtype to, vw_pool *pool) {
  vw_tensor out = *t;
  const int64_t n = vw_count(t);
  void *between = vw_pool_take(pool, (size_t)n * 8 + 8);
  out.dtype = to, out.data = vw_pool_take(pool, (size_t)n * 8 + 8);
  assert_true(between && out.data);
  assert_ok(vw_convert(between, through, t->data, t->dtype, n));
  assert_ok(vw_convert(out.data, to, between, through, n));
  return out;
}

static void write_form(const form *f) {
  vw_safetensors *file;
  vw_safetensors_entry entries[MOST];
  vw_pool pool = {0};
  remove_weights();
  assert_ok(vw_safetensors_open(&file, vw_test_path("../data/clip-tiny/model.safetensors")));
  const int64_t n = vw_safetensors_count(file);
  assert_in_range(n, 50, MOST);
  char *index = vw_pool_take(&pool, (size_t)n * 256);
  size_t used = (size_t)sprintf(index, "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {");
  for (int64_t i = 0; i < n; i++) {
    const vw_tensor t = vw_safetensors_tensor(file, i);
    entries[i] = (vw_safetensors_entry){vw_safetensors_name(file, i), convert(&t, f->through, f->type(i), &pool)};
    used += (size_t)sprintf(index + used, "%s\"%s\": \"model-%d.safetensors\"", i ? ", " : "", entries[i].name,
                            (int)(i * SHARDS / n));
  }
  (void)sprintf(index + used, "}}");
  for (int64_t s = 0; s < (f->shards ? SHARDS : 1); s++) {
    char name[32];
    const int64_t first = f->shards ? (s * n + SHARDS - 1) / SHARDS : 0,
                  end = f->shards ? ((s + 1) * n + SHARDS - 1) / SHARDS : n;
    (void)sprintf(name, f->shards ? "model-%d.safetensors" : "model.safetensors", (int)s);
    assert_ok(vw_safetensors_write(in_folder(name), entries + first, end - first, NULL, 0));
  }
  if (f->shards) assert_ok(vw_file_write(in_folder("model.safetensors.index.json"), index, (int64_t)strlen(index)));
  vw_pool_fini(&pool);
  vw_safetensors_close(file);
}

/* Features of the texts and of a made-up picture, as the backend has them; the caller frees. */
static char *features(vw_backend b, const char *dir, size_t *bytes) {
  vw_context ctx;
  vw_clip_network *n;
  vw_image_encoder *e;
  assert_ok(vw_context_open(&ctx, b, 1, 0));
  assert_ok(vw_clip_network_open(&n, dir, &ctx));
  const int64_t S = n->vision.image_size;
  const size_t one = vw_clip_feature_bytes(n);
  char *out = malloc((TEXTS + 1) * one);
  double *pixels = malloc((size_t)(S * S * 3) * sizeof *pixels);
  vw_test_fill(pixels, S * S * 3, 5);
  assert_ok(vw_clip_encode_text(n, texts, TEXTS, out));
  assert_ok(vw_image_encoder_create(&e, n));
  assert_ok(vw_image_encoder_run(e, pixels, out + TEXTS * one));
  vw_image_encoder_destroy(e);
  vw_clip_network_close(n);
  vw_context_close(&ctx);
  free(pixels);
  *bytes = (TEXTS + 1) * one;
  return out;
}

static void expect_same(const form *a, const form *b) {
  for (vw_backend backend = VW_REF; backend <= VW_CPU; backend++) {
    size_t bytes, same_bytes;
    if (a) write_form(a);
    char *expected = features(backend, a ? folder : vw_test_path("../data/clip-tiny"), &bytes);
    write_form(b);
    char *got = features(backend, folder, &same_bytes);
    assert_int_equal(bytes, same_bytes);
    assert_memory_equal(got, expected, bytes);
    free(expected), free(got);
  }
}

static vw_dtype f16(int64_t i) {
  (void)i;
  return VW_F16;
}
static vw_dtype f32(int64_t i) {
  (void)i;
  return VW_F32;
}
static vw_dtype f64(int64_t i) {
  (void)i;
  return VW_F64;
}
static vw_dtype bf16(int64_t i) {
  (void)i;
  return VW_BF16;
}
static vw_dtype mixed(int64_t i) {
  static const vw_dtype types[] = {VW_F16, VW_F32, VW_F64};
  return types[i % 3];
}

static void same_numbers(void **state) {
  (void)state;
  expect_same(NULL, &(form){f16, VW_F64, true});
  expect_same(NULL, &(form){f32, VW_F64, false});
  expect_same(NULL, &(form){f64, VW_F64, true});
  expect_same(NULL, &(form){mixed, VW_F64, false});
}

static void rounded_numbers(void **state) {
  (void)state;
  expect_same(&(form){f32, VW_BF16, false}, &(form){bf16, VW_BF16, true});
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_numbers), cmocka_unit_test(rounded_numbers)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
