#include "io/annotations/xml.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

typedef struct builder {
  const char *path;
  XML_Parser parser;
  vw_xml *x;
  vw_xml_element *open; /* the innermost element whose end is still to come */
  vw_status status;
} builder;

/* No further call comes once the parser is stopped. */
static void stop(builder *b, vw_status st) {
  b->status = st;
  (void)XML_StopParser(b->parser, XML_FALSE);
}

/* ---- what expat calls ---- */

static void XMLCALL on_start(void *data, const XML_Char *name, const XML_Char **attributes) {
  builder *b = data;
  (void)attributes;
  vw_xml_element *e = vw_pool_take(&b->x->pool, sizeof *e);
  if (e) e->name = vw_pool_text(&b->x->pool, name, -1);
  if (!e || !e->name) {
    stop(b, VW_RAISE(VW_ERR_MEMORY, "%s: no memory for its elements", b->path));
    return;
  }
  e->line = (int64_t)XML_GetCurrentLineNumber(b->parser);
  e->begin = b->x->text_bytes;
  e->parent = b->open;
  if (!b->open)
    b->x->top = e;
  else if (b->open->last)
    b->open->last->next = e;
  else
    b->open->first = e;
  if (b->open) b->open->last = e;
  b->open = e;
}

static void XMLCALL on_end(void *data, const XML_Char *name) {
  builder *b = data;
  (void)name;
  b->open->end = b->x->text_bytes;
  b->open = b->open->parent;
}

static void XMLCALL on_text(void *data, const XML_Char *text, int bytes) {
  builder *b = data;
  vw_xml *x = b->x;
  if (x->text_room - x->text_bytes < (size_t)bytes) {
    const size_t room = 2 * (x->text_bytes + (size_t)bytes);
    char *grown = realloc(x->text, room);
    if (!grown) {
      stop(b, VW_RAISE(VW_ERR_MEMORY, "%s: no memory for its text", b->path));
      return;
    }
    x->text = grown, x->text_room = room;
  }
  memcpy(x->text + x->text_bytes, text, (size_t)bytes);
  x->text_bytes += (size_t)bytes;
}

static void XMLCALL on_type(void *data, const XML_Char *name, const XML_Char *system, const XML_Char *public,
                            int has_subset) {
  builder *b = data;
  (void)name, (void)system, (void)public, (void)has_subset;
  stop(b, VW_RAISE(VW_ERR_INPUT, "%s: has a document type declaration; VOC's files have none", b->path));
}

/* ---- the document ---- */

static vw_status parse(builder *b, const char *document, int64_t bytes) {
  VW_CHECK(bytes <= INT32_MAX, VW_ERR_INPUT, "%s: has %" PRId64 " bytes", b->path, bytes);
  XML_SetUserData(b->parser, b);
  XML_SetElementHandler(b->parser, on_start, on_end);
  XML_SetCharacterDataHandler(b->parser, on_text);
  XML_SetStartDoctypeDeclHandler(b->parser, on_type);
  if (XML_Parse(b->parser, document, (int)bytes, XML_TRUE) == XML_STATUS_OK) return VW_OK;
  if (b->status != VW_OK) return b->status;
  const enum XML_Error code = XML_GetErrorCode(b->parser);
  return VW_RAISE(code == XML_ERROR_NO_MEMORY ? VW_ERR_MEMORY : VW_ERR_INPUT, "%s:%" PRIu64 ": not XML: %s", b->path,
                  (uint64_t)XML_GetCurrentLineNumber(b->parser), XML_ErrorString(code));
}

vw_status vw_xml_parse(const char *path, const char *document, int64_t bytes, vw_xml *out) {
  *out = (vw_xml){0};
  builder b = {.path = path, .parser = XML_ParserCreate(NULL), .x = out};
  VW_CHECK(b.parser, VW_ERR_MEMORY, "out of memory");
  const vw_status st = parse(&b, document, bytes);
  XML_ParserFree(b.parser);
  return st;
}

void vw_xml_fini(vw_xml *x) {
  free(x->text);
  vw_pool_fini(&x->pool);
  *x = (vw_xml){0};
}

/* ---- elements ---- */

static const vw_xml_element *named(const vw_xml_element *e, const char *name) {
  while (e && strcmp(e->name, name) != 0) e = e->next;
  return e;
}

const vw_xml_element *vw_xml_child(const vw_xml_element *parent, const char *name) {
  return named(parent->first, name);
}

const vw_xml_element *vw_xml_next(const vw_xml_element *e, const char *name) {
  return named(e->next, name);
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool vw_xml_text(const vw_xml *x, const vw_xml_element *e, char *out, size_t bytes) {
  size_t begin = e->begin, end = e->end;
  while (begin < end && is_space(x->text[begin])) begin++;
  while (begin < end && is_space(x->text[end - 1])) end--;
  out[0] = 0;
  if (end - begin >= bytes) return false;
  if (end > begin) memcpy(out, x->text + begin, end - begin);
  out[end - begin] = 0;
  return true;
}
