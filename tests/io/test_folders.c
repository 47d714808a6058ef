/* Class-per-folder data sets: their own split, the seeded one, limits, hashes, and what is refused. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "core/random.h"
#include "io/folders.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[] = "/tmp/vw-folders-XXXXXX";

static const char *in_root(const char *name) {
  static char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s/%s", root, name));
  return path;
}

static void put(const char *name) {
  char folder[VW_PATH_BYTES];
  assert_ok(vw_path_format(folder, "%s", in_root(name)));
  *strrchr(folder, '/') = 0;
  assert_ok(vw_folder_make(folder));
  assert_ok(vw_file_write(in_root(name), name, (int64_t)strlen(name)));
}

static int make_root(void **state) {
  (void)state;
  return !mkdtemp(root);
}

static int remove_root(void **state) {
  (void)state;
  char command[VW_PATH_BYTES];
  (void)snprintf(command, sizeof command, "rm -r '%s'", root);
  return system(command);
}

static int fresh(void **state) {
  return remove_root(state) != 0 || vw_folder_make(root) != VW_OK;
}

static void expect_paths(const vw_pictures *p, int64_t n, const char *const *names) {
  assert_int_equal(p->n, n);
  for (int64_t i = 0; i < n; i++) assert_string_equal(p->path[i], in_root(names[i]));
}

static void own_split(void **state) {
  (void)state;
  vw_folders f;
  vw_name_list all;
  put("train/fox/b.PNG"), put("train/fox/a.jpeg"), put("train/fox/B.jpg"), put("train/fox/notes.txt");
  put("train/fox/.hidden.jpg"), put("train/fox/folder.jpg/x"), put("test/fox/1.jpg");
  put("train/Zebra/1.jpg"), put("test/Zebra/1.jpg"), put("test/Zebra/2.jpg");
  assert_ok(vw_folders_classes(root, false, &all));
  assert_int_equal(all.n, 2);
  assert_string_equal(all.name[0], "Zebra"); /* bytewise: capitals first */
  vw_name_list_free(&all);
  assert_ok(vw_folders_open(&f, root, (const char *const[]){"fox", "Zebra"}, 2, &(vw_folders_options){.test = 1}));
  assert_string_equal(f.classes[0].name, "fox");
  expect_paths(&f.classes[0].train, 3, (const char *const[]){"train/fox/B.jpg", "train/fox/a.jpeg", "train/fox/b.PNG"});
  expect_paths(&f.classes[1].test, 1, (const char *const[]){"test/Zebra/1.jpg"});
  assert_null(f.classes[0].train.hash);
  assert_ok(vw_folders_hash(&f));
  const vw_hash h = vw_hash_bytes("train/fox/a.jpeg", 16);
  assert_true(f.classes[0].train.hash[1].lo == h.lo && f.classes[0].train.hash[1].hi == h.hi);
  assert_int_equal(unlink(f.classes[0].test.path[0]), 0);
  vw_folders_close(&f);
}

