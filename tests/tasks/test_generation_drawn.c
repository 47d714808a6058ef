/* Drawing the words of a judgement: bits that depend on no batch, stops between passes, what is drawn once or not at all,
 * and the files that are kept. */
#include "tests/tasks/judge_fixture.h"

#include "core/pulse.h"

#include <math.h>

/* The same bits alone, among others, at another place. */
static void a_picture_does_not_depend_on_its_batch(void **state) {
  fixture *f = *state;
  words w;
  uint8_t all[WORDS][PIXELS], alone[PIXELS], *at[WORDS], *one[] = {alone};
  const int64_t rows[WORDS] = {4, 0, 1, 3, 2};
  vw_word_drawer *d = NULL;
  begin(f, NULL);
  const vw_judged judged = words_of(f, &w, "fox");
  for (int i = 0; i < WORDS; i++) at[i] = all[i];
  assert_ok(vw_word_drawer_create(&d, &f->task));
  assert_true(vw_word_drawer_most(d) >= WORDS);
  assert_ok(vw_word_drawer_run(d, &judged, rows, WORDS, 0, at));
  for (int i = 0; i < WORDS; i++) {
    assert_ok(vw_word_drawer_run(d, &judged, &rows[i], 1, 0, one));
    assert_memory_equal(alone, all[i], PIXELS);
  }
  assert_memory_not_equal(all[0], all[1], PIXELS);
  assert_int_equal(vw_word_drawer_count(d), 2 * WORDS);
  vw_word_drawer_destroy(d);
}

typedef struct asking {
  int64_t asked, most; /* times; it is to stop at the last */
  uint64_t then;       /* what had been computed when it was to stop */
} asking;

static bool stop_at(void *user) {
  asking *a = user;
  vw_pulse_state now;
  vw_pulse_read(&now);
  a->then = now.count;
  return ++a->asked == a->most;
}

/* Asked between all passes of all networks; once it is to stop nothing runs any more, and only whole pictures are kept. */
static void a_stop_costs_one_pass(void **state) {
  fixture *f = *state;
  words w;
  double numbers[WORDS * NUMBERS], whole[WORDS * NUMBERS];
  vw_pulse_state now;
  begin(f, "whole");
  vw_judged judged = words_of(f, &w, "fox");
  judged.are_baselines = false;
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, whole));
  end(f);
  begin(f, "stopped");
  judged = words_of(f, &w, "fox");
  judged.are_baselines = false;
  const int64_t passes = 2 * f->model.judge.steps + 2 * WORDS; /* of two batches; decoding and looking at each */
  for (int64_t n = 1;; n++) {
    asking a = {.most = n};
    vw_judge_watch watch = {.user = &a, .stop = stop_at};
    judged.watch = &watch;
    assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers));
    if (!watch.stopped) break;
    vw_pulse_read(&now);
    assert_int_equal(now.count, a.then);
    assert_int_equal(a.asked, n);
    if (n > 1 && n <= f->model.judge.steps) assert_int_not_equal(access(file_of(f, "fox", "anchor-dog", 0), F_OK), 0);
    assert_true(n < 3 * passes);
    if (n == 1) n = passes / 2; /* the beginning is the same each time */
  }
  for (int64_t i = 0; i < (int64_t)WORDS * NUMBERS; i++) assert_true(numbers[i] == whole[i]);
  end(f);
}

/* Untouched anchors are drawn for the first concept alone, and each concept has its files. */
static void anchors_are_drawn_once(void **state) {
  fixture *f = *state;
  words w;
  double first[WORDS * NUMBERS], again[WORDS * NUMBERS];
  begin(f, "once");
  vw_judged judged = words_of(f, &w, "pineapple");
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, first));
  assert_int_equal(drawn(f), WORDS);
  judged = words_of(f, &w, "fox"); /* another name; all other words are those of before */
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, again));
  assert_int_equal(drawn(f), WORDS + 1);
  for (int i = 0; i < WORDS; i++) assert_int_equal(access(file_of(f, "fox", w.labels[i], 0), F_OK), 0);
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 1, again)); /* another picture */
  assert_int_equal(drawn(f), 2 * WORDS + 1);
  vw_drawn_sweep(&f->task.task.in);
  assert_int_equal(access(file_of(f, "fox", "name", 1), F_OK), 0);
  end(f);
}

/* What is there, drawn just so, is not drawn again: not by a run that goes on, nor for another judge. */
static void files_are_found_again(void **state) {
  fixture *f = *state;
  words w;
  double first[WORDS * NUMBERS], again[WORDS * NUMBERS];
  begin(f, "again");
  vw_judged judged = words_of(f, &w, "pineapple");
  judged.are_baselines = false; /* nothing is kept in memory */
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, first));
  end(f);
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, again));
  assert_int_equal(drawn(f), 0);
  assert_memory_equal(first, again, sizeof first);
  assert_int_equal(truncate(file_of(f, "pineapple", "name", 0), 900), 0); /* damaged */
  assert_int_equal(unlink(file_of(f, "pineapple", "anchor-dog", 0)), 0);
  w.vector[2 * WIDTH] += 1e-9; /* another word of the same label */
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, again));
  assert_int_equal(drawn(f), 3);
  assert_memory_equal(first + 3 * NUMBERS, again + 3 * NUMBERS, NUMBERS * sizeof(double));
  end(f);
  f->model.judge.guidance = 2.5;
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, again));
  assert_int_equal(drawn(f), WORDS);
  end(f);
}

