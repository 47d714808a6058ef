/* Blocks are whole or not there; of two checkpoints one always is. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/log.h"
#include "io/block_file.h"
#include "tests/support/test.h"

static char dir[64], path[VW_PATH_BYTES];

static int make_dir(void **state) {
  (void)state;
  (void)snprintf(dir, sizeof dir, "/tmp/vw-block-XXXXXX");
  vw_log_set_level(VW_LOG_ERROR);
  return mkdtemp(dir) && vw_block_folder_open(dir) == VW_OK ? 0 : -1;
}

static int remove_dir(void **state) {
  char command[128];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  return system(command);
}

static const char *file(const char *name) {
  assert_ok(vw_path_format(path, "%s/blocks/%s", dir, name));
  return path;
}

/* Turns one bit of the file's last byte around. */
static void damage(const char *name) {
  char *data = NULL;
  int64_t bytes = 0;
  assert_ok(vw_file_read(file(name), &data, &bytes));
  data[bytes - 1] ^= 1;
  assert_ok(vw_file_write(path, data, bytes));
  free(data);
}

static void words_of(float first, float *words, vw_safetensors_entry *entry) {
  words[0] = first, words[1] = 2, words[2] = 3, words[3] = 4;
  *entry = (vw_safetensors_entry){"words", vw_shape(VW_F32, (int64_t)2, (int64_t)2)};
  entry->tensor.data = words;
}

static void test_block(void **state) {
  float words[4];
  vw_safetensors_entry entry;
  vw_safetensors *f = NULL;
  vw_tensor t;
  const vw_keyvalue meta = {"steps", "300"};
  (void)state;
  words_of(1, words, &entry);
  assert_false(vw_block_file_exists(dir, "b7"));
  assert_int_equal(vw_block_file_open(dir, "b7", &f), VW_ERR_IO);
  assert_ok(vw_checkpoint_write(dir, "b7", 10, &entry, 1, &meta, 1));
  assert_ok(vw_block_file_write(dir, "b7", &entry, 1, &meta, 1));
  assert_true(vw_block_file_exists(dir, "b7"));
  assert_false(vw_file_exists(file("b7/b7.checkpoint.a")));
  assert_ok(vw_block_file_open(dir, "b7", &f));
  assert_string_equal(vw_safetensors_metadata(f, "steps"), "300");
  assert_ok(vw_safetensors_find(f, "words", &t));
  assert_memory_equal(t.data, words, sizeof words);
  vw_safetensors_close(f);

  /* under another block's name, then with one bit turned around */
  assert_ok(vw_path_format(path, "%s/blocks/b8", dir));
  assert_int_equal(mkdir(path, 0777), 0);
  assert_ok(vw_path_format(path, "%s/blocks/b8/b8.safetensors", dir));
  char old[VW_PATH_BYTES];
  assert_ok(vw_path_format(old, "%s/blocks/b7/b7.safetensors", dir));
  assert_int_equal(link(old, path), 0);
  assert_int_equal(vw_block_file_open(dir, "b8", &f), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "not the block of block b8"));
  damage("b7/b7.safetensors");
  assert_false(vw_block_file_exists(dir, "b7"));
  assert_int_equal(vw_block_file_open(dir, "b7", &f), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "delete it and run again"));
  assert_ok(vw_file_write(file("b7/b7.safetensors"), "short", 5));
  assert_int_equal(vw_block_file_open(dir, "b7", &f), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "delete it and run again"));
  assert_int_equal(vw_block_file_write(dir, "../x", &entry, 1, NULL, 0), VW_ERR_ARG);
}

static void expect_checkpoint(int64_t sequence) {
  vw_safetensors *f = NULL;
  vw_tensor t;
  int64_t found = 0;
  assert_ok(vw_checkpoint_open(dir, "c", &f, &found));
  assert_int_equal(found, sequence);
  if (sequence < 0) {
    assert_null(f);
    return;
  }
  assert_ok(vw_safetensors_find(f, "words", &t));
  assert_true(vw_f32(&t)[0] == (float)sequence);
  vw_safetensors_close(f);
}

