/* Safetensors: what is written is read back, also by size and order; wrong files are refused with their name. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/safetensors.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/vw-safetensors-XXXXXX";
static char path[VW_PATH_BYTES];

static int make_folder(void **state) {
  (void)state;
  return !mkdtemp(folder) || vw_path_format(path, "%s/x.safetensors", folder) != VW_OK;
}

static int remove_folder(void **state) {
  (void)state;
  return unlink(path) != 0 || rmdir(folder) != 0; /* fails when a partial file is left */
}

static void write_raw(const char *header, const void *data, size_t bytes) {
  char file[2048];
  const uint64_t length = strlen(header);
  memcpy(file, &length, 8);
  memcpy(file + 8, header, length); /* NOLINT(bugprone-not-null-terminated-result): a format without final 0 */
  memcpy(file + 8 + length, data, bytes);
  assert_ok(vw_file_write(path, file, (int64_t)(8 + length + bytes)));
}

static void expect_refused(vw_status code, const char *part) {
  vw_safetensors *f;
  assert_int_equal(vw_safetensors_open(&f, path), code);
  assert_null(f);
  if (!strstr(vw_error_message(), part) || !strstr(vw_error_message(), path))
    fail_msg("expected \"%s\" and the path in: %s", part, vw_error_message());
}

static void write_read(void **state) {
  (void)state;
  static uint8_t bytes[3] = {1, 2, 255};
  static float floats[6] = {1, -2, 3, 4, 5, 6.5f};
  static double scalar = 2.6592;
  static int64_t ids[2] = {-1, INT64_MAX};
  const vw_safetensors_entry in[] = {{"bytes", vw_shape(VW_U8, (int64_t)3)},
                                     {"floats", vw_shape(VW_F32, (int64_t)2, (int64_t)3)},
                                     {"scalar", {.dtype = VW_F64}},
                                     {"nothing", vw_shape(VW_F16, (int64_t)0, (int64_t)7)},
                                     {"größe/ids", vw_shape(VW_I64, (int64_t)2)}};
  vw_safetensors_entry e[5];
  memcpy(e, in, sizeof in);
  e[0].tensor.data = bytes, e[1].tensor.data = floats, e[2].tensor.data = &scalar, e[4].tensor.data = ids;
  const vw_keyvalue meta[] = {{"format", "pt"}, {"note", "line\n\"quoted\""}};
  vw_safetensors *f;
  vw_tensor t;
  assert_ok(vw_safetensors_write(path, e, 5, meta, 2));
  assert_ok(vw_safetensors_open(&f, path));
  assert_ok(vw_safetensors_verify(f));
  assert_int_equal(vw_safetensors_count(f), 5);
  for (int i = 0; i < 5; i++) {
    assert_string_equal(vw_safetensors_name(f, i), e[i].name);
    t = vw_safetensors_tensor(f, i);
    assert_int_equal(t.dtype, e[i].tensor.dtype);
    assert_true(vw_same_shape(&t, &e[i].tensor));
    assert_int_equal((uintptr_t)t.data % vw_dtype_bytes(t.dtype), 0);
    if (vw_bytes(&t)) assert_memory_equal(t.data, e[i].tensor.data, vw_bytes(&t));
  }
  assert_ok(vw_safetensors_find(f, "größe/ids", &t));
  assert_int_equal(vw_i64(&t)[1], INT64_MAX);
  assert_string_equal(vw_safetensors_metadata(f, "note"), meta[1].value);
  assert_null(vw_safetensors_metadata(f, "absent"));
  assert_false(vw_safetensors_has(f, "float"));
  assert_int_equal(vw_safetensors_find(f, "float", &t), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "no tensor float"));
  assert_non_null(strstr(vw_error_message(), path));
  vw_safetensors_close(f);
}

static void many_tensors(void **state) {
  (void)state;
  enum { N = 3000 };
  static char names[N][40];
  static int32_t values[N];
  static vw_safetensors_entry e[N];
  vw_safetensors *f;
  vw_tensor t;
  for (int i = 0; i < N; i++) {
    (void)snprintf(names[i], sizeof names[i], "layers.%d.weight", i);
    values[i] = 7 * i;
    e[i] = (vw_safetensors_entry){names[i], {.data = &values[i], .dtype = VW_I32, .ndim = 1, .dim = {1}}};
  }
  assert_ok(vw_safetensors_write(path, e, N, NULL, 0));
  assert_ok(vw_safetensors_open(&f, path));
  for (int i = 0; i < N; i++) {
    assert_ok(vw_safetensors_find(f, names[i], &t));
    assert_int_equal(vw_i32(&t)[0], 7 * i);
  }
  vw_safetensors_close(f);
  e[1].name = e[0].name;
  assert_int_equal(vw_safetensors_write(path, e, N, NULL, 0), VW_ERR_ARG);
  e[1] = (vw_safetensors_entry){"role", {.data = values, .dtype = VW_PARAM, .ndim = 1, .dim = {1}}};
  assert_int_equal(vw_safetensors_write(path, e, N, NULL, 0), VW_ERR_ARG);
}

