/* Its pictures mean nothing. The network's own description says which tensors there are. */
#include "bench/random_sd.h"

#include "core/durable.h"
#include "core/pool.h"
#include "core/random.h"
#include "core/text.h"
#include "networks/stable_diffusion.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum config_file { INDEX, TEXT, UNET, VAE, SCHEDULER, TOKENIZER, CONFIGS } config_file;
static const char *const config_names[CONFIGS] = {
    "model_index.json", "text_encoder/config.json",        "unet/config.json",
    "vae/config.json",  "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"};
static const char *const folders[] = {"tokenizer", "text_encoder", "unet", "vae", "scheduler"};

#define INDEX_JSON                                                                                                     \
  "{\"_class_name\": \"StableDiffusionPipeline\", \"safety_checker\": [null, null], \"scheduler\": [\"diffusers\", "   \
  "\"DDIMScheduler\"], \"text_encoder\": [\"transformers\", \"CLIPTextModel\"], \"tokenizer\": [\"transformers\", "    \
  "\"CLIPTokenizer\"], \"unet\": [\"diffusers\", \"UNet2DConditionModel\"], \"vae\": [\"diffusers\", "                 \
  "\"AutoencoderKL\"]}\n"
#define VAE_JSON                                                                                                       \
  "{\"_class_name\": \"AutoencoderKL\", \"block_out_channels\": [128, 256, 512, 512], \"layers_per_block\": 2, "       \
  "\"down_block_types\": [\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\", "                    \
  "\"DownEncoderBlock2D\"], \"up_block_types\": [\"UpDecoderBlock2D\", \"UpDecoderBlock2D\", \"UpDecoderBlock2D\", "   \
  "\"UpDecoderBlock2D\"]}\n"
#define TEXT_2_JSON                                                                                                    \
  "{\"model_type\": \"clip_text_model\", \"hidden_size\": 1024, \"intermediate_size\": 4096, \"num_hidden_layers\": "  \
  "23, \"num_attention_heads\": 16, \"hidden_act\": \"gelu\"}\n"
#define UNET_2_JSON(side)                                                                                              \
  "{\"_class_name\": \"UNet2DConditionModel\", \"attention_head_dim\": [5, 10, 20, 20], \"cross_attention_dim\": "     \
  "1024, \"use_linear_projection\": true, \"sample_size\": " side "}\n"
#define SCHEDULER_JSON(prediction)                                                                                     \
  "{\"_class_name\": \"DDIMScheduler\", \"beta_schedule\": \"scaled_linear\", \"beta_start\": 0.00085, "               \
  "\"beta_end\": 0.012, \"clip_sample\": false, \"set_alpha_to_one\": false, \"steps_offset\": 1, "                    \
  "\"prediction_type\": \"" prediction "\"}\n"
#define PAD_JSON "{\"pad_token\": \"!\"}\n"

