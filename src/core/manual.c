#include "core/manual.h"

#include "core/text.h"

#include <string.h>

vw_status vw_manual_shell(const char *name, vw_manual_kind *kind) {
  static const char *const shells[] = {"bash", "zsh", "fish"};
  for (int i = 0; i < 3; i++)
    if (!strcmp(name, shells[i])) {
      *kind = (vw_manual_kind)i;
      return VW_OK;
    }
  return VW_RAISE(VW_ERR_ARG, "completion for '%s': there is one for bash, zsh and fish", name);
}

/* What an option's value is, by what stands for it in --help. */
typedef enum value_kind { NO_VALUE, A_VALUE, A_FOLDER, A_FILE } value_kind;

static value_kind value_of(const vw_option *o) {
  if (!o->argument) return NO_VALUE;
  if (!strcmp(o->argument, "DIR")) return A_FOLDER;
  return !strcmp(o->argument, "FILE") || !strcmp(o->argument, "PATH") ? A_FILE : A_VALUE;
}

/* Text inside '...' of a shell. zsh's _arguments and _describe also read : [ ] and \ in it. */
static void quoted(const char *text, vw_manual_kind kind, FILE *to) {
  for (const char *c = text; *c; c++) {
    if (kind == VW_MANUAL_FISH && (*c == '\'' || *c == '\\'))
      (void)fprintf(to, "\\%c", *c);
    else if (kind != VW_MANUAL_FISH && *c == '\'')
      (void)fputs("'\\''", to);
    else if (kind == VW_MANUAL_ZSH && strchr(":[]\\", *c))
      (void)fprintf(to, "\\%c", *c);
    else
      (void)fputc(*c, to);
  }
}

/* Text of the page: roff reads \ everywhere, . and ' at the start of a line, and prints - as a hyphen. */
static void roff(const char *text, FILE *to) {
  bool start = true;
  for (const char *c = text; *c; c++) {
    if (start && (*c == '.' || *c == '\'')) (void)fputs("\\&", to);
    if (*c == '\\')
      (void)fputs("\\e", to);
    else if (*c == '-')
      (void)fputs("\\-", to);
    else
      (void)fputc(*c, to);
    start = *c == '\n';
  }
}

/* ---- bash: one function, a case a command ---- */

static void bash_begin(const vw_manual *m, FILE *to) {
  (void)fprintf(to,
                "# Completion of %s for bash: source <(%s --completion bash)\n"
                "_%s() {\n  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
                "  local options='' values='' folders='' files=''\n  COMPREPLY=()\n"
                "  if [ \"$COMP_CWORD\" = 1 ]; then\n    mapfile -t COMPREPLY < <(compgen -W '",
                m->program, m->program, m->program);
  for (int i = 0; i < m->n; i++) (void)fprintf(to, "%s ", m->names[i]);
  (void)fputs("--help --version --completion --man' -- \"$word\")\n    return\n  fi\n  case ${COMP_WORDS[1]} in\n", to);
}

/* The names of options whose value is of a kind, as |--out|-o|. */
static void bash_names(const vw_command_line *c, const char *variable, value_kind kind, FILE *to) {
  (void)fprintf(to, " %s='|", variable);
  for (const vw_option *o = c->options; o && o->name; o++) {
    if (value_of(o) != kind) continue;
    (void)fprintf(to, "--%s|", o->name);
    if (o->letter) (void)fprintf(to, "-%c|", o->letter);
  }
  (void)fputc('\'', to);
}

static void bash_command(const vw_command_line *c, FILE *to) {
  (void)fprintf(to, "    %s) options='", c->command);
  for (const vw_option *o = c->options; o && o->name; o++) (void)fprintf(to, "--%s ", o->name);
  (void)fputs("--help'", to);
  bash_names(c, "values", A_VALUE, to);
  bash_names(c, "folders", A_FOLDER, to);
  bash_names(c, "files", A_FILE, to);
  (void)fputs(" ;;\n", to);
}

static void bash_end(const vw_manual *m, FILE *to) {
  (void)fprintf(to,
                "  esac\n  if [[ $values == *\"|$before|\"* ]]; then\n    return\n"
                "  elif [[ $folders == *\"|$before|\"* ]]; then\n"
                "    mapfile -t COMPREPLY < <(compgen -d -- \"$word\")\n"
                "  elif [[ $word == -* && $files != *\"|$before|\"* ]]; then\n"
                "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
                "  else\n    mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n  fi\n}\n"
                "complete -o filenames -F _%s %s\n",
                m->program, m->program);
}

/* ---- zsh ---- */

static void zsh_begin(const vw_manual *m, FILE *to) {
  (void)fprintf(
      to,
      "#compdef %s\n# Completion of %s for zsh: source <(%s --completion zsh), after compinit; or as _%s in a "
      "folder of $fpath\n_%s() {\n  local -a commands\n  commands=(\n",
      m->program, m->program, m->program, m->program, m->program);
  for (int i = 0; i < m->n; i++) {
    (void)fprintf(to, "    '%s:", m->names[i]);
    quoted(m->about[i], VW_MANUAL_ZSH, to);
    (void)fputs("'\n", to);
  }
  (void)fputs("  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n"
              "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $command in\n",
              to);
}

