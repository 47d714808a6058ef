/* Files when memory or the disk fails at any place: a clear status, the old file or the whole new one, nothing left
 * open; a lock is never taken from a process that lives, a checkpoint never lost. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/log.h"
#include "io/block_file.h"
#include "io/json.h"
#include "io/manifest.h"
#include "io/parts.h"
#include "tests/support/fail.h"

static char dir[64], path[VW_PATH_BYTES];

static int make_dir(void **state) {
  (void)state;
  /* memory where there is: thousands of fsyncs take a disk its time */
  (void)snprintf(dir, sizeof dir, "%s/vw-failures-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  vw_log_set_level(VW_LOG_ERROR); /* the warnings of damaged files are many and expected */
  return mkdtemp(dir) && vw_block_folder_open(dir) == VW_OK ? 0 : -1;
}

static int remove_dir(void **state) {
  char command[128];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  return system(command);
}

static const char *file(const char *name) {
  assert_ok(vw_path_format(path, "%s/%s", dir, name));
  return path;
}

static void put(const char *name, const char *text) {
  assert_ok(vw_file_write(file(name), text, (int64_t)strlen(text)));
}

/* What the file holds; "" where it is not there. */
static const char *text_of(const char *name) {
  static char text[256];
  char *data = NULL;
  text[0] = 0;
  if (!vw_file_exists(file(name))) return text;
  assert_ok(vw_file_read(path, &data, NULL));
  (void)snprintf(text, sizeof text, "%s", data);
  free(data);
  return text;
}

/* ---- durable files ---- */

static const char long_text[] = "the new text, longer than the old";

static void old_file(void) {
  put("f", "old");
}
static vw_status write_file(void) {
  return vw_file_write(file("f"), long_text, sizeof long_text - 1);
}
static void old_or_new(vw_status st) {
  const char *now = text_of("f");
  if (strcmp(now, long_text) != 0 && (st == VW_OK || strcmp(now, "old") != 0)) fail_msg("the file holds '%s'", now);
}

/* A name without a folder lies in the working folder, which is the one to sync. */
static vw_status write_here(void) {
  return vw_file_write("f", long_text, sizeof long_text - 1);
}

static char *read_text;
static int64_t read_bytes;
static vw_status read_file(void) {
  return vw_file_read(file("f"), &read_text, &read_bytes);
}
static void read_all(vw_status st) {
  if (st == VW_OK) assert_string_equal(read_text, "old");
  if (st == VW_OK) assert_int_equal(read_bytes, 3);
  if (st != VW_OK) assert_null(read_text);
  free(read_text), read_text = NULL;
}

static vw_hash hashed;
static vw_status hash_file(void) {
  return vw_file_hash(file("f"), &hashed, &read_bytes);
}
static void hash_right(vw_status st) {
  const vw_hash h = vw_hash_bytes("old", 3);
  if (st == VW_OK) assert_memory_equal(&hashed, &h, sizeof h);
}

static vw_status remove_file(void) {
  return vw_file_remove(file("f"));
}
static void removed(vw_status st) {
  if (st == VW_OK) assert_false(vw_file_exists(file("f")));
  (void)unlink(file("f.deleted"));
}

static vw_status reserve_and_trim(void) {
  VW_TRY(vw_file_reserve(file("f"), 1 << 16));
  return vw_file_trim(path);
}
static void still_old(vw_status st) {
  (void)st;
  assert_string_equal(text_of("f"), "old");
}

static vw_status make_folder(void) {
  return vw_folder_make(file("a/b/c"));
}
static void no_folder(void) {
  (void)rmdir(file("a/b/c")), (void)rmdir(file("a/b")), (void)rmdir(file("a"));
}
static void is_folder(vw_status st) {
  if (st == VW_OK) assert_int_equal(access(file("a/b/c"), F_OK), 0);
}