/* As the hub's directories say, but for keys that have their default. */
static const struct sd_size {
  const char *name, *config[CONFIGS];
} sizes[] = {
    {"1.5",
     {INDEX_JSON,
      "{\"model_type\": \"clip_text_model\", \"hidden_size\": 768, \"intermediate_size\": 3072, "
      "\"num_attention_heads\": "
      "12}\n",
      "{\"_class_name\": \"UNet2DConditionModel\", \"cross_attention_dim\": 768, \"sample_size\": 64}\n", VAE_JSON,
      SCHEDULER_JSON("epsilon"), "{}\n"}},
    {"2.1-base", {INDEX_JSON, TEXT_2_JSON, UNET_2_JSON("64"), VAE_JSON, SCHEDULER_JSON("epsilon"), PAD_JSON}},
    {"2.1", {INDEX_JSON, TEXT_2_JSON, UNET_2_JSON("96"), VAE_JSON, SCHEDULER_JSON("v_prediction"), PAD_JSON}},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* ---- weights ----------------------------------------------------------------------------------------------------- */

enum { MOST_TENSORS = 4096 };

typedef struct maker {
  const char *component; /* whose tensors are made */
  vw_safetensors_entry *entries;
  int64_t n;
  uint64_t place; /* of a tensor among all: the key of its stream */
  vw_random_numbers numbers;
  vw_pool names;
} maker;

/* Mean and deviation that keep values in range through the layers. */
static void spread_of(const char *name, const vw_tensor *shape, double *mean, double *sd) {
  const bool bias = strstr(name, ".bias") != NULL, norm = strstr(name, "norm") != NULL;
  *mean = norm && !bias ? 1 : 0;
  *sd = norm                                 ? .1
        : bias || strstr(name, "embeddings") ? .02
                                             : sqrt(1 / ((double)vw_count(shape) / (double)shape->dim[0]));
}

static vw_status make_tensor(const maker *m, const char *name, vw_tensor shape, vw_tensor *out) {
  const int64_t n = vw_count(&shape);
  *out = shape, out->dtype = VW_F32, out->data = NULL;
  if (m->numbers == VW_RANDOM_NONE) return VW_OK;
  float *x = malloc((size_t)(n + 4) * sizeof *x);
  double mean, sd;
  VW_CHECK(x, VW_ERR_MEMORY, "random weights: out of memory");
  spread_of(name, &shape, &mean, &sd);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; i += 4) {
    vw_normal4(vw_philox4x32(m->place, (uint32_t)(i / 4), 0, VW_DRAW_WEIGHTS, 0), x + i);
    for (int64_t j = i; j < i + 4 && j < n; j++) x[j] = (float)(mean + sd * x[j]);
  }
  out->data = x;
  if (m->numbers == VW_RANDOM_FULL) return VW_OK;
  out->dtype = VW_F16, out->data = malloc((size_t)n * 2);
  const vw_status st = out->data ? vw_convert(out->data, VW_F16, x, VW_F32, n)
                                 : VW_RAISE(VW_ERR_MEMORY, "random weights: out of memory");
  free(x);
  return st;
}

static vw_status add(void *user, const char *name, const vw_tensor *shape) {
  maker *m = user;
  const size_t n = strlen(m->component);
  m->place++;
  if (strncmp(name, m->component, n) != 0 || name[n] != '.') return VW_OK;
  VW_CHECK(m->n < MOST_TENSORS, VW_ERR_UNSUPPORTED, "random weights: more than %d tensors", MOST_TENSORS);
  const char *kept = vw_pool_text(&m->names, name + n + 1, -1);
  VW_CHECK(kept, VW_ERR_MEMORY, "random weights: out of memory");
  vw_safetensors_entry *e = &m->entries[m->n++];
  e->name = kept;
  return make_tensor(m, name, *shape, &e->tensor);
}

static vw_status write_component(const char *dir, const vw_hub_diffusers *h, int component, vw_random_numbers numbers) {
  static const char *const files[] = {[VW_HUB_TEXT_ENCODER] = "model",
                                      [VW_HUB_UNET] = "diffusion_pytorch_model",
                                      [VW_HUB_VAE] = "diffusion_pytorch_model"};
  const vw_keyvalue metadata[] = {{"format", "pt"}, {"viswords_made_by", "random-sd"}};
  maker m = {.component = vw_hub_component_name(component), .numbers = numbers};
  char path[VW_PATH_BYTES];
  m.entries = calloc(MOST_TENSORS, sizeof *m.entries);
  VW_CHECK(m.entries, VW_ERR_MEMORY, "random weights: out of memory");
  vw_status st = vw_sd_each_weight(h, add, &m);
  if (st == VW_OK) st = vw_path_format(path, "%s/%s/%s.safetensors", dir, m.component, files[component]);
  if (st == VW_OK)
    st = (numbers == VW_RANDOM_NONE ? vw_safetensors_write_hollow : vw_safetensors_write)(path, m.entries, m.n,
                                                                                          metadata, 2);
  for (int64_t i = 0; i < m.n; i++) free(m.entries[i].tensor.data);
  free(m.entries);
  vw_pool_fini(&m.names);
  return st;
}

/* ---- the directory ----------------------------------------------------------------------------------------------- */

static vw_status copy_file(const char *from, const char *dir, const char *name, const char *to) {
  char a[VW_PATH_BYTES], b[VW_PATH_BYTES], *text = NULL;
  int64_t bytes = 0;
  VW_TRY(vw_path_format(a, "%s/%s", from, name));
  VW_TRY(vw_path_format(b, "%s/%s", dir, to));
  VW_CHECK(vw_file_exists(a), VW_ERR_INPUT, "%s: has no %s", from, name);
  VW_TRY(vw_file_read(a, &text, &bytes));
  const vw_status st = vw_file_write(b, text, bytes);
  free(text);
  return st;
}

