/* Stable Diffusion directories: what configurations say and leave unsaid, names and files of weights, and what is
 * refused, by file and key. */
#include "tests/models/sd_fixture.h"

#include "io/hub/hub_diffusers.h"

#include <math.h>
#include <sys/stat.h>

/* Writes a file whole. */
static void put(const char *dir, const char *name, const char *text) {
  char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s/%s", dir, name));
  assert_ok(vw_file_write(path, text, (int64_t)strlen(text)));
}

/* Puts `text` at the end of a file's object, where it overrides what stands before. */
static void insert(const char *dir, const char *name, const char *text) {
  char path[VW_PATH_BYTES], *old, *made;
  int64_t bytes;
  assert_ok(vw_path_format(path, "%s/%s", dir, name));
  assert_ok(vw_file_read(path, &old, &bytes));
  const char *end = strrchr(old, '}');
  const bool empty = strchr(old, '"') == NULL;
  const size_t room = (size_t)bytes + strlen(text) + 8;
  made = malloc(room);
  (void)snprintf(made, room, "%.*s%s%s}", (int)(end - old), old, empty ? "" : ",", text);
  put(dir, name, made);
  free(old), free(made);
}

static const char index_file[] = "model_index.json", unet_file[] = "unet/config.json", vae_file[] = "vae/config.json",
                  text_file[] = "text_encoder/config.json", scheduler_file[] = "scheduler/scheduler_config.json";

/* A folder with configurations alone. */
static void make_folder(char dir[VW_PATH_BYTES]) {
  static const char *const folders[] = {"unet", "vae", "text_encoder", "scheduler"};
  const char *tmp = getenv("TMPDIR");
  char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(dir, "%s/viswords-sd-XXXXXX", tmp ? tmp : "/tmp"));
  assert_non_null(mkdtemp(dir));
  for (int i = 0; i < 4; i++) assert_ok(vw_subfolder_make(dir, folders[i], path));
  put(dir, index_file,
      "{\"_class_name\": \"StableDiffusionPipeline\", \"unet\": [\"diffusers\", \"UNet2DConditionModel\"],"
      "\"vae\": [\"diffusers\", \"AutoencoderKL\"], \"text_encoder\": [\"transformers\", \"CLIPTextModel\"],"
      "\"tokenizer\": [\"transformers\", \"CLIPTokenizer\"], \"scheduler\": [\"diffusers\", \"PNDMScheduler\"]}");
  put(dir, scheduler_file, "{}");
  put(dir, text_file, "{\"hidden_size\": 1280}");
  put(dir, unet_file, "{}");
  put(dir, vae_file, "{}");
}

/* Every default of the classes (diffusers 0.39). */
static void empty_configurations_have_the_defaults(void **state) {
  (void)state;
  static const int64_t widths[] = {320, 640, 1280, 1280};
  char dir[VW_PATH_BYTES];
  vw_hub_diffusers h;
  make_folder(dir);
  assert_ok(vw_hub_diffusers_read_configs(&h, dir));
  assert_int_equal(h.unet.levels, 4);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(h.unet.width[i], widths[i]);
    assert_int_equal(h.unet.layers[i], 2);
    assert_int_equal(h.unet.heads[i], 8);
    assert_int_equal(h.unet.depth[i], 1);
    assert_int_equal(h.unet.attends_down[i], i < 3);
    assert_int_equal(h.unet.attends_up[i], i < 3);
  }
  assert_true(h.unet.channels == 4 && h.unet.context == 1280 && h.unet.groups == 32 && h.unet.down_padding == 1);
  assert_true(h.unet.eps == 1e-5 && h.unet.cosine_first && !h.unet.linear_projection && h.unet.sample_size == 0);
  assert_true(h.vae.levels == 1 && h.vae.width[0] == 64 && h.vae.layers == 1 && h.vae.scale == .18215);
  assert_true(h.vae.quant_conv && h.vae.post_quant_conv && h.vae.attends && h.vae.groups == 32);
  assert_true(h.scheduler.steps == 1000 && h.scheduler.beta_start == .0001 && h.scheduler.beta_end == .02);
  assert_true(!h.scheduler.scaled && !h.scheduler.velocity && h.scheduler.last_alpha_one && h.scheduler.clip);
  assert_true(h.scheduler.offset == 0 && !*h.scheduler.spacing);
  assert_true(h.text.layers == 12 && h.text.positions == 77);
  assert_string_equal(h.text.activation, "quick_gelu");
  vw_hub_diffusers_close(&h);
  sd_remove(dir);
}

