/* What judging by drawn pictures costs is timed with the calls that judging makes: each kind of run has a time, and
 * nothing is left behind. How long they take is not tested: machines of tests are busy. */
#include "core/pulse.h"
#include "tests/support/test.h"

#include "tasks/generation/generation_draw.h"

#include "networks/clip.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 32 };

static const char SENTENCE[] = "a photo of a {}";
static const char *const concepts[] = {"fox", "pineapple"}, *const known[] = {"dog", "hammer"};

static int64_t files_below(const char *folder) {
  int64_t n = 0;
  DIR *d = opendir(folder);
  assert_non_null(d);
  for (const struct dirent *e; (e = readdir(d));) n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  closedir(d);
  return n;
}

static vw_model_config a_model(void) {
  vw_model_config m = {.name = "sd"};
  m.learn.judge_template = SENTENCE, m.learn.resolution = SIDE;
  m.judge = (vw_judge_config){.names = {2, (const char **)(uintptr_t)known},
                              .pictures = 8,
                              .sampler = VW_SAMPLER_DPM_2M,
                              .steps = 2, /* fewer than are timed */
                              .guidance = 3};
  return m;
}

static void each_piece_has_its_time(void **state) {
  (void)state;
  static char root[1024], cache[] = "/tmp/viswords-timed-XXXXXX";
  vw_context ctx;
  vw_sd_network *sd = NULL;
  vw_clip_network *clip = NULL;
  vw_model_config model = a_model();
  static const char *templates[] = {SENTENCE};
  model.learn.templates = (vw_names){1, templates};
  (void)snprintf(root, sizeof root, "%s", vw_test_path("../data/portraits"));
  const vw_data_config data = {.name = "portraits",
                               .kind = VW_DATA_FOLDERS,
                               .root = root,
                               .concepts = {2, (const char **)(uintptr_t)concepts},
                               .train = 3,
                               .test = 1};
  const vw_picture_set set = {.data = &data};
  assert_non_null(mkdtemp(cache));
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_ok(vw_sd_network_open(&sd, vw_test_path("../data/sd-tiny"), &ctx));
  assert_ok(vw_clip_network_open(&clip, vw_test_path("../data/judge-tiny"), &ctx));
  vw_task_inputs in = {.network = &sd->net,
                       .judge = &clip->net,
                       .model = &model,
                       .pictures = &set,
                       .concepts = 2,
                       .vectors = 1,
                       .seed = 7,
                       .cache = cache};
  const vw_task_kind *kind = &vw_generation_kind;
  double runs[VW_MOST_PIECES] = {0}, one = 0;
  assert_int_equal(kind->judge_pieces, VW_DRAWN_PIECES);
  assert_true(kind->skips_null); /* as vw_generation_judge_picture */
  for (int piece = 0; piece < kind->judge_pieces; piece++) {
    assert_ok(kind->part_runs(&in, VW_PART_JUDGE, piece, 7, &runs[piece]));
    assert_ok(kind->time_judge(&in, piece, 0.001, &one));
    assert_true(one > 0 && isfinite(one));
  }
  /* seven words: four, two and one at once, two steps of each of eight pictures */
  assert_true(runs[0] == 0 && runs[1] == 16 && runs[2] == 16 && runs[3] == 16 && runs[VW_DRAWN_PICTURE] == 56);
  model.plan.memory = 1; /* one word at once is all that fits */
  assert_ok(kind->time_judge(&in, 0, 0.001, &one));
  assert_true(one > 0 && isfinite(one));
  assert_int_equal(files_below(cache), 0);
  in.judge = NULL;
  assert_int_equal(kind->time_judge(&in, 0, 0.001, &one), VW_ERR_UNSUPPORTED);
  vw_error_clear();
  assert_int_equal(rmdir(cache), 0);
  vw_clip_network_close(clip);
  vw_sd_network_close(sd);
  vw_context_close(&ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_piece_has_its_time)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
