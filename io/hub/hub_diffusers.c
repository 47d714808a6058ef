#include "io/hub/hub_diffusers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/durable.h"
#include "io/hub/hub_diffusers_internal.h"
#include "io/hub/hub_text.h"

static const struct {
  const char *name;
  vw_hub_weights_names weights;
} components[VW_HUB_COMPONENTS] = {
    [VW_HUB_TEXT_ENCODER] = {"text_encoder", {"model", "pytorch_model", "transformers", "CLIPTextModel"}},
    [VW_HUB_UNET] = {"unet",
                     {"diffusion_pytorch_model", "diffusion_pytorch_model", "diffusers", "UNet2DConditionModel"}},
    [VW_HUB_VAE] = {"vae", {"diffusion_pytorch_model", "diffusion_pytorch_model", "diffusers", "AutoencoderKL"}},
};

const char *vw_hub_component_name(int component) {
  return components[component].name;
}

/* ---- configurations ---- */

/* What model_index.json says of a component: [library, class]. Schedulers' classes are checked where they are read. */
static vw_status check_component(const char *path, const json_t *index, const char *key, const char *const *classes) {
  const json_t *v = json_object_get(index, key);
  const char *name = json_string_value(json_array_get(v, 1));
  VW_CHECK(name, VW_ERR_INPUT,
           "%s: %s is missing; a Stable Diffusion has tokenizer, text_encoder, unet, vae and scheduler: download the "
           "whole directory",
           path, key);
  for (; *classes; classes++)
    if (!strcmp(name, *classes)) return VW_OK;
  return VW_RAISE(VW_ERR_UNSUPPORTED, "%s: %s is a %s, viswords knows %s alone", path, key, name, classes[-1]);
}

static vw_status check_index(const char *path, const json_t *index) {
  static const char *const text[] = {"CLIPTextModel", NULL}, *const unet[] = {"UNet2DConditionModel", NULL},
                           *const vae[] = {"AutoencoderKL", NULL},
                           *const tokenizer[] = {"CLIPTokenizerFast", "CLIPTokenizer", NULL};
  const char *name;
  VW_TRY(vw_json_text(path, "", index, "_class_name", "", &name));
  VW_CHECK(!strcmp(name, "StableDiffusionPipeline"), VW_ERR_UNSUPPORTED,
           "%s: _class_name is '%s', expected StableDiffusionPipeline (Stable Diffusion 1 and 2; not XL, 3 or "
           "inpainting)",
           path, name);
  VW_CHECK(json_is_null(json_object_get(index, "text_encoder_2")) || !json_object_get(index, "text_encoder_2"),
           VW_ERR_UNSUPPORTED, "%s: text_encoder_2: a second text encoder is Stable Diffusion XL's", path);
  VW_TRY(check_component(path, index, "text_encoder", text));
  VW_TRY(check_component(path, index, "tokenizer", tokenizer));
  VW_TRY(check_component(path, index, "unet", unet));
  return check_component(path, index, "vae", vae);
}

typedef enum config_kind { INDEX, TEXT, UNET, VAE, SCHEDULER, CONFIGS } config_kind;
static const char *const config_files[CONFIGS] = {"model_index.json", "text_encoder/config.json", "unet/config.json",
                                                  "vae/config.json", "scheduler/scheduler_config.json"};

static vw_status read_text(const char *path, const json_t *c, vw_hub_text *t) {
  const char *type;
  VW_TRY(vw_json_text(path, "", c, "model_type", "clip_text_model", &type));
  VW_CHECK(!strcmp(type, "clip_text_model"), VW_ERR_UNSUPPORTED, "%s: model_type is '%s', expected clip_text_model",
           path, type);
  return vw_hub_text_read(path, "", c, 77, t);
}

static vw_status read_config(vw_hub_diffusers *h, config_kind kind) {
  char path[VW_PATH_BYTES];
  json_t *c = NULL;
  vw_status st = VW_OK;
  VW_TRY(vw_path_format(path, "%s/%s", h->folder, config_files[kind]));
  VW_CHECK(vw_file_exists(path), VW_ERR_INPUT,
           "%s: has no %s; expected a Stable Diffusion directory as diffusers saves it (the hub's single-file "
           "checkpoints: StableDiffusionPipeline.from_single_file(...).save_pretrained(...))",
           h->folder, config_files[kind]);
  VW_TRY(vw_json_read(path, &c));
  if (kind == INDEX)
    st = check_index(path, c);
  else if (kind == TEXT)
    st = read_text(path, c, &h->text);
  else if (kind == UNET)
    st = vw_hub_unet_read(path, c, &h->unet);
  else if (kind == VAE)
    st = vw_hub_vae_read(path, c, &h->vae);
  else
    st = vw_hub_scheduler_read(path, c, &h->scheduler);
  json_decref(c);
  return st;
}