/* What 2.1's own files say, a bare -Infinity among it. */
static void stable_diffusion_2_1_is_read(void **state) {
  (void)state;
  static const int64_t heads[] = {5, 10, 20, 20};
  char dir[VW_PATH_BYTES];
  vw_hub_diffusers h;
  make_folder(dir);
  put(dir, text_file,
      "{\"model_type\": \"clip_text_model\", \"hidden_size\": 1024, \"num_hidden_layers\": 23, \"hidden_act\": "
      "\"gelu\","
      "\"num_attention_heads\": 16, \"intermediate_size\": 4096, \"bos_token_id\": 0, \"pad_token_id\": 1, "
      "\"eos_token_id\": 2}");
  insert(
      dir, unet_file,
      "\"attention_head_dim\": [5, 10, 20, 20], \"cross_attention_dim\": 1024, \"use_linear_projection\": true, "
      "\"upcast_attention\": true, \"sample_size\": 96, \"only_cross_attention\": false, \"num_class_embeds\": null");
  insert(dir, vae_file,
         "\"block_out_channels\": [128, 256, 512, 512], \"layers_per_block\": 2, \"down_block_types\": "
         "[\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\"], "
         "\"up_block_types\": [\"UpDecoderBlock2D\", \"UpDecoderBlock2D\", \"UpDecoderBlock2D\", "
         "\"UpDecoderBlock2D\"], \"sample_size\": 768");
  insert(dir, scheduler_file,
         "\"_class_name\": \"DPMSolverMultistepScheduler\", \"beta_schedule\": \"scaled_linear\", \"beta_start\": "
         "0.00085, \"beta_end\": 0.012, \"prediction_type\": \"v_prediction\", \"steps_offset\": 1, "
         "\"lambda_min_clipped\": -Infinity, \"timestep_spacing\": \"leading\", \"set_alpha_to_one\": false, "
         "\"clip_sample\": false, \"clip_sample_range\": 2.5, \"trained_betas\": null");
  assert_ok(vw_hub_diffusers_read_configs(&h, dir));
  for (int i = 0; i < 4; i++) assert_int_equal(h.unet.heads[i], heads[i]);
  assert_true(h.unet.context == 1024 && h.unet.linear_projection && h.unet.sample_size == 96);
  assert_true(h.vae.levels == 4 && h.vae.width[1] == 256 && h.vae.layers == 2);
  assert_true(h.scheduler.scaled && h.scheduler.velocity && h.scheduler.offset == 1);
  assert_true(!h.scheduler.last_alpha_one && !h.scheduler.clip && h.scheduler.beta_end == .012 &&
              h.scheduler.clip_range == 2.5);
  assert_string_equal(h.scheduler.spacing, "leading");
  assert_string_equal(h.scheduler.class_name, "DPMSolverMultistepScheduler");
  assert_true(h.text.layers == 23 && h.text.eos_token_id == 2);
  vw_hub_diffusers_close(&h);
  sd_remove(dir);
}

