#include "tasks/generation/drawn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NAME = VW_DRAWN_NAME, KEPT = 64, HASH_DIGITS = 12 };

void vw_drawn_trial(const vw_trial *t, char label[VW_DRAWN_LABEL]) {
  char delta[VW_DELTA_TEXT];
  vw_delta_text(t->delta, delta);
  (void)snprintf(label, VW_DRAWN_LABEL, "%s-%s-r%" PRId64, t->anchor, delta, t->replica);
}

void vw_drawn_baseline(const char *kind, const char *anchor, const char *delta, char label[VW_DRAWN_LABEL]) {
  const bool is_anchor = strcmp(kind, "anchor") == 0; /* its delta, 0, says nothing */
  (void)snprintf(label, VW_DRAWN_LABEL, "%s%s%s%s%s", kind, anchor[0] ? "-" : "", anchor,
                 delta[0] && !is_anchor ? "-" : "", is_anchor ? "" : delta);
  for (char *p = label; p < label + strlen(kind); p++)
    if (*p == '_') *p = '-';
}

void vw_drawn_carried(const char *from, const char *data, const char *own, char label[VW_DRAWN_LABEL]) {
  enum { SHOWN = 60 }; /* of each part: all of them fit */
  (void)snprintf(label, VW_DRAWN_LABEL, "from-%.*s-%.*s%s%.*s", SHOWN, from, SHOWN / 2, data, data[0] ? "-" : "", SHOWN,
                 own);
}

static bool is_tame(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

void vw_drawn_tame(const char *name, bool odd, char out[NAME]) {
  char hash[VW_HASH_TEXT];
  size_t n = 0;
  bool changed = odd || !name[0] || name[0] == '.';
  for (const char *p = name; *p && n < KEPT; p++) {
    const bool stays = is_tame(*p) && !(p == name && *p == '.');
    changed |= !stays;
    if (stays || !n || out[n - 1] != '-') out[n++] = stays ? *p : '-';
  }
  out[n] = 0;
  changed |= strlen(name) != n;
  if (!changed) return;
  vw_hash_text(vw_hash_bytes(name, strlen(name)), hash);
  (void)snprintf(out + n, NAME - n, "%s%.*s", n ? "-" : "", HASH_DIGITS, hash);
}

/* "sd-portraits". A model's name that has "-" itself gets a hash, or "a-b" on "c" and "a" on "b-c" would be one. */
static void pair_of(const char *of_model, const char *of_data, char out[2 * NAME]) {
  char model[NAME], data[NAME];
  vw_drawn_tame(of_model, strchr(of_model, '-') != NULL, model);
  vw_drawn_tame(of_data, false, data);
  (void)snprintf(out, 2 * (size_t)NAME, "%s-%s", model, data);
}

static void pair_name(const vw_task_inputs *in, char out[2 * NAME]) {
  pair_of(in->model->name, in->pictures->data->name, out);
}

vw_status vw_drawn_folder_of(const char *drawn, const char *model, const char *data, const char *concept,
                             char path[VW_PATH_BYTES]) {
  char pair[2 * NAME], name[NAME];
  pair_of(model, data, pair);
  vw_drawn_tame(concept, false, name);
  return vw_path_format(path, "%s/%s/%s", drawn, pair, name);
}

vw_status vw_drawn_folder(const vw_task_inputs *in, const char *concept, bool make, char path[VW_PATH_BYTES]) {
  char pair[2 * NAME], name[NAME], above[VW_PATH_BYTES];
  if (!make) return vw_drawn_folder_of(in->drawn, in->model->name, in->pictures->data->name, concept, path);
  pair_name(in, pair);
  vw_drawn_tame(concept, false, name);
  VW_TRY(vw_subfolder_make(in->drawn, pair, above));
  return vw_subfolder_make(above, name, path);
}

vw_status vw_drawn_samples(const vw_task_inputs *in, const char *concept, bool make, char path[VW_PATH_BYTES]) {
  char folder[VW_PATH_BYTES];
  VW_TRY(vw_drawn_folder(in, concept, make, folder));
  return make ? vw_subfolder_make(folder, "watch", path) : vw_path_format(path, "%s/watch", folder);
}

vw_status vw_drawn_picture(const char *folder, const char *label, int64_t i, char path[VW_PATH_BYTES]) {
  char name[NAME];
  vw_drawn_tame(label, false, name);
  return vw_path_format(path, "%s/%s-%" PRId64 ".png", folder, name, i);
}

vw_status vw_drawn_sheet(const char *folder, char path[VW_PATH_BYTES]) {
  return vw_path_format(path, "%s.png", folder);
}

static bool is_picture(const char *name) {
  const size_t n = strlen(name);
  return n > 4 && strcmp(name + n - 4, ".png") == 0;
}

void vw_drawn_sweep(const vw_task_inputs *in) {
  const vw_names *concepts = &in->pictures->data->concepts;
  char path[VW_PATH_BYTES], pair[2 * NAME];
  pair_name(in, pair);
  if (vw_path_format(path, "%s/%s", in->drawn, pair) == VW_OK) vw_folder_sweep(path, is_picture, 0);
  for (int64_t k = 0; k < concepts->n; k++) {
    if (vw_drawn_folder(in, concepts->name[k], false, path) == VW_OK) vw_folder_sweep(path, is_picture, 0);
    if (vw_drawn_samples(in, concepts->name[k], false, path) == VW_OK) vw_folder_sweep(path, is_picture, 0);
  }
}