/* A key twice, or the one of our own checksum: refused, and what lies there stays. */
static void metadata_refused(void **state) {
  (void)state;
  float x = 1;
  const vw_safetensors_entry e = {"x", {.data = &x, .dtype = VW_F32, .ndim = 1, .dim = {1}}};
  const vw_keyvalue cases[][2] = {{{"steps", "1"}, {"steps", "2"}}, {{"steps", "1"}, {"xxh128", "0"}}};
  vw_safetensors *f;
  assert_ok(vw_safetensors_write(path, &e, 1, cases[0], 1));
  for (int i = 0; i < 2; i++) {
    assert_int_equal(vw_safetensors_write(path, &e, 1, cases[i], 2), VW_ERR_ARG);
    assert_non_null(strstr(vw_error_message(), "is given twice or reserved"));
    assert_non_null(strstr(vw_error_message(), cases[i][1].key));
    assert_ok(vw_safetensors_open(&f, path));
    assert_ok(vw_safetensors_verify(f));
    assert_string_equal(vw_safetensors_metadata(f, "steps"), "1");
    vw_safetensors_close(f);
  }
}

/* Same input, same bytes; a changed byte is found. */
static void checksum(void **state) {
  (void)state;
  float x[64] = {0};
  const vw_safetensors_entry e = {"x", {.data = x, .dtype = VW_F32, .ndim = 1, .dim = {64}}};
  char *a, *b;
  int64_t na, nb;
  vw_safetensors *f;
  assert_ok(vw_safetensors_write(path, &e, 1, NULL, 0));
  assert_ok(vw_file_read(path, &a, &na));
  assert_ok(vw_safetensors_write(path, &e, 1, NULL, 0));
  assert_ok(vw_file_read(path, &b, &nb));
  assert_int_equal(na, nb);
  assert_memory_equal(a, b, (size_t)na);
  b[nb - 5] ^= 1;
  assert_ok(vw_file_write(path, b, nb));
  assert_ok(vw_safetensors_open(&f, path));
  assert_int_equal(vw_safetensors_verify(f), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "damaged"));
  vw_safetensors_close(f);
  assert_ok(vw_file_write(path, a, na - 1));
  expect_refused(VW_ERR_INPUT, "truncated: tensor x");
  free(a);
  free(b);
}

/* Others' files may be unaligned: 8 + 53 + 1 bytes before the floats. */
static void unaligned(void **state) {
  (void)state;
  const float x[2] = {1.5f, -2.5f};
  char data[9] = {7};
  vw_safetensors *f;
  vw_tensor t;
  memcpy(data + 1, x, 8);
  write_raw("{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
            "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}",
            data, 9);
  assert_ok(vw_safetensors_open(&f, path));
  assert_ok(vw_safetensors_find(f, "x", &t));
  assert_int_equal((uintptr_t)t.data % 4, 0);
  assert_true(vw_f32(&t)[0] == 1.5f && vw_f32(&t)[1] == -2.5f);
  assert_int_equal(vw_safetensors_verify(f), VW_ERR_INPUT); /* no checksum */
  vw_safetensors_close(f);
}

/* A tensor that we cannot hold does not refuse its neighbours. */
static void foreign(void **state) {
  (void)state;
  const char data[6] = {1, 2, 3, 4, 5, 6};
  vw_safetensors *f;
  vw_tensor t;
  write_raw("{\"q\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"u\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[2,5]},"
            "\"w\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[5,6]}}",
            data, 6);
  assert_ok(vw_safetensors_open(&f, path));
  assert_ok(vw_safetensors_find(f, "u", &t));
  assert_memory_equal(t.data, data + 2, 3);
  assert_int_equal(vw_safetensors_find(f, "q", &t), VW_ERR_UNSUPPORTED);
  assert_non_null(strstr(vw_error_message(), "tensor q is F8_E4M3 of 2 bytes"));
  assert_int_equal(vw_safetensors_find(f, "w", &t), VW_ERR_UNSUPPORTED);
  vw_safetensors_close(f);
}