static void test_durable(void **state) {
  static const fail_case cases[] = {
      {"write", old_file, write_file, old_or_new},        {"read", old_file, read_file, read_all},
      {"hash", old_file, hash_file, hash_right},          {"remove", old_file, remove_file, removed},
      {"reserve", old_file, reserve_and_trim, still_old}, {"folder", no_folder, make_folder, is_folder}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fail_each(&cases[i], FAIL_IO, EIO);
    fail_each(&cases[i], FAIL_IO, ENOSPC);
  }
  fail_each(&cases[1], FAIL_MEMORY, ENOMEM);
  fail_each(&cases[2], FAIL_MEMORY, ENOMEM);
}

static void test_working_folder(void **state) {
  static const fail_case here = {"write, a name without a folder", old_file, write_here, old_or_new};
  char before[VW_PATH_BYTES];
  (void)state;
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(dir), 0);
  fail_each(&here, FAIL_IO, EIO);
  fail_each(&here, FAIL_IO, ENOSPC);
  assert_int_equal(chdir(before), 0);
}

/* An interrupted or short read or write goes on. */
static void test_interrupted(void **state) {
  static vw_status (*const run[])(void) = {write_file, read_file, hash_file};
  static void (*const check[])(vw_status) = {old_or_new, read_all, hash_right};
  (void)state;
  for (int i = 0; i < 6; i++) {
    old_file();
    fail_at(FAIL_TRANSFER, 1, i < 3 ? EINTR : 0, false);
    const vw_status st = run[i % 3]();
    assert_true(fail_off());
    assert_ok(st);
    check[i % 3](st);
  }
}

/* Where space cannot be promised what is free now decides; a folder that cannot be synced is no failure. */
static void test_file_systems(void **state) {
  (void)state;
  old_file();
  for (int too_much = 0; too_much < 2; too_much++) {
    fail_at(FAIL_IO, 2, EOPNOTSUPP, false); /* open, fallocate */
    const vw_status st = vw_file_reserve(file("f"), too_much ? INT64_C(1) << 60 : 1 << 16);
    assert_true(fail_off());
    assert_int_equal(st, too_much ? VW_ERR_IO : VW_OK);
  }
  assert_non_null(strstr(vw_error_message(), "make space and run again"));
  fail_at(FAIL_IO, 9, EINVAL, false); /* a name; open, lock, write, fsync, close; rename; open of the folder, fsync */
  vw_status st = write_file();
  assert_true(fail_off());
  for (int64_t nth = 9; st != VW_OK; nth++) { /* the place moves with the fault points of the build: none */
    assert_true(nth < 11);
    fail_at(FAIL_IO, nth, EINVAL, false);
    st = write_file();
    assert_true(fail_off());
  }
  old_or_new(VW_OK);
}

/* ---- block files and checkpoints ---- */

static float words[4] = {1, 2, 3, 4};
static const vw_keyvalue meta = {"steps", "300"};

static vw_safetensors_entry entry(void) {
  vw_safetensors_entry e = {"words", vw_shape(VW_F32, (int64_t)1, (int64_t)4)};
  e.tensor.data = words;
  return e;
}

static vw_safetensors *opened;
static int64_t sequence;

static void no_block(void) {
  (void)unlink(file("blocks/b/b.safetensors"));
}
static void a_block(void) {
  const vw_safetensors_entry e = entry();
  assert_ok(vw_block_file_write(dir, "b", &e, 1, &meta, 1));
}
static vw_status write_block(void) {
  const vw_safetensors_entry e = entry();
  return vw_block_file_write(dir, "b", &e, 1, &meta, 1);
}
/* Whole or not there; never a file that readers refuse. */
static void block_whole(vw_status st) {
  vw_tensor t;
  if (st != VW_OK && !vw_file_exists(file("blocks/b/b.safetensors"))) return;
  assert_ok(vw_block_file_open(dir, "b", &opened));
  assert_ok(vw_safetensors_find(opened, "words", &t));
  assert_int_equal(t.ndim, 2);
  assert_memory_equal(t.data, words, sizeof words);
  assert_string_equal(vw_safetensors_metadata(opened, "steps"), "300");
  vw_safetensors_close(opened), opened = NULL;
  assert_ok(vw_block_folder_open(dir)); /* what a failed unlink left */
}
static vw_status open_block(void) {
  return vw_block_file_open(dir, "b", &opened);
}
static void block_closed(vw_status st) {
  if (st != VW_OK) assert_null(opened);
  vw_safetensors_close(opened), opened = NULL;
}