/* Null concepts, words of failed trials, names that the network does not know: no picture and no number. */
static void nothing_is_drawn_for_nothing(void **state) {
  fixture *f = *state;
  words w;
  double numbers[WORDS * NUMBERS], metrics[WORDS * VW_GENERATION_METRICS];
  begin(f, "nothing");
  vw_judged judged = words_of(f, &w, "fox");
  judged.null_concept = true, judged.concept = "null-0";
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers));
  assert_null(f->task.judging);
  for (int i = 0; i < WORDS * NUMBERS; i++) assert_true(isnan(numbers[i]));
  judged = words_of(f, &w, "fox");
  judged.n = 4;
  w.vector[WIDTH + 3] = NAN, w.labels[3] = NULL;
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers));
  assert_int_equal(drawn(f), 2);
  f->model.judge.pictures = 1;
  assert_ok(vw_generation_judge_end(&f->task.task, &judged, numbers, metrics));
  for (int i = 0; i < 4 * VW_GENERATION_METRICS; i++)
    assert_int_equal(isnan(metrics[i]), i / VW_GENERATION_METRICS % 2 == 1);
  end(f);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void names_of_files_are_tame(void **state) {
  fixture *f = *state;
  char path[VW_PATH_BYTES], other[VW_PATH_BYTES], label[VW_DRAWN_LABEL];
  begin(f, "tame");
  const vw_task_inputs *in = &f->task.task.in;
  const size_t n = strlen(in->drawn);
  assert_ok(vw_drawn_folder(in, "fox", false, path));
  assert_string_equal(path + n, "/sd-portraits/fox");
  assert_ok(vw_drawn_picture("x", "dog-0.25-r0", 3, path));
  assert_string_equal(path, "x/dog-0.25-r0-3.png");
  static const char *const wild[] = {
      "../up", ".hidden",      "a/b",
      "a b",   "a-b",          "a\nb",
      "",      "\xe7\x8c\xab", "a name that is far too long for a folder whose name people are to read on a screen"};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    assert_ok(vw_drawn_folder(in, wild[i], true, path));
    const char *name = strrchr(path, '/') + 1;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(name) || name[0] == '.' || strlen(name) > 90 ||
        !name[0])
      fail_msg("'%s' became '%s'", wild[i], name);
    for (size_t k = 0; k < i; k++) {
      assert_ok(vw_drawn_folder(in, wild[k], false, other));
      assert_string_not_equal(path, other);
    }
  }
  /* "a-b" on "c" and "a" on "b-c" */
  f->model.name = "a-b", f->data.name = "c";
  assert_ok(vw_drawn_folder(in, "fox", false, path));
  f->model.name = "a", f->data.name = "b-c";
  assert_ok(vw_drawn_folder(in, "fox", false, other));
  f->data.name = "portraits";
  assert_string_not_equal(path, other);
  vw_drawn_baseline("random_direction", "dog", "0.5", label);
  assert_string_equal(label, "random-direction-dog-0.5");
  vw_drawn_baseline("anchor", "dog", "0", label);
  assert_string_equal(label, "anchor-dog");
  vw_drawn_baseline("name", "", "", label);
  assert_string_equal(label, "name");
  const vw_trial t = {.anchor = "dog", .delta = INFINITY, .replica = 2};
  vw_drawn_trial(&t, label);
  assert_string_equal(label, "dog-free-r2");
}

/* A row an anchor, four columns; grey where there is nothing. */
static void a_sheet_shows_what_is_there(void **state) {
  fixture *f = *state;
  words w;
  double numbers[WORDS * NUMBERS];
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES];
  vw_image image = {0};
  begin(f, "sheet");
  vw_judged judged = words_of(f, &w, "fox");
  judged.n = 1;                                            /* anchor-dog */
  assert_ok(vw_generation_sheet(&f->task.task.in, "fox")); /* nothing is there: no sheet */
  assert_ok(vw_drawn_folder(&f->task.task.in, "fox", false, folder));
  assert_ok(vw_drawn_sheet(folder, path));
  assert_int_equal(access(path, F_OK), -1);
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers));
  assert_ok(vw_generation_sheet(&f->task.task.in, "fox"));
  assert_ok(vw_image_read(path, 0, &image));
  assert_int_equal(image.width, 4 + 3 * 132);
  assert_int_equal(image.height, 4 + 2 * 168);
  int64_t grey[2][3] = {{0}};
  for (int row = 0; row < 2; row++)
    for (int column = 0; column < 3; column++)
      for (int y = 0; y < 128; y++) {
        const uint8_t *p = image.rgb + ((40 + row * 168 + y) * image.width + 4 + column * 132 + 64) * 3;
        grey[row][column] += p[0] == 200 && p[1] == 200 && p[2] == 200;
      }
  assert_true(grey[0][0] < 64 && grey[1][0] < 64); /* training pictures */
  assert_true(grey[0][1] < 64);                    /* the untouched "dog" */
  assert_true(grey[0][2] == 128 && grey[1][1] == 128 && grey[1][2] == 128);
  vw_image_free(&image);
  f->task.task.in.drawn = NULL;
  assert_ok(vw_generation_sheet(&f->task.task.in, "fox"));
  end(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_picture_does_not_depend_on_its_batch),
      cmocka_unit_test(a_stop_costs_one_pass),
      cmocka_unit_test(anchors_are_drawn_once),
      cmocka_unit_test(files_are_found_again),
      cmocka_unit_test(nothing_is_drawn_for_nothing),
      cmocka_unit_test(names_of_files_are_tame),
      cmocka_unit_test(a_sheet_shows_what_is_there),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