/* Sorted, disjoint, n + m of the 20, the same whenever asked, another with another seed, as the header's text says. */
static void seeded_split(void **state) {
  (void)state;
  vw_folders a, b, c;
  char name[40], key_text[8 * 3 + 64];
  const char *const fox[] = {"fox"};
  int order[20], used = 0;
  for (int i = 0; i < 20; i++) {
    (void)snprintf(name, sizeof name, "fox/%02d.jpg", i);
    put(name);
    order[i] = i;
  }
  put("train/1.jpg"), put("train/2.jpg"); /* a class that is called train, without a test beside it */
  assert_ok(vw_folders_open(&a, root, fox, 1, &(vw_folders_options){.train = 8, .test = 5, .seed = 2406}));
  assert_ok(vw_folders_open(&b, root, fox, 1, &(vw_folders_options){.train = 8, .test = 5, .seed = 2406}));
  assert_ok(vw_folders_open(&c, root, fox, 1, &(vw_folders_options){.train = 8, .test = 5, .seed = 2407}));
  assert_int_equal(a.classes[0].train.n, 8);
  assert_int_equal(a.classes[0].test.n, 5);
  /* the same by hand: key, shuffle, first eight */
  const char *const fields[] = {"viswords-split-1", "fox", "2406"};
  for (int i = 0; i < 3; i++) {
    const uint64_t length = strlen(fields[i]);
    memcpy(key_text + used, &length, 8), memcpy(key_text + used + 8, fields[i], length);
    used += 8 + (int)length;
  }
  const uint64_t key = vw_hash_bytes(key_text, (size_t)used).lo;
  for (int i = 19, k = 0; i > 0; i--, k++) {
    const int j = (int)(((uint64_t)vw_draw_u32(key, 0, VW_DRAW_SPLIT, (uint32_t)k) * (uint64_t)(i + 1)) >> 32);
    const int o = order[i];
    order[i] = order[j], order[j] = o;
  }
  for (int i = 0, at = 0; i < 20; i++) {
    bool train = false;
    for (int k = 0; k < 8; k++) train |= order[k] == i;
    if (!train) continue;
    (void)snprintf(name, sizeof name, "fox/%02d.jpg", i);
    assert_string_equal(a.classes[0].train.path[at++], in_root(name));
  }
  int other = 0;
  for (int i = 0; i < 8; i++) {
    assert_string_equal(a.classes[0].train.path[i], b.classes[0].train.path[i]);
    other += strcmp(a.classes[0].train.path[i], c.classes[0].train.path[i]) != 0;
    for (int k = 0; k < 5; k++) assert_string_not_equal(a.classes[0].train.path[i], a.classes[0].test.path[k]);
  }
  assert_true(other > 0);
  vw_folders_close(&a);
  vw_folders_close(&b);
  vw_folders_close(&c);
}

static void split_sizes(void **state) {
  (void)state;
  static const struct {
    int64_t limit_train, limit_test, train, test;
  } cases[] = {{0, 0, 4, 3},   {3, 0, 3, 4},   {0, 2, 5, 2},   {9, 0, 6, 1},  {0, 9, 1, 6},
               {20, 10, 4, 3}, {1, 100, 1, 6}, {100, 1, 6, 1}, {16, 16, 3, 4}};
  for (int i = 0; i < 7; i++)
    put((const char *const[]){"c/1.png", "c/2.png", "c/3.png", "c/4.png", "c/5.png", "c/6.png", "c/7.png"}[i]);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    vw_folders f;
    assert_ok(vw_folders_open(&f, root, (const char *const[]){"c"}, 1,
                              &(vw_folders_options){.train = cases[i].limit_train, .test = cases[i].limit_test}));
    assert_int_equal(f.classes[0].train.n, cases[i].train);
    assert_int_equal(f.classes[0].test.n, cases[i].test);
    vw_folders_close(&f);
  }
}

static void class_file(void **state) {
  (void)state;
  vw_name_list names;
  const char text[] = "\xef\xbb\xbf# known\n\n fox \r\nred panda\n#x\nzebra";
  assert_ok(vw_file_write(in_root("known.txt"), text, sizeof text - 1));
  assert_ok(vw_name_list_read(in_root("known.txt"), &names));
  assert_int_equal(names.n, 3);
  assert_string_equal(names.name[0], "fox");
  assert_string_equal(names.name[1], "red panda");
  assert_string_equal(names.name[2], "zebra");
  vw_name_list_free(&names);
  assert_ok(vw_file_write(in_root("known.txt"), "fox\nfox\n", 8));
  assert_int_equal(vw_name_list_read(in_root("known.txt"), &names), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "known.txt:2: 'fox' is listed twice"));
  assert_ok(vw_file_write(in_root("known.txt"),
                          "\xff\xfe"
                          "f\0o\0x\0",
                          8)); /* UTF-16 */
  assert_int_equal(vw_name_list_read(in_root("known.txt"), &names), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "known.txt: a 0 byte; expected UTF-8 text"));
  assert_ok(vw_file_write(in_root("known.txt"), "# none\n", 7));
  assert_int_equal(vw_name_list_read(in_root("known.txt"), &names), VW_ERR_INPUT);
  assert_int_equal(vw_name_list_read(in_root("absent.txt"), &names), VW_ERR_IO);
}

