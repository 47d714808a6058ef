#include "kernels/algorithms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef VW_WITH_CUDA
/* Libraries whose choices are recorded; lines without a prefix are the first one's, as plans held them at first. */
static const vw_algorithm_library *const libraries[] = {&vw_cublaslt_algorithms, &vw_cudnn_algorithms};
enum { LIBRARIES = sizeof libraries / sizeof *libraries };

static bool chooses(const vw_context *ctx) {
  return ctx->backend == VW_CUDA;
}

/* Whose line it is; *line moves behind the prefix. */
static const vw_algorithm_library *library_of(char **line) {
  for (int i = 0; i < LIBRARIES; i++) {
    const size_t n = strlen(libraries[i]->name);
    if (strncmp(*line, libraries[i]->name, n) != 0 || (*line)[n] != ' ') continue;
    *line += n + 1;
    return libraries[i];
  }
  return libraries[0];
}

static vw_status obey_lines(vw_context *ctx, char *text) {
  int line = 0;
  for (int i = 0; i < LIBRARIES; i++) VW_TRY(libraries[i]->forget(ctx));
  for (char *at = text, *next = NULL; at && *at; at = next) {
    next = strchr(at, '\n');
    if (next) *next++ = 0;
    const vw_algorithm_library *library = library_of(&at);
    VW_TRY(library->obey(ctx, ++line, at));
  }
  return VW_OK;
}

static vw_status start_lines(vw_context *ctx, char *text) {
  for (char *at = text, *next = NULL; at && *at; at = next) {
    next = strchr(at, '\n');
    if (next) *next++ = 0;
    const vw_algorithm_library *library = library_of(&at);
    const vw_status st = library->start(ctx, at);
    if (st == VW_ERR_INPUT)
      vw_error_clear();
    else
      VW_TRY(st);
  }
  return VW_OK;
}

/* The lines of `text` behind the library's name. */
static void put_lines(FILE *out, const char *name, const char *text) {
  for (const char *at = text; *at;) {
    const size_t n = strcspn(at, "\n");
    (void)fprintf(out, "%s %.*s\n", name, (int)n, at);
    at += n + (at[n] != 0);
  }
}

static vw_status text_of(const vw_context *ctx, char **text) {
  size_t bytes = 0;
  FILE *out = open_memstream(text, &bytes);
  vw_status st = VW_OK;
  VW_CHECK(out, VW_ERR_MEMORY, "out of memory: the text of a plan");
  for (int i = 0; i < LIBRARIES && st == VW_OK; i++) {
    char *lines = NULL;
    st = libraries[i]->text(ctx, &lines);
    if (st == VW_OK) put_lines(out, libraries[i]->name, lines);
    free(lines);
  }
  const bool failed = ferror(out) != 0;
  if (fclose(out) != 0 || failed) st = vw_first(st, VW_RAISE(VW_ERR_MEMORY, "out of memory: the text of a plan"));
  if (st != VW_OK) free(*text), *text = NULL;
  return st;
}
#endif

void vw_algorithms_time(vw_context *ctx, bool on) {
#ifdef VW_WITH_CUDA
  for (int i = 0; i < LIBRARIES && chooses(ctx); i++) libraries[i]->time(ctx, on);
#else
  (void)ctx, (void)on;
#endif
}

vw_status vw_algorithms_text(const vw_context *ctx, char **text) {
  *text = NULL;
#ifdef VW_WITH_CUDA
  if (chooses(ctx)) return text_of(ctx, text);
#else
  (void)ctx;
#endif
  *text = calloc(1, 1);
  VW_CHECK(*text, VW_ERR_MEMORY, "out of memory: the text of a plan");
  return VW_OK;
}

vw_status vw_algorithms_obey(vw_context *ctx, const char *text) {
#ifdef VW_WITH_CUDA
  if (!chooses(ctx)) return VW_OK;
  char *copy = strdup(text ? text : "");
  VW_CHECK(copy, VW_ERR_MEMORY, "out of memory: the algorithms of a plan");
  const vw_status st = obey_lines(ctx, copy);
  free(copy);
  return st;
#else
  (void)ctx, (void)text;
  return VW_OK;
#endif
}

vw_status vw_algorithms_start(vw_context *ctx, const char *text) {
#ifdef VW_WITH_CUDA
  if (!chooses(ctx)) return VW_OK;
  char *copy = strdup(text);
  VW_CHECK(copy, VW_ERR_MEMORY, "out of memory: the algorithms of a device");
  const vw_status st = start_lines(ctx, copy);
  free(copy);
  return st;
#else
  (void)ctx, (void)text;
  return VW_OK;
#endif
}
