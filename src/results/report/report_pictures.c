/* Figures and contact sheets, within the page. What is too large stays outside, and the page says where. */
#include "results/figures/figures.h"
#include "results/report/report_internal.h"

#include "core/durable.h"
#include "io/pictures/image.h"
#include "io/pictures/preprocess.h"
#include "tasks/generation/drawn.h"

#include <stdlib.h>
#include <string.h>

/* ---- figures ----------------------------------------------------------------------------------------------------- */

enum { LONG_NAME = 160, WIDE = 600 };

/* The i-th of a kind's figures: the stem of its file and what it is of ("": the study). False behind the last. */
static bool figure_at(const vw_report_page *p, const vw_figure_kind *kind, int64_t i, char stem[LONG_NAME],
                      const char **subject) {
  const vw_task_kind *task = vw_collect_task_at(p->c, i);
  const char *hole = strstr(kind->name, "%s"), *name = "";
  *subject = "";
  if (kind->subject == VW_FIGURE_OF_TASK && task)
    name = task->metrics[task->headline].name, *subject = task->name;
  else if (kind->subject == VW_FIGURE_OF_MODEL && i < p->c->s->config->n_models)
    name = *subject = p->c->s->config->models[i].name;
  else if (kind->subject != VW_FIGURE_OF_STUDY || i)
    return false;
  const int before = hole ? (int)(hole - kind->name) : (int)strlen(kind->name);
  (void)snprintf(stem, LONG_NAME, "%.*s%s%s", before, kind->name, name, hole ? hole + 2 : "");
  return true;
}

/* Pixels that an SVG says it is wide; 0: it does not. */
static double width_of(const char *svg) {
  const char *tag = strstr(svg, "<svg"), *end = tag ? strchr(tag, '>') : NULL,
             *width = tag ? strstr(tag, " width=\"") : NULL;
  return width && width < end ? strtod(width + strlen(" width=\""), NULL) : 0;
}

/* An image element: what is in it runs no script, loads nothing, and cannot meddle with names of the page. */
static void put_figure(vw_report_page *p, const vw_figure_kind *kind, const char *subject, const char *stem,
                       const char *data, int64_t bytes) {
  (void)fputs(width_of(data) > WIDE ? "<figure class=\"wide\"><img alt=\"" : "<figure><img alt=\"", p->out);
  (void)vw_print_html(p->out, "%s%s%s. %s\" src=\"", kind->title, subject[0] ? ": " : "", subject, kind->caption);
  vw_html_data(&p->html, "image/svg+xml", data, bytes);
  (void)vw_print_html(p->out, "\">\n<figcaption><strong>%s%s<bdi>%s</bdi></strong>", kind->title,
                      subject[0] ? ": " : "", subject);
  if (kind->paper[0]) (void)vw_print_html(p->out, " (the paper's %s)", kind->paper);
  (void)vw_print_html(p->out, ". %s <small>figures/%s.svg</small></figcaption></figure>\n", kind->caption, stem);
}

typedef struct figures {
  int shown, left_out, absent;
} figures;

/* Figures that went away, or are no files, are as absent ones. */
static vw_status put_figure_file(vw_report_page *p, const vw_figure_kind *kind, const char *subject, const char *stem,
                                 figures *f) {
  char path[VW_PATH_BYTES], *data = NULL;
  int64_t bytes = 0;
  VW_TRY(vw_path_format(path, "%s/figures/%s.svg", p->c->s->out, stem));
  if (!vw_file_exists(path) || vw_file_read(path, &data, &bytes) != VW_OK) {
    vw_error_clear();
    f->absent++;
    return VW_OK;
  }
  if (bytes > VW_REPORT_FIGURE_BYTES || p->html.inlined + bytes > VW_REPORT_INLINED_BYTES)
    f->left_out++;
  else
    put_figure(p, kind, subject, stem, data, bytes), f->shown++;
  free(data);
  return VW_OK;
}

vw_status vw_report_figures(vw_report_page *p) {
  figures f = {0, 0, 0};
  char stem[LONG_NAME];
  const char *subject = NULL;
  vw_report_section(p, "figures", "Figures");
  if (!p->has_all)
    (void)vw_print_html(p->out,
                        "<p class=\"note\">Figures are as they were last drawn; the numbers of this page may be "
                        "of more trials.</p>\n");
  (void)fputs("<div class=\"figures\">\n", p->out);
  for (int k = 0; k < vw_n_figure_kinds; k++)
    for (int64_t i = 0; figure_at(p, &vw_figure_kinds[k], i, stem, &subject); i++)
      VW_TRY(put_figure_file(p, &vw_figure_kinds[k], subject, stem, &f));
  (void)fputs("</div>\n", p->out);
  if (!f.shown) {
    (void)vw_print_html(p->out, "<p>There are no figures yet. ");
    vw_report_command(p, "collect");
    (void)vw_print_html(p->out, " draws the first ones.</p>\n");
  }
  if (f.left_out)
    (void)vw_print_html(p->out, "<p class=\"note\">%d more in the folder figures: too large for this page.</p>\n",
                        f.left_out);
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
