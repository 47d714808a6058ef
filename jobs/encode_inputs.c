#include "jobs/encode.h"

#include "core/durable.h"
#include "core/foreign.h"
#include "core/text.h"
#include "study/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void vw_encode_inputs_free(vw_encode_inputs *in) {
  free((void *)in->texts.text), free((void *)in->pictures.text);
  vw_word_list_free(&in->words);
  vw_pool_fini(&in->pool);
}

static vw_status add(vw_encode_inputs *in, vw_text_list *list, const char *text) {
  if (list->n == list->room) {
    const int64_t room = list->room ? 2 * list->room : 16;
    const char **more = realloc((void *)list->text, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "encode: out of memory");
    list->text = more, list->room = room;
  }
  char *copy = vw_pool_text(&in->pool, text, -1);
  VW_CHECK(copy, VW_ERR_MEMORY, "encode: out of memory");
  list->text[list->n++] = copy;
  return VW_OK;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

static vw_status add_text(vw_encode_inputs *in, const char *text, bool fill) {
  char filled[1024];
  if (!fill) return add(in, &in->texts, text);
  VW_TRY(vw_template_fill(in->word_template, text, filled, sizeof filled));
  return add(in, &in->texts, filled);
}

static vw_status add_lines(vw_encode_inputs *in, FILE *file, const char *path, bool fill) {
  char *line = NULL;
  size_t room = 0;
  ssize_t n;
  int64_t empty = 0;
  vw_status st = VW_OK;
  for (int64_t number = 1; st == VW_OK && (errno = 0, n = getline(&line, &room, file)) >= 0; number++) {
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = 0;
    const size_t mark =
        number == 1 && n >= 3 && !memcmp(line, "\xef\xbb\xbf", 3) ? 3 : 0; /* what some editors put first */
    n -= (ssize_t)mark;
    if (strlen(line + mark) != (size_t)n)
      st = VW_RAISE(VW_ERR_INPUT, "%s:%" PRId64 ": a 0 byte; expected UTF-8 text, one a line", path, number);
    else if (n > 0)
      st = add_text(in, line + mark, fill);
    else
      empty++;
  }
  if (st == VW_OK && errno) st = VW_RAISE(VW_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
  free(line);
  if (st == VW_OK && empty) /* rows of the features are then not the file's lines */
    (void)vw_print(stderr, "%s: %" PRId64 " empty line%s left out\n", path, empty, empty == 1 ? " is" : "s are");
  return st;
}

vw_status vw_encode_add_texts(vw_encode_inputs *in, const vw_option_list *texts, const vw_option_list *files,
                              bool fill) {
  for (int64_t i = 0; i < texts->n; i++) VW_TRY(add_text(in, texts->text[i], fill));
  for (int64_t i = 0; i < files->n; i++) {
    const char *path = files->text[i];
    const bool standard = !strcmp(path, "-");
    int fd = -1;
    if (!standard) VW_TRY(vw_foreign_open(path, &fd, NULL));
    FILE *file = standard ? stdin : fdopen(fd, "r");
    if (!file) (void)close(fd);
    VW_CHECK(file, VW_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    const vw_status st = add_lines(in, file, standard ? "standard input" : path, fill);
    if (!standard) (void)fclose(file);
    VW_TRY(st);
  }
  return VW_OK;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* `count` words from `first` on, of as many vectors each. */
static vw_status encode_run(const vw_word_list *words, int64_t first, int64_t count, const char *sentence,
                            vw_clip_network *n, char *features) {
  const int64_t one = words->word[first].from.vectors * n->net.width;
  vw_prompts p = {0};
  double *x = malloc((size_t)(count * one) * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "out of memory for %" PRId64 " words", count);
  for (int64_t i = 0; i < count; i++) memcpy(x + i * one, words->word[first + i].x, (size_t)one * sizeof *x);
  vw_status st = vw_prompts_create(&p, &n->net, &sentence, 1, words->word[first].from.vectors);
  if (st == VW_OK) st = vw_clip_encode_words(n, &p, 0, x, count, features);
  vw_prompts_free(&p);
  free(x);
  return st;
}

vw_status vw_encode_words(const vw_word_list *words, const char *sentence, vw_clip_network *n, void *features) {
  VW_TRY(vw_word_list_check_network(words, 0, &n->net, VW_WORDS_WAY_OUT));
  for (int64_t first = 0, end; first < words->n; first = end) {
    for (end = first + 1; end < words->n && words->word[end].from.vectors == words->word[first].from.vectors;) end++;
    VW_TRY(encode_run(words, first, end - first, sentence, n,
                      (char *)features + (size_t)first * vw_clip_feature_bytes(n)));
  }
  return VW_OK;
}

vw_status vw_encode_candidates(const vw_encode_inputs *in, vw_clip_network *n, void *features) {
  const size_t one = vw_clip_feature_bytes(n);
  char text[1024];
  for (int64_t i = 0; i < in->texts.n; i++) {
    const char *filled = text;
    VW_TRY(vw_class_text(in->word_template, in->texts.text[i], text, sizeof text));
    VW_TRY(vw_clip_encode_text(n, &filled, 1, (char *)features + (size_t)i * one));
  }
  return vw_encode_words(&in->words, in->word_template, n, (char *)features + (size_t)in->texts.n * one);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static bool is_directory(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

vw_status vw_encode_add_pictures(vw_encode_inputs *in, const char *path) {
  vw_name_list files;
  struct stat info;
  if (vw_file_exists(path)) return add(in, &in->pictures, path);
  if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode))
    return VW_RAISE(VW_ERR_INPUT, "%s: %s; expected a picture or a folder", path, vw_file_kind(info.st_mode));
  VW_CHECK(is_directory(path), VW_ERR_INPUT, "%s: no such picture or folder", path);
  VW_TRY(vw_folders_pictures(path, &files));
  vw_status st = VW_OK;
  for (int64_t i = 0; st == VW_OK && i < files.n; i++) st = add(in, &in->pictures, files.name[i]);
  vw_name_list_free(&files);
  return st;
}

vw_status vw_encode_look(const char *command, const char *exif, const char *alpha, unsigned *look) {
  const bool turned = !strcmp(exif, "turn"), white = !strcmp(alpha, "white");
  VW_CHECK(turned || !strcmp(exif, "ignore"), VW_ERR_ARG, "%s: --exif '%s': choose ignore or turn", command, exif);
  VW_CHECK(white || !strcmp(alpha, "drop"), VW_ERR_ARG, "%s: --alpha '%s': choose drop or white", command, alpha);
  *look = (turned ? VW_IMAGE_TURNED : 0U) | (white ? VW_IMAGE_ON_WHITE : 0U);
  return VW_OK;
}
