/* Good and bad safetensors files: the same verdict and the same tensors as the reference implementation
 * (tests/reference/safetensors_files.py made the list), and a refusal is one line that names the file. */
#include "tests/support/test.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/durable.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io/safetensors_internal.h"

static char folder[] = "/tmp/vw-safetensors-files-XXXXXX";
static char path[VW_PATH_BYTES];

static int make_folder(void **state) {
  (void)state;
  return !mkdtemp(folder) || vw_path_format(path, "%s/x.safetensors", folder) != VW_OK;
}

static int remove_folder(void **state) {
  (void)state;
  return unlink(path) != 0 || rmdir(folder) != 0;
}

/* The bytes of hexadecimal digits; the caller frees. */
static unsigned char *bytes_of(const char *digits, int64_t *n) {
  *n = (int64_t)strlen(digits) / 2;
  unsigned char *bytes = malloc((size_t)*n + 1);
  assert_non_null(bytes);
  for (int64_t i = 0; i < *n; i++) {
    const char pair[3] = {digits[2 * i], digits[2 * i + 1], 0};
    bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
  }
  return bytes;
}

static const char *text(const json_t *object, const char *key) {
  const char *value = json_string_value(json_object_get(object, key));
  assert_non_null(value);
  return value;
}

/* Is it a type of ours, with a rank of ours? */
static bool usable(const json_t *expected) {
  for (int type = 0; type < VW_STORAGE_TYPES; type++)
    if (strcmp(vw_safetensors_type_name((vw_dtype)type), text(expected, "dtype")) == 0)
      return json_array_size(json_object_get(expected, "shape")) <= VW_MAX_DIMS;
  return false;
}

static void compare_tensor(const vw_safetensors *f, const json_t *expected) {
  vw_tensor t;
  int64_t n;
  const char *name = text(expected, "name");
  const json_t *shape = json_object_get(expected, "shape");
  assert_true(vw_safetensors_has(f, name));
  if (!usable(expected)) {
    assert_int_equal(vw_safetensors_find(f, name, &t), VW_ERR_UNSUPPORTED);
    assert_non_null(strstr(vw_error_message(), text(expected, "dtype")));
    return;
  }
  assert_ok(vw_safetensors_find(f, name, &t));
  assert_string_equal(vw_safetensors_type_name(t.dtype), text(expected, "dtype"));
  assert_int_equal(t.ndim, json_array_size(shape));
  for (int i = 0; i < t.ndim; i++)
    assert_int_equal(t.dim[i], strtoll(json_string_value(json_array_get(shape, (size_t)i)), NULL, 10));
  unsigned char *data = bytes_of(text(expected, "data"), &n);
  assert_int_equal(vw_bytes(&t), n);
  if (n) assert_memory_equal(t.data, data, (size_t)n);
  free(data);
}

static void check_case(const json_t *expected) {
  vw_safetensors *f;
  int64_t n;
  size_t i;
  json_t *tensor;
  const bool differs = json_is_true(json_object_get(expected, "differs"));
  const bool accepted = json_is_true(json_object_get(expected, "accepted")) != differs;
  unsigned char *bytes = bytes_of(text(expected, "file"), &n);
  assert_ok(vw_file_write(path, bytes, n));
  free(bytes);
  const vw_status st = vw_safetensors_open(&f, path);
  if ((st == VW_OK) != accepted)
    fail_msg("%s: expected %s, got %s", text(expected, "name"), accepted ? "accepted" : "refused",
             st == VW_OK ? "accepted" : vw_error_message());
  if (st != VW_OK) {
    assert_int_equal(st, VW_ERR_INPUT);
    assert_null(f);
    assert_non_null(strstr(vw_error_message(), path));
    return;
  }
  if (!differs) {
    assert_int_equal(vw_safetensors_count(f), json_array_size(json_object_get(expected, "tensors")));
    json_array_foreach(json_object_get(expected, "tensors"), i, tensor) compare_tensor(f, tensor);
  }
  vw_safetensors_close(f);
}

static void as_the_reference(void **state) {
  (void)state;
  json_t *list, *expected;
  size_t i;
  assert_ok(vw_json_read(VW_TEST_DATA "/reference/fixtures/safetensors_files.json", &list));
  assert_true(json_array_size(json_object_get(list, "cases")) >= 60);
  json_array_foreach(json_object_get(list, "cases"), i, expected) check_case(expected);
  json_decref(list);
}

/* What is not safetensors at all is called by its name, with the way out. */
static void other_files(void **state) {
  (void)state;
  static const char *const files[][2] = {{"PK\3\4 .............", "torch.save; convert it: python -c"},
                                         {"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
                                         {"<!DOCTYPE html><html>", "a web page"}};
  vw_safetensors *f;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    assert_ok(vw_file_write(path, files[i][0], (int64_t)strlen(files[i][0])));
    assert_int_equal(vw_safetensors_open(&f, path), VW_ERR_INPUT);
    if (!strstr(vw_error_message(), files[i][1])) fail_msg("expected \"%s\" in: %s", files[i][1], vw_error_message());
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_reference), cmocka_unit_test(other_files)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
