/* Figures and contact sheets, within the page. What is too large stays outside, and the page says where. */
#include "results/report_internal.h"

#include "core/durable.h"
#include "io/image.h"
#include "io/preprocess.h"
#include "tasks/drawn.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- figures ----------------------------------------------------------------------------------------------------- */

enum { MOST_FIGURES = 64, FIGURE_NAME = 256 };

typedef struct figures {
  char name[MOST_FIGURES][FIGURE_NAME];
  int n, more;
} figures;

static int by_name(const void *a, const void *b) {
  return strcmp(a, b);
}

static void list_figures(const char *folder, figures *f) {
  DIR *d = opendir(folder);
  for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
    const size_t n = strlen(e->d_name);
    if (n < 5 || n >= FIGURE_NAME || strcmp(e->d_name + n - 4, ".svg") != 0 || strchr(e->d_name, '.') == e->d_name)
      continue;
    if (f->n < MOST_FIGURES)
      memcpy(f->name[f->n++], e->d_name, n + 1);
    else
      f->more++;
  }
  if (d) (void)closedir(d);
  qsort(f->name, (size_t)f->n, sizeof *f->name, by_name);
}

/* What the figure of this file shows: title and caption, into texts that live until the next call. */
static void describe(const vw_report_page *p, const char *file, char title[FIGURE_NAME],
                     char caption[2 * FIGURE_NAME]) {
  const vw_task_kind *task = NULL;
  for (int64_t i = 0; (task = vw_collect_task_at(p->c, i)); i++) {
    vw_figure_name name;
    vw_collect_figure_name(task, name);
    if (strcmp(name, file) != 0) continue;
    const char *metric = task->metrics[task->headline].name;
    (void)snprintf(title, FIGURE_NAME, "%s of learned words against delta", metric);
    (void)snprintf(caption, 2 * (size_t)FIGURE_NAME,
                   "%s (%s) of learned words and of what they are compared with, against the size of the ball. Bars: "
                   "95 %% bootstrap over concepts and anchors. Its numbers stand in the tables of words.",
                   metric, task->metrics[task->headline].help);
    return;
  }
  (void)snprintf(title, FIGURE_NAME, "%.*s", (int)strlen(file) - 4, file);
  for (char *at = title; *at; at++)
    if (*at == '_') *at = ' ';
  (void)snprintf(caption, 2 * (size_t)FIGURE_NAME, "figures/%s", file);
}

/* An image element: what is in it runs no script, loads nothing, and cannot meddle with names of the page. */
static void put_figure(vw_report_page *p, const char *file, const char *data, int64_t bytes) {
  char title[FIGURE_NAME], caption[2 * FIGURE_NAME];
  describe(p, file, title, caption);
  (void)vw_print_html(p->out, "<figure><img alt=\"%s: %s\" src=\"", title, caption);
  vw_html_data(&p->html, "image/svg+xml", data, bytes);
  (void)vw_print_html(p->out, "\">\n<figcaption>%s</figcaption></figure>\n", caption);
}

static vw_status put_file(vw_report_page *p, const char *file, int *left_out) {
  char path[VW_PATH_BYTES], *data = NULL;
  int64_t bytes = 0;
  VW_TRY(vw_path_format(path, "%s/figures/%s", p->c->s->out, file));
  if (vw_file_read(path, &data, &bytes) != VW_OK) { /* it went away, or is no file: other figures stay */
    vw_error_clear();
    ++*left_out;
    return VW_OK;
  }
  if (bytes > VW_REPORT_FIGURE_BYTES || p->html.inlined + bytes > VW_REPORT_INLINED_BYTES)
    ++*left_out;
  else
    put_figure(p, file, data, bytes);
  free(data);
  return VW_OK;
}

vw_status vw_report_figures(vw_report_page *p) {
  figures f = {.n = 0};
  char folder[VW_PATH_BYTES];
  int left_out = 0;
  VW_TRY(vw_path_format(folder, "%s/figures", p->c->s->out));
  list_figures(folder, &f);
  left_out = f.more;
  vw_report_section(p, "figures", "Figures");
  if (!f.n) {
    (void)vw_print_html(p->out, "<p>There are no figures yet. ");
    vw_report_command(p, "collect");
    (void)vw_print_html(p->out, " draws them.</p>\n");
  }
  if (f.n && !p->has_all)
    (void)vw_print_html(
        p->out,
        "<p class=\"note\">Figures are as the last <code>collect</code> drew them; the numbers of this page may "
        "be of more trials.</p>\n");
  for (int i = 0; i < f.n; i++) VW_TRY(put_file(p, f.name[i], &left_out));
  if (left_out)
    (void)vw_print_html(p->out,
                        "<p class=\"note\">%d more in the folder figures: too large or too many for this page.</p>\n",
                        left_out);
  vw_report_section_end(p);
  return VW_OK;
}

/* ---- contact sheets ---------------------------------------------------------------------------------------------- */

