/* A small XML file as a tree, for VOC's annotations: elements with their text, nothing else (attributes, comments and
 * processing instructions are passed over). A document with a type declaration is refused before any of it is read:
 * entities live there. */
#ifndef VW_IO_ANNOTATIONS_XML_H
#define VW_IO_ANNOTATIONS_XML_H

#include "core/pool.h"
#include "core/status.h"

#include <stdint.h>

typedef struct vw_xml_element vw_xml_element;
struct vw_xml_element {
  const char *name; /* as it is written, a prefix included */
  int64_t line;     /* of the start tag, from 1 */
  /* Text of the element and of all elements in it: bytes begin to end of vw_xml.text. */
  size_t begin, end;
  vw_xml_element *parent, *first, *last, *next; /* first and last child; next of the same parent */
};

typedef struct vw_xml {
  vw_xml_element *top;
  char *text; /* UTF-8, whatever the file's encoding */
  size_t text_bytes, text_room;
  vw_pool pool;
} vw_xml;

/* Reads a document of `bytes` bytes in `*out`, which vw_xml_fini frees whatever comes back. `path` is for messages.
 * Errors: VW_ERR_INPUT (path:line and the reason; a document type declaration), VW_ERR_MEMORY. */
vw_status vw_xml_parse(const char *path, const char *document, int64_t bytes, vw_xml *out);

/* The first child of that name; NULL: none. */
const vw_xml_element *vw_xml_child(const vw_xml_element *parent, const char *name);

/* The next sibling of that name behind `e`; NULL: none. */
const vw_xml_element *vw_xml_next(const vw_xml_element *e, const char *name);

/* Copies the element's text without white space around it. false: longer than bytes - 1. */
bool vw_xml_text(const vw_xml *x, const vw_xml_element *e, char *out, size_t bytes);

void vw_xml_fini(vw_xml *x);

#endif