static vw_status write_configs(const char *dir, const struct sd_size *s, const char *like) {
  char path[VW_PATH_BYTES];
  for (int i = 0; i < CONFIGS; i++) {
    if (like && i != TOKENIZER) {
      VW_TRY(copy_file(like, dir, config_names[i], config_names[i]));
      continue;
    }
    const char *text = like ? PAD_JSON : s->config[i];
    VW_TRY(vw_path_format(path, "%s/%s", dir, config_names[i]));
    VW_TRY(vw_file_write(path, text, (int64_t)strlen(text)));
  }
  return VW_OK;
}

static vw_status fill(const char *dir, const struct sd_size *s, const char *like, const char *tokenizer,
                      vw_random_numbers numbers) {
  char path[VW_PATH_BYTES];
  vw_hub_diffusers h;
  vw_status st = VW_OK;
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) VW_TRY(vw_subfolder_make(dir, folders[i], path));
  VW_TRY(write_configs(dir, s, like));
  VW_TRY(copy_file(tokenizer, dir, "vocab.json", "tokenizer/vocab.json"));
  VW_TRY(copy_file(tokenizer, dir, "merges.txt", "tokenizer/merges.txt"));
  VW_TRY(vw_hub_diffusers_read_configs(&h, dir));
  for (int i = 0; i < VW_HUB_COMPONENTS; i++) VW_GOTO(write_component(dir, &h, i, numbers));
cleanup:
  vw_hub_diffusers_close(&h);
  return st;
}

/* Takes away what was made in a folder of ours. */
static void remove_made(const char *dir) {
  static const char *const others[] = {"tokenizer/vocab.json", "tokenizer/merges.txt", "text_encoder/model.safetensors",
                                       "unet/diffusion_pytorch_model.safetensors",
                                       "vae/diffusion_pytorch_model.safetensors"};
  char path[VW_PATH_BYTES];
  for (int i = 0; i < CONFIGS; i++)
    if (vw_path_format(path, "%s/%s", dir, config_names[i]) == VW_OK) (void)unlink(path);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (vw_path_format(path, "%s/%s", dir, others[i]) == VW_OK) (void)unlink(path);
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
    if (vw_path_format(path, "%s/%s", dir, folders[i]) == VW_OK) (void)rmdir(path);
  (void)rmdir(dir);
}

/* The directory is there, whole, or it is not: it is made beside under another name. What is there is never replaced.
 */
static vw_status make(const char *dir, const struct sd_size *s, const char *like, const char *tokenizer, bool half) {
  char partial[VW_PATH_BYTES];
  const mode_t mask = umask(0);
  struct stat info;
  (void)umask(mask);
  VW_CHECK(lstat(dir, &info) != 0, VW_ERR_INPUT, "%s: is there already, and stays as it is; choose another name", dir);
  VW_TRY(vw_path_format(partial, "%s.making-XXXXXX", dir));
  VW_CHECK(mkdtemp(partial), VW_ERR_IO, "%s: cannot make the folder: %s", dir, strerror(errno));
  (void)chmod(partial, 0777 & ~mask); /* mkdtemp makes it for its owner alone */
  vw_status st = fill(partial, s, like, tokenizer, half ? VW_RANDOM_HALF : VW_RANDOM_FULL);
  if (st == VW_OK && rename(partial, dir) != 0)
    st = VW_RAISE(VW_ERR_IO, "%s: cannot put the new directory there: %s", dir, strerror(errno));
  if (st != VW_OK) remove_made(partial);
  return st;
}

vw_status vw_random_sd(const char *size, const char *dir, const char *like, const char *tokenizer, bool half) {
  for (int i = 0; i < SIZES; i++)
    if (!strcmp(size, sizes[i].name)) return make(dir, &sizes[i], like, tokenizer, half);
  return VW_RAISE(VW_ERR_ARG, "random-sd: --size '%s': choose 1.5, 2.1-base or 2.1", size);
}

vw_status vw_hollow_sd(const char *size, const char *dir, const char *tokenizer) {
  for (int i = 0; i < SIZES; i++)
    if (!strcmp(size, sizes[i].name)) return fill(dir, &sizes[i], NULL, tokenizer, VW_RANDOM_NONE);
  return VW_RAISE(VW_ERR_ARG, "stable diffusion: size '%s': choose 1.5, 2.1-base or 2.1", size);
}

void vw_hollow_sd_remove(const char *dir) {
  remove_made(dir);
}