static bool exists;
static vw_status look_for_block(void) {
  exists = vw_block_file_exists(dir, "b");
  return VW_OK;
}
static void nothing(vw_status st) {
  (void)st;
}

static void two_checkpoints(void) {
  const vw_safetensors_entry e = entry();
  assert_ok(vw_checkpoint_remove(dir, "c"));
  for (int64_t step = 10; step <= 20; step += 10) assert_ok(vw_checkpoint_write(dir, "c", step, &e, 1, NULL, 0));
}
static vw_status third_checkpoint(void) {
  const vw_safetensors_entry e = entry();
  return vw_checkpoint_write(dir, "c", 30, &e, 1, NULL, 0);
}
/* One of the two newest is there. Under failing reads both look damaged and either may be written over; but for that
 * it is never an older one than before. */
static void newest_is_there(vw_status st) {
  assert_ok(vw_checkpoint_open(dir, "c", &opened, &sequence));
  assert_true(sequence == 30 || (st != VW_OK && sequence == 20));
  vw_safetensors_close(opened), opened = NULL;
  assert_ok(vw_block_folder_open(dir));
}
static vw_status open_checkpoint(void) {
  return vw_checkpoint_open(dir, "c", &opened, &sequence);
}
static void found_newest(vw_status st) {
  if (st == VW_OK) assert_int_equal(sequence, 20);
  block_closed(st);
}
/* A disk that does not give one back: the other counts. */
static void found_one(vw_status st) {
  if (st == VW_OK) assert_true(sequence == 20 || sequence == 10 || (sequence == -1 && !opened));
  block_closed(st);
}
static vw_status remove_checkpoints(void) {
  return vw_checkpoint_remove(dir, "c");
}
static void none_if_ok(vw_status st) {
  if (st == VW_OK) assert_false(vw_file_exists(file("blocks/c/c.checkpoint.a")));
  if (st == VW_OK) assert_false(vw_file_exists(file("blocks/c/c.checkpoint.b")));
  assert_ok(vw_block_folder_open(dir));
}
static vw_status open_folder(void) {
  return vw_block_folder_open(dir);
}

static void test_blocks(void **state) {
  static const fail_case write_new = {"block, new", no_block, write_block, block_whole},
                         write_old = {"block, again", a_block, write_block, block_whole},
                         open = {"block, open", a_block, open_block, block_closed},
                         look = {"block, exists", a_block, look_for_block, nothing},
                         folder = {"block folder", no_block, open_folder, nothing};
  (void)state;
  for (int i = 0; i < 2; i++) {
    const fail_kind kind = i ? FAIL_IO : FAIL_MEMORY;
    fail_each(&write_new, kind, i ? ENOSPC : ENOMEM);
    fail_each(&write_old, kind, i ? EIO : ENOMEM);
    fail_each(&open, kind, i ? EIO : ENOMEM);
    fail_each(&look, kind, i ? EIO : ENOMEM);
  }
  assert_true(exists);
  fail_each(&folder, FAIL_IO, EIO);
}

static void test_checkpoints(void **state) {
  static const fail_case write = {"checkpoint", two_checkpoints, third_checkpoint, newest_is_there},
                         open = {"checkpoint, open", two_checkpoints, open_checkpoint, found_newest},
                         open_bad = {"checkpoint, open from a bad disk", two_checkpoints, open_checkpoint, found_one},
                         clear = {"checkpoint, remove", two_checkpoints, remove_checkpoints, none_if_ok};
  (void)state;
  fail_each(&write, FAIL_MEMORY, ENOMEM);
  fail_each(&open, FAIL_MEMORY, ENOMEM);
  fail_each(&write, FAIL_IO, ENOSPC);
  fail_each(&open_bad, FAIL_IO, EIO);
  fail_each(&clear, FAIL_IO, EIO);
}

/* ---- foreign safetensors and JSON ---- */