static void refused(void **state) {
  (void)state;
  const char data[16] = {0};
#define ENTRY(type, shape, span) "{\"x\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" span "}}"
  write_raw(ENTRY("F32", "[4]", "[0,20]"), data, 16);
  expect_refused(VW_ERR_INPUT, "truncated: tensor x");
  write_raw(ENTRY("F32", "[3]", "[0,16]"), data, 16);
  expect_refused(VW_ERR_INPUT, "tensor x: F32 of its shape is 12 bytes, data_offsets span 16");
  write_raw(ENTRY("F32", "[4]", "[16,0]"), data, 16);
  expect_refused(VW_ERR_INPUT, "data_offsets");
  write_raw(ENTRY("F32", "[4]", "[-4,12]"), data, 16);
  expect_refused(VW_ERR_INPUT, "data_offsets");
  write_raw(ENTRY("F32", "[-4]", "[0,16]"), data, 16);
  expect_refused(VW_ERR_INPUT, "shape");
  write_raw(ENTRY("F32", "[4294967296,4294967296]", "[0,16]"), data, 16);
  expect_refused(VW_ERR_INPUT, "too large");
  write_raw("{\"x\":3}", data, 16);
  expect_refused(VW_ERR_INPUT, "tensor x");
  write_raw("{\"x\"", data, 16);
  expect_refused(VW_ERR_INPUT, "JSON");
  assert_ok(vw_file_write(path, "\377\377\0\0\0\0\0\0{", 9));
  expect_refused(VW_ERR_INPUT, "truncated: the header");
  assert_ok(vw_file_write(path, "PK\3\4 a zip, as torch.save makes", 32));
  expect_refused(VW_ERR_INPUT, "not a safetensors file");
  assert_ok(vw_file_write(path, "", 0));
  expect_refused(VW_ERR_INPUT, "too short");
  assert_int_equal(unlink(path), 0);
  expect_refused(VW_ERR_IO, "No such file");
}

/* A disk that takes only a part: the old file stays, no partial file is left (see remove_folder). */
static void full_disk(void **state) {
  (void)state;
  static float x[1 << 16];
  const vw_safetensors_entry small = {"x", {.data = x, .dtype = VW_F32, .ndim = 1, .dim = {4}}};
  const vw_safetensors_entry large = {"x", {.data = x, .dtype = VW_F32, .ndim = 1, .dim = {1 << 16}}};
  struct rlimit old, limit;
  vw_safetensors *f;
  assert_ok(vw_safetensors_write(path, &small, 1, NULL, 0));
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
  limit = (struct rlimit){.rlim_cur = 100000, .rlim_max = old.rlim_max};
  (void)signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const vw_status st = vw_safetensors_write(path, &large, 1, NULL, 0);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
  assert_int_equal(st, VW_ERR_IO);
  assert_non_null(strstr(vw_error_message(), path));
  assert_ok(vw_safetensors_open(&f, path));
  assert_ok(vw_safetensors_verify(f));
  vw_safetensors_close(f);
  char below[sizeof path + 8]; /* a file, not a folder */
  (void)snprintf(below, sizeof below, "%s/x", path);
  assert_int_equal(vw_safetensors_write(below, &small, 1, NULL, 0), VW_ERR_IO);
}

/* Sizes alone: the header of a whole file, data that read as zeros and take no disk. */
static void hollow(void **state) {
  (void)state;
  enum { N = 1 << 26 };
  const vw_safetensors_entry entries[] = {{"small", {.dtype = VW_F16, .ndim = 1, .dim = {3}}},
                                          {"large", {.dtype = VW_F32, .ndim = 2, .dim = {N / 8, 8}}}};
  const vw_keyvalue metadata = {"format", "pt"};
  struct stat info;
  vw_safetensors *f;
  vw_tensor t;
  assert_int_equal(vw_safetensors_write(path, entries, 2, &metadata, 1), VW_ERR_ARG); /* no data */
  assert_ok(vw_safetensors_write_hollow(path, entries, 2, &metadata, 1));
  assert_int_equal(stat(path, &info), 0);
  assert_true(info.st_size > 4LL * N && info.st_blocks < 1024);
  assert_ok(vw_safetensors_open(&f, path));
  assert_int_equal(vw_safetensors_count(f), 2);
  assert_string_equal(vw_safetensors_metadata(f, "format"), "pt");
  assert_ok(vw_safetensors_find(f, "large", &t));
  assert_true(t.dtype == VW_F32 && t.ndim == 2 && t.dim[0] == N / 8 && t.dim[1] == 8);
  assert_true(vw_f32(&t)[0] == 0 && vw_f32(&t)[N - 1] == 0);
  assert_int_equal(vw_safetensors_verify(f), VW_ERR_INPUT); /* no checksum: never taken for results */
  vw_safetensors_close(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(write_read), cmocka_unit_test(many_tensors), cmocka_unit_test(metadata_refused),
      cmocka_unit_test(checksum),   cmocka_unit_test(unaligned),    cmocka_unit_test(foreign),
      cmocka_unit_test(refused),    cmocka_unit_test(full_disk),    cmocka_unit_test(hollow),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
