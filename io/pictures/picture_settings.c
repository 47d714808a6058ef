#include "io/pictures/picture_settings.h"

#include "io/json.h"

/* Ends an object: NULL where anything of it is missing. */
static char *dump(json_t *o) {
  char *text = o && !vw_json_starved() ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII) : NULL;
  json_decref(o);
  return text;
}

char *vw_picture_settings_text(const vw_picture_settings *s) {
  vw_json_watch();
  /* "chw": which of the noise's numbers goes where. Before there was this member they went height, width, channel. */
  json_t *o = json_pack("{s:o, s:o, s:f, s:s, s:I, s:s, s:I, s:I, s:I, s:s, s:s}", "text", vw_json_name(s->text),
                        "negative", vw_json_name(s->negative), "guidance", s->guidance, "sampler", s->sampler, "steps",
                        (json_int_t)s->steps, "spacing", s->spacing, "seed", (json_int_t)s->seed, "width",
                        (json_int_t)s->width, "height", (json_int_t)s->height, "weights", s->weights, "noise", "chw");
  if (o && s->word) (void)json_object_set_new(o, "word", vw_json_name(s->word));
  if (o && s->vector) (void)json_object_set_new(o, "vector", json_string(s->vector));
  if (o && s->data) (void)json_object_set_new(o, "data", vw_json_name(s->data));
  if (o && s->is_cut) (void)json_object_set_new(o, "text_layers", json_integer(s->layers));
  if (o && s->data) (void)json_object_set_new(o, "picture", json_integer(s->picture));
  return dump(o);
}

char *vw_picture_trial_text(const vw_picture_trial *t) {
  vw_json_watch();
  json_t *o =
      json_pack("{s:o, s:o, s:o, s:o, s:I}", "model", vw_json_name(t->model), "data", vw_json_name(t->data), "concept",
                vw_json_name(t->concept), "label", vw_json_name(t->label), "picture", (json_int_t)t->picture);
  if (o && t->anchor) (void)json_object_set_new(o, "anchor", vw_json_name(t->anchor));
  return dump(o);
}