/* A header of 57 bytes: the floats behind it are not aligned and must be copied. */
static void unaligned(void) {
  static const char header[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}} ";
  char bytes[8 + sizeof header - 1 + 8] = {(char)(sizeof header - 1)};
  assert_int_not_equal(sizeof header % 4, 1);
  memcpy(bytes + 8, header, sizeof header - 1);
  memcpy(bytes + 8 + sizeof header - 1, words, 8);
  assert_ok(vw_file_write(file("foreign"), bytes, sizeof bytes));
}
static vw_status open_foreign(void) {
  return vw_safetensors_open(&opened, file("foreign"));
}
static void foreign_right(vw_status st) {
  vw_tensor t;
  if (st == VW_OK) assert_ok(vw_safetensors_find(opened, "w", &t));
  if (st == VW_OK) assert_memory_equal(t.data, words, 8);
  block_closed(st);
}

static json_t *object;
static void python_json(void) {
  put("config.json", "{\"a\": [1, 2, {\"b\": \"text\"}], \"eps\": Infinity}");
}
static vw_status read_json(void) {
  return vw_json_read(file("config.json"), &object);
}
static void json_right(vw_status st) {
  if (st == VW_OK) assert_int_equal(json_object_size(object), 2);
  if (st != VW_OK) assert_null(object);
  json_decref(object), object = NULL;
}

static void test_foreign(void **state) {
  static const fail_case tensors = {"safetensors", unaligned, open_foreign, foreign_right},
                         json = {"JSON", python_json, read_json, json_right};
  (void)state;
  fail_each(&tensors, FAIL_MEMORY, ENOMEM);
  fail_each(&tensors, FAIL_IO, EIO);
  fail_each(&json, FAIL_MEMORY, ENOMEM);
  fail_each(&json, FAIL_IO, EIO);
}

/* ---- manifest ---- */

/* MANIFEST.json vouches for the file and for another one; a new one lies beside. */
static void one_more(void) {
  (void)unlink(file("MANIFEST.json")), (void)unlink(file("other")), (void)unlink(file("f"));
  char from[VW_PATH_BYTES];
  put("new", "other");
  memcpy(from, path, sizeof from);
  assert_ok(vw_manifest_commit(from, file("other")));
  put("new", "old");
  assert_ok(vw_manifest_commit(from, file("f")));
  put("new", long_text);
}
static vw_status commit(void) {
  char from[VW_PATH_BYTES];
  VW_TRY(vw_path_format(from, "%s/new", dir));
  return vw_manifest_commit(from, file("f"));
}
/* At every moment the file in place is a recorded one, and the other file's record stays. */
static void both_vouched_for(vw_status st) {
  assert_ok(vw_manifest_verify(file("f")));
  assert_ok(vw_manifest_verify(file("other")));
  old_or_new(st);
}
static vw_status verify(void) {
  return vw_manifest_verify(file("f"));
}

static void test_manifest(void **state) {
  static const fail_case write = {"manifest", one_more, commit, both_vouched_for},
                         read = {"manifest, verify", NULL, verify, nothing};
  (void)state;
  fail_each(&write, FAIL_MEMORY, ENOMEM);
  fail_each(&write, FAIL_IO, EIO);
  fail_each(&read, FAIL_MEMORY, ENOMEM);
  fail_each(&read, FAIL_IO, EIO);
  put("MANIFEST.json", "{ damaged");
  assert_int_equal(verify(), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "viswords collect"));
  put("new", long_text);
  assert_ok(commit()); /* replaces it */
  assert_ok(verify());
}

/* ---- lock ---- */

static vw_lock lock;
static void no_lock(void) {
  (void)unlink(file(".lock"));
}
static void stale_lock(void) {
  char host[64] = "", text[128];
  assert_int_equal(gethostname(host, sizeof host - 1), 0);
  (void)snprintf(text, sizeof text, "host %s pid 1 born 1\n", host); /* process 1 was born at another time */
  put(".lock", text);
}
static vw_status take(void) {
  return vw_lock_take(&lock, dir, NULL);
}
/* Taken by us, or not. */
static void held_or_free(vw_status st) {
  char owner[VW_LOCK_OWNER_BYTES], self[32];
  if (st != VW_OK) assert_false(lock.held);
  if (lock.held) {
    assert_true(vw_lock_owner(dir, NULL, owner));
    (void)snprintf(self, sizeof self, "process %ld on ", (long)getpid());
    assert_non_null(strstr(owner, self));
  }
  vw_lock_release(&lock);
}