static void configurations_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *file, *text, *message;
  } cases[] = {
      {index_file, "\"_class_name\": \"StableDiffusionXLPipeline\"", "is 'StableDiffusionXLPipeline', expected Stable"},
      {index_file, "\"text_encoder_2\": [\"transformers\", \"CLIPTextModelWithProjection\"]", "text_encoder_2"},
      {index_file, "\"vae\": [null, null]", "vae is missing"},
      {index_file, "\"unet\": [\"diffusers\", \"UNet2DModel\"]", "unet is a UNet2DModel"},
      {index_file, "\"text_encoder\": 3", "text_encoder is missing"},
      {unet_file, "\"_class_name\": \"UNet2DModel\"", "viswords knows 'UNet2DConditionModel' alone"},
      {unet_file, "\"addition_embed_type\": \"text_time\"", "addition_embed_type is set"},
      {unet_file, "\"class_embed_type\": \"projection\"", "class_embed_type is set"},
      {unet_file, "\"only_cross_attention\": [false, true, false, false]", "only_cross_attention is set"},
      {unet_file, "\"num_attention_heads\": 8", "num_attention_heads is set"},
      {unet_file, "\"in_channels\": 9", "inpainting"},
      {unet_file, "\"block_out_channels\": []", "0 levels"},
      {unet_file, "\"block_out_channels\": 320", "expected a list"},
      {unet_file, "\"block_out_channels\": [320, 640]", "down_block_types has 4 entries, block_out_channels has 2"},
      {unet_file, "\"block_out_channels\": [320, 640, 1280, 1290]", "1290 is not a multiple of the 8 heads"},
      {unet_file, "\"norm_num_groups\": 48", "320 is not a multiple of norm_num_groups 48"},
      {unet_file, "\"attention_head_dim\": [5, 10]", "attention_head_dim has 2 entries, expected 4"},
      {unet_file, "\"attention_head_dim\": 0", "attention_head_dim is 0"},
      {unet_file, "\"down_block_types\": [\"A\", \"DownBlock2D\", \"DownBlock2D\", \"DownBlock2D\"]",
       "'A' is not one of"},
      {unet_file, "\"down_block_types\": [1, 2, 3, 4]", "'(not text)' is not one of"},
      {unet_file, "\"cross_attention_dim\": [1, 2, 3, 4]", "differs between levels"},
      {unet_file, "\"cross_attention_dim\": 768", "text_encoder/config.json has hidden_size 1280"},
      {unet_file, "\"act_fn\": \"mish\"", "act_fn is 'mish'"},
      {unet_file, "\"mid_block_type\": \"UNetMidBlock2D\"", "mid_block_type"},
      {unet_file, "\"conv_in_kernel\": 5", "conv_in_kernel is 5"},
      {unet_file, "\"sample_size\": [8, 8, 8]", "sample_size has 3 entries, expected 2"},
      {unet_file, "\"norm_eps\": 0", "norm_eps is 0"},
      {unet_file, "\"freq_shift\": 160", "freq_shift 160 does not fit"},
      {unet_file, "\"use_linear_projection\": 1", "expected true or false"},
      {unet_file, "\"layers_per_block\": 99", "layers_per_block is 99"},
      {unet_file, "\"downsample_padding\": 2", "downsample_padding is 2"},
      {vae_file, "\"_class_name\": \"AsymmetricAutoencoderKL\"", "viswords knows 'AutoencoderKL' alone"},
      {vae_file, "\"shift_factor\": 0.1", "shift_factor is set"},
      {vae_file, "\"in_channels\": 4", "in_channels is 4"},
      {vae_file, "\"scaling_factor\": 0", "scaling_factor is 0"},
      {vae_file, "\"latent_channels\": 16", "latent_channels 16: they do not belong together"},
      {vae_file, "\"block_out_channels\": [32, 64]", "there is no down_block_types"},
      {text_file, "\"model_type\": \"clip\"", "expected clip_text_model"},
      {text_file, "\"hidden_act\": \"relu\"", "hidden_act is 'relu'"},
      {scheduler_file, "\"_class_name\": \"FlowMatchEulerDiscreteScheduler\"", "FlowMatchEulerDiscreteScheduler"},
      {scheduler_file, "\"beta_schedule\": \"squaredcos_cap_v2\"", "expected scaled_linear or linear"},
      {scheduler_file, "\"prediction_type\": \"sample\"", "expected epsilon or v_prediction"},
      {scheduler_file, "\"timestep_spacing\": \"even\"", "expected leading, linspace or trailing"},
      {scheduler_file, "\"trained_betas\": [0.1]", "trained_betas is set"},
      {scheduler_file, "\"thresholding\": true", "thresholding is set"},
      {scheduler_file, "\"rescale_betas_zero_snr\": 1", "rescale_betas_zero_snr: expected true or false"},
      {scheduler_file, "\"final_sigmas_type\": \"one\"", "final_sigmas_type is 'one', expected zero or sigma_min"},
      {scheduler_file, "\"solver_type\": \"euler\"", "solver_type is 'euler', expected midpoint or heun"},
      {scheduler_file, "\"solver_order\": 4", "solver_order is 4"},
      {scheduler_file, "\"beta_end\": 1.5", "beta_start 0.0001 and beta_end 1.5"},
      {scheduler_file, "\"num_train_timesteps\": 0", "num_train_timesteps is 0"},
      {scheduler_file, "\"steps_offset\": -1", "steps_offset is -1"},
      {scheduler_file, "\"clip_sample_range\": 0", "clip_sample_range is 0"},
      {scheduler_file, "]", "not valid JSON"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char dir[VW_PATH_BYTES];
    vw_hub_diffusers h;
    make_folder(dir);
    insert(dir, cases[i].file, cases[i].text);
    if (!strchr(cases[i].text, ':')) put(dir, cases[i].file, cases[i].text);
    const vw_status st = vw_hub_diffusers_read_configs(&h, dir);
    if (st <= 0 || !strstr(vw_error_message(), cases[i].message))
      fail_msg("%s with %s: status %d, expected '%s' in: %s", cases[i].file, cases[i].text, (int)st, cases[i].message,
               vw_error_message());
    if (!strstr(vw_error_message(), cases[i].file)) fail_msg("no %s in: %s", cases[i].file, vw_error_message());
    assert_null(h.folder);
    sd_remove(dir);
  }
}

