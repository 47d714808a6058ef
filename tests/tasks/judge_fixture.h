/* What tests of judging by drawing share: the embedded networks, a task that judges, words to be judged. */
#ifndef VW_TESTS_TASKS_JUDGE_FIXTURE_H
#define VW_TESTS_TASKS_JUDGE_FIXTURE_H
#include "tests/support/test.h"

#include "core/random.h"
#include "io/pictures/image.h"
#include "tasks/generation/drawn.h"
#include "tasks/generation/generation_draw.h"
#include "tasks/generation/generation_names.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  SIDE = 32,
  PIXELS = SIDE * SIDE * 3,
  WIDTH = 192,
  STEPS = 2,
  CONCEPTS = 2,
  KNOWN = 12,
  SEED = 7,
  FEATURE = 128,
  NUMBERS = VW_GENERATION_METRICS + FEATURE
};

static const char SENTENCE[] = "a photo of a {}";
static const char *const concepts[CONCEPTS] = {"fox", "pineapple"};
static const char *const known[KNOWN] = {"dog",   "hammer", "bread", "bus",    "bicycle", "apple",
                                         "piano", "car",    "train", "rocket", "tree",    "pineapple"};

typedef struct fixture {
  vw_context ctx;
  vw_sd_network *sd;
  vw_clip_network *clip;
  vw_data_config data;
  vw_model_config model;
  vw_picture_set *set;
  vw_generation task;
  char folder[64];
} fixture;

static inline void open_pictures(fixture *f) {
  static char root[1024];
  (void)snprintf(root, sizeof root, "%s", vw_test_path("../data/portraits"));
  f->data = (vw_data_config){.name = "portraits", .kind = VW_DATA_FOLDERS, .root = root, .train = 3, .test = 1};
  f->data.concepts = (vw_names){CONCEPTS, (const char **)(uintptr_t)concepts};
  assert_ok(vw_picture_set_open(&f->set, &f->data, SEED, VW_SEES_CROPS, NULL));
}

static inline int open_all(void **state) {
  fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  *state = f;
  assert_ok(vw_context_open(&f->ctx, VW_CPU, 2, 0));
  assert_ok(vw_sd_network_open(&f->sd, vw_test_path("../data/sd-tiny"), &f->ctx));
  assert_ok(vw_clip_network_open(&f->clip, vw_test_path("../data/judge-tiny"), &f->ctx));
  open_pictures(f);
  (void)snprintf(f->folder, sizeof f->folder, "/tmp/viswords-drawn-XXXXXX");
  assert_non_null(mkdtemp(f->folder));
  return 0;
}

static inline int close_all(void **state) {
  fixture *f = *state;
  char command[128];
  (void)snprintf(command, sizeof command, "rm -r '%s'", f->folder);
  assert_int_equal(system(command), 0);
  vw_picture_set_close(f->set);
  vw_clip_network_close(f->clip);
  vw_sd_network_close(f->sd);
  vw_context_close(&f->ctx);
  free(f);
  return 0;
}

/* A task that judges; its pictures go below `name`, NULL: nowhere. */
static inline void begin(fixture *f, const char *name) {
  static char folder[VW_PATH_BYTES];
  static const char *anchors[] = {"dog", "hammer"};
  static double deltas[] = {.5};
  f->model = (vw_model_config){.name = "sd"};
  f->model.learn.judge_template = SENTENCE;
  f->model.trials = (vw_trials_config){.anchors = {2, anchors}, .deltas = {1, deltas}};
  f->model.judge = (vw_judge_config){.names = {KNOWN, (const char **)(uintptr_t)known},
                                     .pictures = 2,
                                     .sampler = VW_SAMPLER_DPM_2M,
                                     .steps = STEPS,
                                     .guidance = 3};
  f->task = (vw_generation){.network = f->sd, .learn = &f->model.learn, .pictures = f->set, .side = SIDE};
  f->task.task.in = (vw_task_inputs){.network = &f->sd->net,
                                     .judge = &f->clip->net,
                                     .model = &f->model,
                                     .pictures = f->set,
                                     .concepts = CONCEPTS,
                                     .vectors = 1,
                                     .seed = SEED};
  if (!name) return;
  assert_ok(vw_subfolder_make(f->folder, name, folder));
  f->task.task.in.drawn = folder;
}

static inline void end(fixture *f) {
  vw_generation_judge_destroy(f->task.judging);
  f->task.judging = NULL;
}

static inline void vector_of(const fixture *f, const char *word, double *out) {
  int32_t id;
  assert_ok(vw_tokenizer_word(f->sd->net.text.tokenizer, word, &id));
  assert_ok(vw_text_word_vector(&f->sd->net.text, id, out));
}

/* The words of the tests: vectors of "fox"'s rivals and a text. */
enum { WORDS = 5 };
typedef struct words {
  double vector[WORDS * WIDTH];
  const char *texts[WORDS], *anchors[WORDS], *labels[WORDS];
} words;

static inline vw_judged words_of(const fixture *f, words *w, const char *concept) {
  static const char *const is[WORDS] = {"dog", "hammer", "tree", NULL, "rocket"};
  static const char *const labels[WORDS] = {"anchor-dog", "anchor-hammer", "random-word", "name",
                                            "random/../direction"};
  memset(w, 0, sizeof *w);
  for (int i = 0; i < WORDS; i++) {
    if (is[i]) vector_of(f, is[i], w->vector + (ptrdiff_t)i * WIDTH);
    w->labels[i] = labels[i];
  }
  w->anchors[0] = "dog", w->anchors[1] = w->anchors[4] = "hammer", w->texts[3] = concept;
  return (vw_judged){.concept = concept,
                     .n = WORDS,
                     .words = w->vector,
                     .texts = w->texts,
                     .anchors = w->anchors,
                     .labels = w->labels,
                     .are_baselines = true};
}

static inline int64_t drawn(const fixture *f) {
  return vw_generation_judge_drawn(f->task.judging);
}

/* Where the file of a word lies. */
static const char *file_of(const fixture *f, const char *concept, const char *label, int64_t picture) {
  static char path[VW_PATH_BYTES];
  char folder[VW_PATH_BYTES];
  assert_ok(vw_drawn_folder(&f->task.task.in, concept, false, folder));
  assert_ok(vw_drawn_picture(folder, label, picture, path));
  return path;
}

#endif