/* What one component says of another. */
static vw_status check_together(const vw_hub_diffusers *h) {
  VW_CHECK(h->unet.context == h->text.width, VW_ERR_INPUT,
           "%s/unet/config.json: cross_attention_dim is %" PRId64 ", text_encoder/config.json has hidden_size %" PRId64
           ": they do not belong together",
           h->folder, h->unet.context, h->text.width);
  VW_CHECK(h->unet.channels == h->vae.latent_channels, VW_ERR_INPUT,
           "%s/unet/config.json: in_channels is %" PRId64 ", vae/config.json has latent_channels %" PRId64
           ": they do not belong together",
           h->folder, h->unet.channels, h->vae.latent_channels);
  return VW_OK;
}

vw_status vw_hub_diffusers_read_configs(vw_hub_diffusers *h, const char *folder) {
  vw_status st = VW_OK;
  *h = (vw_hub_diffusers){.folder = strdup(folder)};
  VW_CHECK(h->folder, VW_ERR_MEMORY, "%s: out of memory", folder);
  if (access(folder, F_OK) != 0)
    VW_GOTO(
        VW_RAISE(VW_ERR_INPUT, "%s: no such model directory; the README says where to put files from the hub", folder));
  for (int i = 0; i < CONFIGS; i++) VW_GOTO(read_config(h, (config_kind)i));
  VW_GOTO(check_together(h));
cleanup:
  if (st != VW_OK) vw_hub_diffusers_close(h);
  return st;
}

/* ---- weights ---- */

vw_status vw_hub_diffusers_open(vw_hub_diffusers *h, const char *folder) {
  char path[VW_PATH_BYTES];
  vw_status st = VW_OK;
  VW_TRY(vw_hub_diffusers_read_configs(h, folder));
  for (int i = 0; i < VW_HUB_COMPONENTS; i++) {
    VW_GOTO(vw_path_format(path, "%s/%s", folder, components[i].name));
    VW_GOTO(vw_hub_weights_open(&h->weights[i], path, &components[i].weights));
  }
cleanup:
  if (st != VW_OK) vw_hub_diffusers_close(h);
  return st;
}

void vw_hub_diffusers_close(vw_hub_diffusers *h) {
  for (int i = 0; i < VW_HUB_COMPONENTS; i++) vw_hub_weights_close(&h->weights[i]);
  free(h->folder);
  *h = (vw_hub_diffusers){0};
}