/* Refusing is right where the other process lives or /proc does not say. */
static vw_status take_or_be_refused(void) {
  const vw_status st = take();
  return st == VW_ERR_INPUT && strstr(vw_error_message(), "is working here") ? VW_OK : st;
}
static void never_taken(vw_status st) {
  (void)st;
  assert_false(lock.held);
  assert_true(vw_file_exists(file(".lock")));
}
static vw_status look(void) {
  char owner[VW_LOCK_OWNER_BYTES];
  (void)vw_lock_owner(dir, NULL, owner);
  return VW_OK;
}

/* A part beside the whole study's owner: a dead one's lock goes, a living one's is never lost. */
static vw_status take_part(void) {
  const vw_status st = vw_part_lock_take(&lock, dir, (vw_study_part){1, 2}, NULL);
  return st == VW_ERR_INPUT && strstr(vw_error_message(), "is working here") ? VW_OK : st; /* /proc does not say */
}
static void part_or_free(vw_status st) {
  if (st != VW_OK) assert_false(lock.held);
  if (lock.held) assert_true(vw_file_exists(file(".lock-part-1-of-2")) && !vw_file_exists(file(".lock")));
  vw_lock_release(&lock);
  (void)unlink(file(".lock-part-1-of-2"));
}
static vw_status part_or_be_refused(void) {
  return take_part();
}
static void whole_stays(vw_status st) {
  (void)st;
  assert_false(lock.held);
  assert_true(vw_file_exists(file(".lock")));
  (void)unlink(file(".lock-part-1-of-2"));
}
static vw_status write_parts(void) {
  return vw_parts_write(dir, 7);
}
static void no_parts(void) {
  (void)unlink(file("parts"));
}
static void seven_or_none(vw_status st) {
  int64_t n = 0;
  assert_ok(vw_parts_read(dir, &n));
  assert_true(n == 7 || (st != VW_OK && n == 0));
}

static void test_lock(void **state) {
  static const fail_case fresh = {"lock", no_lock, take, held_or_free},
                         stale = {"lock, stale", stale_lock, take_or_be_refused, held_or_free},
                         living = {"lock of the living", NULL, take_or_be_refused, never_taken},
                         owner = {"lock, owner", NULL, look, never_taken},
                         part = {"part's lock", stale_lock, take_part, part_or_free},
                         beside = {"part's lock beside the living", NULL, part_or_be_refused, whole_stays},
                         parts = {"parts", no_parts, write_parts, seven_or_none};
  (void)state;
  fail_each(&fresh, FAIL_IO, EIO);
  for (int i = 0; i < 2; i++) {
    fail_each(&stale, i ? FAIL_IO : FAIL_MEMORY, i ? EIO : ENOMEM);
  }
  fail_each(&part, FAIL_IO, EIO);
  fail_each(&parts, FAIL_IO, ENOSPC);
  no_lock();
  const pid_t child = fork();
  if (child == 0) {
    (void)alarm(300); /* not for ever, should the parent fail */
    if (vw_lock_take(&lock, dir, NULL) != VW_OK) _exit(1);
    for (;;) (void)pause();
  }
  assert_true(child > 0);
  while (!vw_file_exists(file(".lock"))) (void)usleep(1000);
  fail_each(&living, FAIL_IO, EIO);
  fail_each(&owner, FAIL_IO, EIO);
  fail_each(&beside, FAIL_IO, EIO);
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  no_lock();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_durable),      cmocka_unit_test(test_working_folder), cmocka_unit_test(test_interrupted),
      cmocka_unit_test(test_file_systems), cmocka_unit_test(test_blocks),         cmocka_unit_test(test_checkpoints),
      cmocka_unit_test(test_foreign),      cmocka_unit_test(test_manifest),       cmocka_unit_test(test_lock)};
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