static void zsh_command(const vw_command_line *c, FILE *to) {
  (void)fprintf(to, "    %s) _arguments \\\n", c->command);
  for (const vw_option *o = c->options; o && o->name; o++) {
    const char *again = o->type == VW_OPT_LIST ? "*" : "";
    if (o->letter)
      (void)fprintf(to, "      '%s'{-%c,--%s}'[", *again ? again : "", o->letter, o->name);
    else
      (void)fprintf(to, "      '%s--%s[", again, o->name);
    quoted(o->help, VW_MANUAL_ZSH, to);
    (void)fputc(']', to);
    const value_kind kind = value_of(o);
    if (kind != NO_VALUE) {
      (void)fprintf(to, ":%s:%s", o->argument, kind == A_FOLDER ? "_files -/" : kind == A_FILE ? "_files" : " ");
    }
    (void)fputs("' \\\n", to);
  }
  (void)fputs("      '--help[all of this]' '*:file:_files' ;;\n", to);
}

static void zsh_end(const vw_manual *m, FILE *to) {
  (void)fprintf(to, "  esac\n}\nif [ \"$funcstack[1]\" = _%s ]; then _%s \"$@\"; else compdef _%s %s; fi\n", m->program,
                m->program, m->program, m->program);
}

/* ---- fish: a line an option ---- */

static void fish_begin(const vw_manual *m, FILE *to) {
  (void)fprintf(to, "# Completion of %s for fish: %s --completion fish | source\n", m->program, m->program);
  for (int i = 0; i < m->n; i++) {
    (void)fprintf(to, "complete -c %s -n __fish_use_subcommand -f -a %s -d '", m->program, m->names[i]);
    quoted(m->about[i], VW_MANUAL_FISH, to);
    (void)fputs("'\n", to);
  }
}

static void fish_command(const vw_manual *m, const vw_command_line *c, FILE *to) {
  for (const vw_option *o = c->options; o && o->name; o++) {
    const value_kind kind = value_of(o);
    (void)fprintf(to, "complete -c %s -n '__fish_seen_subcommand_from %s' -l %s", m->program, c->command, o->name);
    if (o->letter) (void)fprintf(to, " -s %c", o->letter);
    (void)fputs(kind == A_VALUE ? " -x" : kind == NO_VALUE ? "" : " -r", to);
    if (kind == A_FOLDER) (void)fputs(" -a '(__fish_complete_directories)'", to);
    (void)fputs(" -d '", to);
    quoted(o->help, VW_MANUAL_FISH, to);
    (void)fputs("'\n", to);
  }
}

/* ---- the page ---- */

static void page_begin(const vw_manual *m, FILE *to) {
  (void)fprintf(to, ".TH %s 1 \"\" \"%s %s\" \"User Commands\"\n.SH NAME\n%s \\- ", m->program, m->program, m->version,
                m->program);
  roff(m->summary, to);
  (void)fprintf(to, "\n.SH SYNOPSIS\n.B %s\n.I COMMAND\n[\\fIARGUMENTS\\fR]\n.SH COMMANDS\n", m->program);
}

static void page_command(const vw_manual *m, const vw_command_line *c, FILE *to) {
  (void)fprintf(to, ".SS \"%s %s ", m->program, c->command);
  for (const char *s = c->arguments; *s; s++) { /* a quote would end the title */
    if (*s == '"')
      (void)fputs("\\(dq", to);
    else
      roff((const char[]){*s, 0}, to);
  }
  (void)fputs("\"\n", to);
  roff(c->summary, to);
  (void)fputc('\n', to);
  for (const vw_option *o = c->options; o && o->name; o++) {
    (void)fputs(".TP\n", to);
    if (o->letter) (void)fprintf(to, "\\fB\\-%c\\fR, ", o->letter);
    (void)fputs("\\fB\\-\\-", to);
    roff(o->name, to);
    (void)fputs("\\fR", to);
    if (o->argument) (void)fprintf(to, " \\fI%s\\fR", o->argument);
    (void)fputc('\n', to);
    roff(o->help, to);
    (void)fputc('\n', to);
  }
}

static void page_end(const vw_manual *m, FILE *to) {
  for (const char *const *s = m->page_endings; s && s[0]; s += 2) {
    (void)fprintf(to, ".SH %s\n", s[0]);
    roff(s[1], to);
    (void)fputc('\n', to);
  }
}

void vw_manual_begin(const vw_manual *m, vw_manual_kind kind, FILE *to) {
  static void (*const begin[])(const vw_manual *, FILE *) = {bash_begin, zsh_begin, fish_begin, page_begin};
  begin[kind](m, to);
}

void vw_manual_command(const vw_manual *m, vw_manual_kind kind, const vw_command_line *c, FILE *to) {
  switch (kind) {
  case VW_MANUAL_BASH:
    bash_command(c, to);
    break;
  case VW_MANUAL_ZSH:
    zsh_command(c, to);
    break;
  case VW_MANUAL_FISH:
    fish_command(m, c, to);
    break;
  case VW_MANUAL_PAGE:
    page_command(m, c, to);
    break;
  }
}

void vw_manual_end(const vw_manual *m, vw_manual_kind kind, FILE *to) {
  if (kind == VW_MANUAL_BASH) bash_end(m, to);
  if (kind == VW_MANUAL_ZSH) zsh_end(m, to);
  if (kind == VW_MANUAL_PAGE) page_end(m, to);
}