/* The autoencoder's attention, today's name and that of files from before 2023. */
static const struct {
  const char *now, *old;
} attention[] = {{"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}};
static const char middle[] = "mid_block.attentions.0.", prefix[] = "text_model.";

/* Replaces `from`, behind ".mid_block.attentions.0.", by `to`; false where it does not stand there. */
static bool rename_attention(const char *name, bool to_old, char *out, size_t bytes) {
  const char *at = strstr(name, middle);
  if (!at) return false;
  at += sizeof middle - 1;
  for (size_t i = 0; i < sizeof attention / sizeof *attention; i++) {
    const char *from = to_old ? attention[i].now : attention[i].old, *to = to_old ? attention[i].old : attention[i].now;
    const size_t n = strlen(from);
    if (strncmp(at, from, n) != 0 || at[n] != '.') continue;
    (void)snprintf(out, bytes, "%.*s%s%s", (int)(at - name), name, to, at + n);
    return true;
  }
  return false;
}

/* The name under which the component's files have a weight; false: none of the names. */
static bool name_in_files(const vw_hub_weights *w, int component, const char *name, char *out, size_t bytes) {
  (void)snprintf(out, bytes, "%s", name);
  if (vw_hub_weights_have(w, out)) return true;
  if (component == VW_HUB_TEXT_ENCODER && !strncmp(name, prefix, sizeof prefix - 1))
    (void)snprintf(out, bytes, "%s", name + sizeof prefix - 1);
  else if (component != VW_HUB_VAE || !rename_attention(name, true, out, bytes))
    return false;
  return vw_hub_weights_have(w, out);
}

static int component_of(const char *name, const char **rest) {
  for (int i = 0; i < VW_HUB_COMPONENTS; i++) {
    const size_t n = strlen(components[i].name);
    if (!strncmp(name, components[i].name, n) && name[n] == '.') {
      *rest = name + n + 1;
      return i;
    }
  }
  return -1;
}

vw_status vw_hub_diffusers_tensor(const vw_hub_diffusers *h, const char *name, vw_tensor *out) {
  enum { LONGEST = 256 };
  char found[LONGEST];
  const char *rest = NULL;
  const int i = component_of(name, &rest);
  VW_CHECK(i >= 0, VW_ERR_ARG, "tensor %s: no component of that name", name);
  VW_CHECK(name_in_files(&h->weights[i], i, rest, found, sizeof found), VW_ERR_INPUT,
           "%s/%s: the weights have no tensor %s: does config.json belong to them?", h->folder, components[i].name,
           rest);
  VW_TRY(vw_hub_weights_find(&h->weights[i], found, out));
  if (i == VW_HUB_VAE && strstr(rest, middle) && out->ndim == 4 && out->dim[2] == 1 && out->dim[3] == 1) out->ndim = 2;
  return VW_OK;
}

bool vw_hub_diffusers_name(const vw_hub_diffusers *h, int component, int64_t file, int64_t i, char *name,
                           size_t bytes) {
  enum { LONGEST = 256 };
  static const char ids[] = "position_ids";
  char now[LONGEST];
  const char *raw = vw_safetensors_name(h->weights[component].files[file], i);
  const size_t n = strlen(raw), m = sizeof ids - 1;
  if (n >= m && !strcmp(raw + n - m, ids)) return false;
  if (component != VW_HUB_VAE || !rename_attention(raw, false, now, sizeof now))
    (void)snprintf(now, sizeof now, "%s", raw);
  const bool bare = component == VW_HUB_TEXT_ENCODER && strncmp(raw, prefix, sizeof prefix - 1) != 0;
  (void)snprintf(name, bytes, "%s.%s%s", components[component].name, bare ? prefix : "", now);
  return true;
}

vw_safetensors *vw_hub_diffusers_file(const vw_hub_diffusers *h, int64_t i) {
  for (int c = 0; c < VW_HUB_COMPONENTS; c++) {
    if (i < h->weights[c].n_files) return h->weights[c].files[i];
    i -= h->weights[c].n_files;
  }
  return NULL;
}

vw_status vw_hub_diffusers_check_finite(const vw_hub_diffusers *h) {
  for (int i = 0; i < VW_HUB_COMPONENTS; i++) VW_TRY(vw_hub_weights_check_finite(&h->weights[i]));
  return VW_OK;
}

vw_status vw_hub_diffusers_hash(const vw_hub_diffusers *h, vw_hash *out) {
  static const char *const others[] = {"tokenizer/vocab.json",
                                       "tokenizer/merges.txt",
                                       "tokenizer/tokenizer.json",
                                       "tokenizer/tokenizer_config.json",
                                       "tokenizer/added_tokens.json",
                                       "tokenizer/special_tokens_map.json",
                                       "trained_words.txt"};
  vw_status st = VW_OK;
  vw_hasher *hasher = vw_hasher_create();
  VW_CHECK(hasher, VW_ERR_MEMORY, "%s: out of memory", h->folder);
  vw_hasher_field(hasher, "viswords-hub-diffusers-1");
  for (int i = 0; i < CONFIGS; i++) VW_GOTO(vw_hub_hash_small_file(hasher, h->folder, config_files[i]));
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    VW_GOTO(vw_hub_hash_small_file(hasher, h->folder, others[i]));
  for (int i = 0; i < VW_HUB_COMPONENTS; i++) {
    vw_hasher_field(hasher, components[i].name);
    VW_GOTO(vw_hub_weights_hash(&h->weights[i], hasher));
  }
  /* keys that once were not looked at: other pictures than those of before */
  if (vw_hub_scheduler_steps_otherwise(&h->scheduler)) vw_hasher_field(hasher, "steps of DPM-Solver++ 2");
  *out = vw_hasher_done(hasher);
cleanup:
  vw_hasher_destroy(hasher);
  return st;
}
