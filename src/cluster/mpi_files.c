#include "cluster/mpi_files.h"

#include <dlfcn.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpi.h>

#ifdef OPEN_MPI

enum { NAME_BYTES = 32, LINE_BYTES = 4096 };
static const char PLUGIN[] = "mca_io_romio*.so";

/* ---- did the user choose? ---- */

/* A line "io = NAME" in a file of MCA parameters. */
static bool file_chooses(const char *path) {
  char line[LINE_BYTES], value[2];
  bool found = false;
  FILE *f = fopen(path, "re");
  while (f && !found && fgets(line, sizeof line, f)) found = sscanf(line, " io = %1s", value) == 1;
  if (f) (void)fclose(f);
  return found;
}

static bool folder_chooses(const char *folder, const char *rest) {
  char path[PATH_MAX];
  return folder && folder[0] && snprintf(path, sizeof path, "%s/%s", folder, rest) < (int)sizeof path &&
         file_chooses(path);
}

/* The environment comes before the user's file and the site's: what is set here would overrule both. */
static bool is_chosen(const char *libraries) {
  static const char site[] = "openmpi-mca-params.conf";
  const char *given = getenv("OMPI_MCA_io"), *prefix = getenv("OPAL_PREFIX"), *etc = getenv("OPAL_SYSCONFDIR");
  if (given && given[0]) return true;
  if (folder_chooses(getenv("HOME"), ".openmpi/mca-params.conf")) return true;
  if (etc) return folder_chooses(etc, site);
  if (prefix) return folder_chooses(prefix, "etc/openmpi-mca-params.conf");
  return folder_chooses("/etc/openmpi", site) || folder_chooses("/etc/openmpi-x86_64", site) ||
         folder_chooses(libraries, "../etc/openmpi-mca-params.conf");
}

/* ---- which ROMIO is there? ---- */

/* Where the MPI in use lies, links followed; "" where that cannot be told. PMPI: tools put themselves before MPI_Init.
 */
static void find_libraries(char folder[PATH_MAX]) {
  Dl_info info = {0};
  void *at = dlsym(RTLD_DEFAULT, "PMPI_Init");
  if (!at || !dladdr(at, &info) || !info.dli_fname || !realpath(info.dli_fname, folder)) folder[0] = 0;
  char *end = strrchr(folder, '/');
  if (end) *end = 0;
}

/* "romio321" of FOLDER/BETWEEN/mca_io_romio321.so; the last name where there are several. */
static bool find_plugin(const char *folder, size_t length, const char *between, char name[NAME_BYTES]) {
  char pattern[PATH_MAX];
  glob_t found = {0};
  name[0] = 0;
  if (length == 0 ||
      snprintf(pattern, sizeof pattern, "%.*s%s/%s", (int)length, folder, between, PLUGIN) >= (int)sizeof pattern)
    return false;
  if (glob(pattern, 0, NULL, &found) == 0) {
    const char *file = strrchr(found.gl_pathv[found.gl_pathc - 1], '/');
    const char *start = file + 1 + strlen("mca_io_");
    (void)snprintf(name, NAME_BYTES, "%.*s", (int)strcspn(start, "."), start);
  }
  globfree(&found);
  return name[0] != 0;
}

/* Open MPI 5 is built without plugins as a rule: its parts are in the library. */
static bool find_built_in(char name[NAME_BYTES]) {
  static const char *const known[] = {"romio341", "romio321", "romio314"};
  char symbol[64];
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    (void)snprintf(symbol, sizeof symbol, "mca_io_%s_component", known[i]);
    if (!dlsym(RTLD_DEFAULT, symbol)) continue;
    (void)snprintf(name, NAME_BYTES, "%s", known[i]);
    return true;
  }
  return false;
}

/* Plugins are where Open MPI was told that they are, and only there; else below the library's folder (Debian:
 * openmpi/lib/openmpi3). */
static bool find_romio(const char *libraries, char name[NAME_BYTES]) {
  static const struct {
    const char *variable, *between;
  } told[] = {{"OPAL_PKGLIBDIR", ""}, {"OPAL_LIBDIR", "/openmpi*"}, {"OPAL_PREFIX", "/lib/openmpi*"}};
  const char *path = getenv("OMPI_MCA_mca_base_component_path");
  if (find_built_in(name)) return true;
  if (path) {
    for (size_t n = 0; *path; path += n + (path[n] == ':')) {
      n = strcspn(path, ":");
      if (find_plugin(path, n, "", name)) return true;
    }
    return false;
  }
  for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
    const char *folder = getenv(told[i].variable);
    if (folder) return find_plugin(folder, strlen(folder), told[i].between, name);
  }
  return find_plugin(libraries, strlen(libraries), "/openmpi*", name) ||
         find_plugin(libraries, strlen(libraries), "/openmpi/lib/openmpi*", name);
}

const char *vw_mpi_files_choose(void) {
  char libraries[PATH_MAX], name[NAME_BYTES];
  find_libraries(libraries);
  if (is_chosen(libraries)) return NULL;
  if (find_romio(libraries, name) && setenv("OMPI_MCA_io", name, 1) == 0) return NULL;
  return "this Open MPI has no ROMIO, so study.h5 is opened with a named semaphore /dev/shm/sem.OMPIO_study.h5*, which "
         "other users can block and a killed run leaves behind; install Open MPI's ROMIO, or use MPICH "
         "(docs/install.md)";
}

#else

const char *vw_mpi_files_choose(void) {
  return NULL;
}

#endif
