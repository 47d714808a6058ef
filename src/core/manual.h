/* What the tables of options (core/options.h) tell besides --help: completion for shells, and the manual page. */
#ifndef VW_CORE_MANUAL_H
#define VW_CORE_MANUAL_H

#include "core/options.h"

typedef enum vw_manual_kind { VW_MANUAL_BASH, VW_MANUAL_ZSH, VW_MANUAL_FISH, VW_MANUAL_PAGE } vw_manual_kind;

/* The program as a whole. All borrowed. */
typedef struct vw_manual {
  const char *program, *summary, *version;
  int n;                           /* commands */
  const char *const *names;        /* [n] */
  const char *const *about;        /* [n]: a line each */
  const char *const *page_endings; /* titles and texts in turn, NULL ends them: further sections of the page */
} vw_manual;

/* "bash", "zsh" or "fish". Errors: VW_ERR_ARG naming the three. */
vw_status vw_manual_shell(const char *name, vw_manual_kind *kind);

/* Written to `to` in this order: the beginning, each command in the order of `names`, the end. */
void vw_manual_begin(const vw_manual *m, vw_manual_kind kind, FILE *to);
void vw_manual_command(const vw_manual *m, vw_manual_kind kind, const vw_command_line *c, FILE *to);
void vw_manual_end(const vw_manual *m, vw_manual_kind kind, FILE *to);

#endif