/* No wider and higher than the page shows it. */
static vw_status shrink(vw_image *image) {
  const int64_t h = image->height, w = image->width, side = h > w ? h : w;
  if (side <= VW_REPORT_SIDE) return VW_OK;
  const int64_t H = h * VW_REPORT_SIDE / side > 0 ? h * VW_REPORT_SIDE / side : 1,
                W = w * VW_REPORT_SIDE / side > 0 ? w * VW_REPORT_SIDE / side : 1;
  uint8_t *small = malloc((size_t)(H * W * 3));
  VW_CHECK(small, VW_ERR_MEMORY, "report: out of memory");
  const vw_status st = vw_resize_bicubic(image->rgb, h, w, small, H, W, false);
  if (st != VW_OK) {
    free(small);
    return st;
  }
  free(image->rgb);
  *image = (vw_image){.height = H, .width = W, .rgb = small};
  return VW_OK;
}

static void put_sheet(vw_report_page *p, const vw_model_config *model, const char *concept, const vw_image *image,
                      const uint8_t *data, int64_t bytes) {
  (void)vw_print_html(
      p->out, "<figure><img width=\"%lld\" height=\"%lld\" alt=\"What words for %s drew in %s. Rows are anchors (",
      (long long)image->width, (long long)image->height, concept, model->name);
  for (int64_t i = 0; i < model->trials.anchors.n; i++)
    (void)vw_print_html(p->out, "%s%s", i ? ", " : "", model->trials.anchors.name[i]);
  (void)vw_print_html(p->out, "), columns a training picture, the untouched anchor, and each delta.\" src=\"");
  vw_html_data(&p->html, "image/jpeg", data, bytes);
  (void)vw_print_html(p->out, "\">\n<figcaption><bdi>%s</bdi>, drawn by <bdi>%s</bdi></figcaption></figure>\n", concept,
                      model->name);
}

/* One concept's; *shown: it is in the page. A sheet that cannot be read is not shown. */
static vw_status put_sheet_file(vw_report_page *p, const vw_model_config *model, const char *concept, const char *path,
                                bool *shown) {
  enum { QUALITY = 85 };
  vw_image image = {0};
  uint8_t *data = NULL;
  int64_t bytes = 0;
  if (vw_image_read(path, 0, &image) != VW_OK) {
    vw_error_clear();
    return VW_OK;
  }
  vw_status st = VW_OK;
  VW_GOTO(shrink(&image));
  VW_GOTO(vw_jpeg_encode(&image, QUALITY, &data, &bytes));
  *shown = p->html.inlined + bytes <= VW_REPORT_INLINED_BYTES;
  if (*shown) put_sheet(p, model, concept, &image, data, bytes);
cleanup:
  free(data);
  vw_image_free(&image);
  return st;
}

static vw_status sheet_path(const vw_report_page *p, int64_t model, int64_t data, const char *concept,
                            char path[VW_PATH_BYTES]) {
  const vw_results_source *s = p->c->s;
  char drawn[VW_PATH_BYTES], folder[VW_PATH_BYTES];
  const vw_task_inputs in = {
      .model = &s->config->models[model], .pictures = s->pictures[model * s->config->n_data + data], .drawn = drawn};
  VW_TRY(vw_path_format(drawn, "%s/pictures", s->out));
  VW_TRY(vw_drawn_folder(&in, concept, false, folder));
  return vw_drawn_sheet(folder, path);
}

static vw_status put_sheets(vw_report_page *p, int64_t model, int64_t data, int64_t *shown, int64_t *there) {
  const vw_study_config *config = p->c->s->config;
  const vw_names *concepts = &vw_study_data_of(config, model, data)->concepts;
  for (int64_t k = 0; k < concepts->n; k++) {
    char path[VW_PATH_BYTES];
    bool is_shown = false;
    VW_TRY(sheet_path(p, model, data, concepts->name[k], path));
    if (!vw_file_exists(path)) continue;
    ++*there;
    if (*shown < VW_REPORT_SHEETS)
      VW_TRY(put_sheet_file(p, &config->models[model], concepts->name[k], path, &is_shown));
    *shown += is_shown;
  }
  return VW_OK;
}

vw_status vw_report_pictures(vw_report_page *p) {
  int64_t model = 0, data = -1, shown = 0, there = 0, draw = 0;
  vw_report_section(p, "pictures", "Pictures that words draw");
  (void)vw_print_html(p->out, "<div class=\"sheets\">\n");
  while (vw_report_next(p, &model, &data)) {
    if (!vw_collect_task(p->c, model)->sheet) continue;
    draw++;
    VW_TRY(put_sheets(p, model, data, &shown, &there));
  }
  (void)vw_print_html(p->out, "</div>\n");
  if (there)
    (void)vw_print_html(
        p->out,
        "<p class=\"note\">%lld of %lld contact sheets, made smaller. Rows are anchors; columns are a training "
        "picture, the untouched anchor (0), and picture 0 of each delta; grey: not there. All of "
        "them, and every picture, are in the folder pictures.</p>\n",
        (long long)shown, (long long)there);
  else if (draw) {
    (void)vw_print_html(p->out, "<p>No contact sheet is there yet. ");
    vw_report_command(p, "evaluate");
    (void)vw_print_html(p->out, " draws and judges what words draw.</p>\n");
  } else {
    (void)vw_print_html(p->out, "<p>No network of this study draws.</p>\n");
  }
  vw_report_section_end(p);
  return VW_OK;
}