static void expect_refused(const char *name, vw_status code, const char *part) {
  vw_folders f;
  assert_int_equal(vw_folders_open(&f, root, &name, 1, &(vw_folders_options){.train = 4}), code);
  assert_null(f.classes);
  if (!strstr(vw_error_message(), part)) fail_msg("expected \"%s\" in: %s", part, vw_error_message());
}

/* Nothing is left out silently: pictures that are not read, and more of them than are wanted. */
static void what_is_left_out(void **state) {
  (void)state;
  vw_folders f;
  vw_name_list all;
  static const char *const fox[] = {"fox"};
  put("train/fox/1.jpg"), put("train/fox/2.jpg"), put("train/fox/3.JFIF"), put("train/fox/notes.txt");
  put("train/fox/.4.gif"), put("train/fox/5.WebP"), put("test/fox/1.jpg"), put("test/fox/2.gif"),
      put("test/fox/boxes.txt");
  assert_ok(vw_folders_open(&f, root, fox, 1, &(vw_folders_options){.train = 1}));
  assert_int_equal(f.classes[0].train_there, 3);
  assert_int_equal(f.classes[0].test_there, 1);
  assert_int_equal(f.unread.n, 2);
  assert_string_equal(f.unread.first, in_root("train/fox/3.JFIF"));
  vw_folders_close(&f);
  assert_int_equal(unlink(in_root("test/fox/1.jpg")), 0);
  expect_refused("fox", VW_ERR_INPUT, "or *.webp; 2.gif is none that viswords reads");
  /* an output directory among the classes is none of them */
  put("flat/fox/1.jpg"), put("flat/fox/2.jpg"), put("flat/out/plan.yaml"), put("flat/begun/.lock");
  assert_ok(vw_folders_classes(in_root("flat"), false, &all));
  assert_int_equal(all.n, 1);
  vw_name_list_free(&all);
}

static void refused(void **state) {
  (void)state;
  vw_folders f;
  vw_name_list all;
  assert_int_equal(vw_folders_classes(root, false, &all), VW_ERR_INPUT);
  put("zebra/1.jpg"), put("fox/x.txt");
  expect_refused("zerba", VW_ERR_INPUT, "no class 'zerba' among its 2 folders; did you mean 'zebra'?");
  expect_refused("elephant", VW_ERR_INPUT, "no class 'elephant' among its 2 folders");
  expect_refused("zebra", VW_ERR_INPUT, "class 'zebra' has 1 picture in");
  expect_refused("fox", VW_ERR_INPUT, "class 'fox' has 0 pictures in");
  put("train/fox/1.jpg"), put("train/zebra/1.jpg"), put("test/fox/readme.md");
  expect_refused("fox", VW_ERR_INPUT, "class 'fox' has no picture in");
  expect_refused("zebra", VW_ERR_INPUT, "test/zebra: no such folder");
  assert_int_equal(vw_folders_open(&f, in_root("nowhere"), (const char *const[]){"x"}, 1, &(vw_folders_options){0}),
                   VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "/nowhere"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(own_split, fresh),        cmocka_unit_test_setup(seeded_split, fresh),
      cmocka_unit_test_setup(split_sizes, fresh),      cmocka_unit_test_setup(class_file, fresh),
      cmocka_unit_test_setup(what_is_left_out, fresh), cmocka_unit_test_setup(refused, fresh),
  };
  return cmocka_run_group_tests(tests, make_root, remove_root);
}