static void missing_files_are_named(void **state) {
  (void)state;
  static const char *const files[] = {"model_index.json", "unet/config.json", "vae/config.json",
                                      "text_encoder/config.json", "scheduler/scheduler_config.json"};
  char dir[VW_PATH_BYTES], path[VW_PATH_BYTES];
  vw_hub_diffusers h;
  assert_int_equal(vw_hub_diffusers_open(&h, "/nowhere/at/all"), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "no such model directory"));
  for (int i = 0; i < 5; i++) {
    make_folder(dir);
    assert_ok(vw_path_format(path, "%s/%s", dir, files[i]));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(vw_hub_diffusers_open(&h, dir), VW_ERR_INPUT);
    if (!strstr(vw_error_message(), files[i])) fail_msg("no %s in: %s", files[i], vw_error_message());
    sd_remove(dir);
  }
}

/* Keys of DPM-Solver++, in a configuration of any class: what it draws with, what it cannot, and what changes nothing. */
static void keys_of_the_solver_are_read(void **state) {
  (void)state;
  static const struct {
    const char *text, *refused;
    bool otherwise;
  } cases[] = {
      {"\"_class_name\": \"EulerDiscreteScheduler\", \"use_karras_sigmas\": true", "", true},
      {"\"use_karras_sigmas\": null, \"final_sigmas_type\": \"zero\", \"solver_order\": 2, \"solver_type\": "
       "\"bh2\", \"algorithm_type\": \"deis\", \"lower_order_final\": false, \"euler_at_final\": true, "
       "\"variance_type\": \"fixed_small\", \"skip_prk_steps\": true, \"sample_max_value\": 3",
       "", false},
      {"\"final_sigmas_type\": \"sigma_min\"", "", true},
      {"\"solver_type\": \"heun\"", "", true},
      {"\"solver_order\": 1", "", true},
      {"\"solver_order\": 3", "solver_order is 3", false},
      {"\"use_beta_sigmas\": true, \"use_lu_lambdas\": true", "use_beta_sigmas is true", false},
      {"\"algorithm_type\": \"sde-dpmsolver++\"", "algorithm_type is sde-dpmsolver++", false},
      {"\"variance_type\": \"learned_range\"", "variance_type is learned_range", false},
      {"\"rescale_betas_zero_snr\": true, \"lambda_min_clipped\": -5.1", "", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char dir[VW_PATH_BYTES];
    vw_hub_diffusers h;
    make_folder(dir);
    insert(dir, scheduler_file, cases[i].text);
    assert_ok(vw_hub_diffusers_read_configs(&h, dir));
    const vw_hub_scheduler *s = &h.scheduler;
    assert_string_equal(s->not_dpm, cases[i].refused);
    if (vw_hub_scheduler_steps_otherwise(s) != cases[i].otherwise) fail_msg("%s", cases[i].text);
    assert_int_equal(s->karras, strstr(cases[i].text, "karras_sigmas\": true") != NULL);
    assert_int_equal(s->zero_snr, strstr(cases[i].text, "zero_snr") != NULL);
    assert_int_equal(s->ends_noisy, strstr(cases[i].text, "\"sigma_min\"") != NULL);
    assert_true(s->heun == (strstr(cases[i].text, "heun") != NULL) && s->full_order_final == s->euler_at_final);
    assert_true(s->least_log_snr == (strstr(cases[i].text, "lambda_min") ? -5.1 : -INFINITY));
    vw_hub_diffusers_close(&h);
    sd_remove(dir);
  }
}

/* ---- weights ---- */

static void names_old_and_new_are_found(void **state) {
  (void)state;
  static const char *const names[] = {"unet.conv_in.weight",
                                      "text_encoder.text_model.final_layer_norm.bias",
                                      "text_encoder.text_model.embeddings.token_embedding.weight",
                                      "vae.encoder.mid_block.attentions.0.to_q.weight",
                                      "vae.decoder.mid_block.attentions.0.to_out.0.weight",
                                      "vae.decoder.mid_block.attentions.0.to_out.0.bias"};
  for (int old = 0; old < 2; old++) {
    char dir[VW_PATH_BYTES];
    vw_hub_diffusers h;
    vw_tensor t;
    vw_hash hash, again;
    sd_make(old ? "sd_b" : "sd_a", dir);
    assert_ok(vw_hub_diffusers_open(&h, dir));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
      assert_ok(vw_hub_diffusers_tensor(&h, names[i], &t));
      assert_true(t.dtype == (old ? VW_F16 : VW_F32) && t.data);
      if (strstr(names[i], "attentions.0.to_") && strstr(names[i], "weight")) assert_int_equal(t.ndim, 2);
    }
    assert_int_equal(h.weights[VW_HUB_UNET].n_files, old ? 3 : 1);
    int files = 0;
    while (vw_hub_diffusers_file(&h, files)) files++;
    assert_int_equal(files, old ? 9 : 3);
    assert_int_equal(vw_hub_diffusers_tensor(&h, "vae.quant.weight", &t), VW_ERR_INPUT);
    assert_non_null(strstr(vw_error_message(), "vae: the weights have no tensor quant.weight"));
    assert_int_equal(vw_hub_diffusers_tensor(&h, "judge.weight", &t), VW_ERR_ARG);
    assert_ok(vw_hub_diffusers_check_finite(&h));
    assert_ok(vw_hub_diffusers_hash(&h, &hash));
    vw_hub_diffusers_close(&h);
    insert(dir, scheduler_file, "\"note\": 1"); /* any byte of any file counts */
    assert_ok(vw_hub_diffusers_open(&h, dir));
    assert_ok(vw_hub_diffusers_hash(&h, &again));
    assert_memory_not_equal(&hash, &again, sizeof hash);
    h.scheduler.karras = true; /* a key that once was not looked at */
    assert_ok(vw_hub_diffusers_hash(&h, &hash));
    assert_memory_not_equal(&hash, &again, sizeof hash);
    vw_hub_diffusers_close(&h);
    sd_remove(dir);
  }
}

static void without_weights_a_way_out_is_told(void **state) {
  (void)state;
  char dir[VW_PATH_BYTES], path[VW_PATH_BYTES];
  vw_hub_diffusers h;
  sd_make("sd_a", dir);
  assert_ok(vw_path_format(path, "%s/vae/diffusion_pytorch_model.safetensors", dir));
  assert_int_equal(unlink(path), 0);
  assert_int_equal(vw_hub_diffusers_open(&h, dir), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "vae: has no diffusion_pytorch_model.safetensors"));
  put(dir, "vae/diffusion_pytorch_model.bin", "pickle");
  assert_int_equal(vw_hub_diffusers_open(&h, dir), VW_ERR_UNSUPPORTED);
  assert_non_null(strstr(vw_error_message(), "from diffusers import AutoencoderKL"));
  sd_remove(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(empty_configurations_have_the_defaults),
                                     cmocka_unit_test(keys_of_the_solver_are_read),
                                     cmocka_unit_test(stable_diffusion_2_1_is_read),
                                     cmocka_unit_test(configurations_are_refused),
                                     cmocka_unit_test(missing_files_are_named),
                                     cmocka_unit_test(names_old_and_new_are_found),
                                     cmocka_unit_test(without_weights_a_way_out_is_told)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
