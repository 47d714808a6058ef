#include "study/config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const vw_study_place *vw_study_find_place(const vw_study_config *c, const char *key, int64_t item) {
  const vw_study_place *whole = NULL;
  for (int64_t i = 0; i < c->n_places; i++) {
    if (strcmp(c->places[i].key, key) != 0) continue;
    if (c->places[i].item == item) return &c->places[i];
    if (c->places[i].item < 0 && !whole) whole = &c->places[i];
  }
  return whole;
}

const char *vw_study_key_of(const vw_study_config *c, int64_t model, const char *key, char own[VW_STUDY_KEY]) {
  (void)snprintf(own, VW_STUDY_KEY, "models.%s.%s", c->models[model].name, key);
  return vw_study_find_place(c, own, -1) ? own : key;
}

vw_status vw_study_keep(const vw_study_config *c, vw_problems *problems, const char *key, int64_t item, bool warning,
                        vw_status st) {
  const vw_study_place *at = st == VW_OK ? NULL : vw_study_find_place(c, key, item);
  if (at)
    st = VW_RAISE(st, "%s:%" PRId64 ":%" PRId64 ": %s: %s", c->path, at->line, at->column, key, vw_error_message());
  else if (st != VW_OK)
    st = VW_RAISE(st, "%s: %s: %s", c->path, key, vw_error_message());
  return (warning ? vw_problems_warn : vw_problems_keep)(problems, st, at ? at->line : 0, at ? at->column : 0);
}

void vw_study_config_destroy(vw_study_config *config) {
  if (!config) return;
  vw_pool_fini(&config->pool);
  free(config->places);
  free(config);
}

bool vw_study_learns_on(const vw_study_config *c, int64_t model, int64_t data) {
  return c->models[model].learns_on[data];
}

const vw_data_config *vw_study_data_of(const vw_study_config *c, int64_t model, int64_t data) {
  return &c->models[model].on[data];
}

bool vw_study_has_stage(const vw_study_config *config, const char *stage) {
  for (int64_t i = 0; i < config->stages.n; i++)
    if (strcmp(config->stages.name[i], stage) == 0) return true;
  return false;
}

vw_status vw_template_fill(const char *text_template, const char *word, char *out, size_t bytes) {
  const char *hole = strstr(text_template, "{}");
  VW_CHECK(hole, VW_ERR_ARG, "template '%s' has no {}", text_template);
  const int n = snprintf(out, bytes, "%.*s%s%s", (int)(hole - text_template), text_template, word, hole + 2);
  VW_CHECK(n >= 0 && (size_t)n < bytes, VW_ERR_ARG, "template '%s' with '%s' is longer than %zu bytes", text_template,
           word, bytes);
  return VW_OK;
}

vw_status vw_class_text(const char *text_template, const char *name, char *out, size_t bytes) {
  VW_TRY(vw_template_fill(text_template, name, out, bytes));
  for (char *p = out; *p; p++)
    if (*p == '_') *p = ' '; /* folders are named so */
  return VW_OK;
}