static void test_checkpoints(void **state) {
  float words[4];
  vw_safetensors_entry entry;
  (void)state;
  expect_checkpoint(-1);
  for (int64_t step = 100; step <= 500; step += 100) {
    words_of((float)step, words, &entry);
    assert_ok(vw_checkpoint_write(dir, "c", step, &entry, 1, NULL, 0));
    expect_checkpoint(step);
  }
  damage("c/c.checkpoint.a"); /* 500: the previous one counts */
  expect_checkpoint(400);
  words_of(600, words, &entry);
  assert_ok(vw_checkpoint_write(dir, "c", 600, &entry, 1, NULL, 0)); /* over the damaged one */
  expect_checkpoint(600);
  assert_true(vw_file_exists(file("c/c.checkpoint.b")));
  assert_ok(vw_checkpoint_remove(dir, "c"));
  expect_checkpoint(-1);
}

static void test_leftovers(void **state) {
  (void)state;
  assert_ok(vw_file_write(file("d.safetensors.partial-00ff00ff00ff00ff"), "x", 1));
  assert_ok(vw_file_write(file("d.checkpoint.a.deleted"), "x", 1));
  assert_ok(vw_file_write(file("keep.safetensors"), "x", 1));
  assert_ok(vw_block_folder_open(dir));
  assert_false(vw_file_exists(file("d.safetensors.partial-00ff00ff00ff00ff")));
  assert_false(vw_file_exists(file("d.checkpoint.a.deleted")));
  assert_true(vw_file_exists(file("keep.safetensors")));
}

static void move(const char *from, const char *to) {
  char old[VW_PATH_BYTES];
  assert_ok(vw_path_format(old, "%s", file(from)));
  assert_int_equal(rename(old, file(to)), 0);
}

static vw_status count(void *user, const char *name, const char *where) {
  int *n = user;
  assert_true(strlen(where) > strlen(name) && !strcmp(where + strlen(where) - strlen(name), name));
  if (!strncmp(name, "e7", 2)) ++*n;
  return VW_OK;
}

/* What an older version wrote into blocks/ itself is read, replaced and removed there. */
static void test_flat(void **state) {
  float words[4];
  vw_safetensors_entry entry;
  vw_safetensors *f = NULL;
  int64_t found = 0;
  int n = 0;
  (void)state;
  for (int64_t step = 1; step <= 2; step++) {
    words_of((float)step, words, &entry);
    assert_ok(vw_checkpoint_write(dir, "e7", step, &entry, 1, NULL, 0));
  }
  move("e7/e7.checkpoint.a", "e7.checkpoint.a");
  assert_ok(vw_checkpoint_open(dir, "e7", &f, &found));
  assert_int_equal(found, 2);
  vw_safetensors_close(f);
  assert_ok(vw_checkpoint_write(dir, "e7", 3, &entry, 1, NULL, 0)); /* over the older one, where it is */
  assert_false(vw_file_exists(file("e7/e7.checkpoint.a")));
  assert_ok(vw_checkpoint_open(dir, "e7", &f, &found));
  assert_int_equal(found, 3);
  vw_safetensors_close(f);

  assert_ok(vw_block_file_write(dir, "e7", &entry, 1, NULL, 0));
  assert_false(vw_file_exists(file("e7.checkpoint.a")) || vw_file_exists(file("e7/e7.checkpoint.b")));
  move("e7/e7.safetensors", "e7.safetensors");
  assert_true(vw_block_file_exists(dir, "e7"));
  damage("e7.safetensors");
  assert_false(vw_block_file_exists(dir, "e7"));
  assert_ok(vw_block_file_write(dir, "e7", &entry, 1, NULL, 0));
  assert_true(vw_block_file_exists(dir, "e7"));
  assert_false(vw_file_exists(file("e7/e7.safetensors")));
  assert_ok(vw_block_file_write(dir, "e7-evaluation", &entry, 1, NULL, 0));
  assert_ok(vw_block_files_visit(dir, count, &n));
  assert_int_equal(n, 2);
  assert_ok(vw_block_file_remove(dir, "e7"));
  assert_false(vw_block_file_exists(dir, "e7"));
  n = 0;
  assert_ok(vw_block_files_visit(dir, count, &n));
  assert_int_equal(n, 1);
}

/* A folder that somebody planted is not written into. */
static void test_linked_folder(void **state) {
  float words[4];
  vw_safetensors_entry entry;
  (void)state;
  words_of(1, words, &entry);
  assert_int_equal(symlink(dir, file("f0")), 0);
  assert_int_equal(vw_block_file_write(dir, "f012", &entry, 1, NULL, 0), VW_ERR_INPUT);
  assert_int_equal(unlink(file("f0")), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_block), cmocka_unit_test(test_checkpoints),
                                     cmocka_unit_test(test_leftovers), cmocka_unit_test(test_flat),
                                     cmocka_unit_test(test_linked_folder)};
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
