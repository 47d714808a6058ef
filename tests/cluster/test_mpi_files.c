/* Which part of Open MPI is told to open files, by what the environment and the user's files say. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/mpi_files.h"
#include "tests/support/test.h"

#include <mpi.h>

static char home[] = "/tmp/viswords-mpi-files-XXXXXX";

static void forget(void) {
  static const char *const all[] = {"OMPI_MCA_io",    "OMPI_MCA_mca_base_component_path",
                                    "OPAL_PKGLIBDIR", "OPAL_LIBDIR",
                                    "OPAL_PREFIX",    "OPAL_SYSCONFDIR"};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) unsetenv(all[i]);
}

#ifdef OPEN_MPI
static void write_file(const char *name, const char *text) {
  char path[PATH_MAX];
  (void)snprintf(path, sizeof path, "%s/%s", home, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  assert_true(fputs(text, f) >= 0);
  assert_int_equal(fclose(f), 0);
}

static void make_folder(const char *name, char path[PATH_MAX]) {
  (void)snprintf(path, PATH_MAX, "%s/%s", home, name);
  assert_int_equal(mkdir(path, 0700), 0);
}

/* An Open MPI 5 has its parts in the library, wherever plugins are said to be. */
static bool is_built_in(void) {
  int length = 0;
  char version[MPI_MAX_LIBRARY_VERSION_STRING];
  (void)MPI_Get_library_version(version, &length);
  return strncmp(version, "Open MPI v4", 11) != 0;
}

static void installed_romio_is_chosen(void **state) {
  (void)state;
  forget();
  assert_null(vw_mpi_files_choose());
  assert_non_null(getenv("OMPI_MCA_io"));
  assert_int_equal(strncmp(getenv("OMPI_MCA_io"), "romio", 5), 0);
}

static void user_keeps_the_choice(void **state) {
  char etc[PATH_MAX];
  (void)state;
  forget();
  setenv("OMPI_MCA_io", "ompio", 1);
  assert_null(vw_mpi_files_choose());
  assert_string_equal(getenv("OMPI_MCA_io"), "ompio");

  forget();
  make_folder(".openmpi", etc);
  write_file(".openmpi/mca-params.conf", "# io = romio321\nbtl = self\n  io=ompio\n");
  assert_null(vw_mpi_files_choose());
  assert_null(getenv("OMPI_MCA_io"));
  write_file(".openmpi/mca-params.conf", "# io = romio321\nio_ompio_priority = 1\n");
  assert_null(vw_mpi_files_choose());
  assert_non_null(getenv("OMPI_MCA_io"));

  forget();
  make_folder("etc", etc);
  setenv("OPAL_SYSCONFDIR", etc, 1);
  write_file("etc/openmpi-mca-params.conf", "io = ompio\n");
  assert_null(vw_mpi_files_choose());
  assert_null(getenv("OMPI_MCA_io"));
  forget();
}

static void plugins_are_where_they_are_said_to_be(void **state) {
  char with[PATH_MAX], without[PATH_MAX], both[2 * PATH_MAX + 1];
  (void)state;
  if (is_built_in()) skip();
  make_folder("with", with), make_folder("without", without);
  write_file("with/mca_io_romio999.so", "");
  write_file("without/mca_io_ompio.so", "");
  (void)snprintf(both, sizeof both, "%s:%s", without, with);

  forget();
  setenv("OMPI_MCA_mca_base_component_path", both, 1);
  assert_null(vw_mpi_files_choose());
  assert_string_equal(getenv("OMPI_MCA_io"), "romio999");

  forget();
  setenv("OPAL_PKGLIBDIR", with, 1);
  assert_null(vw_mpi_files_choose());
  assert_string_equal(getenv("OMPI_MCA_io"), "romio999");

  forget();
  setenv("OMPI_MCA_mca_base_component_path", without, 1);
  setenv("OPAL_PKGLIBDIR", with, 1);
  assert_non_null(strstr(vw_mpi_files_choose(), "has no ROMIO"));
  assert_null(getenv("OMPI_MCA_io"));
  forget();
}
#else
static void others_have_nothing_to_choose(void **state) {
  (void)state;
  forget();
  assert_null(vw_mpi_files_choose());
  assert_null(getenv("OMPI_MCA_io"));
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
#ifdef OPEN_MPI
      cmocka_unit_test(installed_romio_is_chosen), cmocka_unit_test(user_keeps_the_choice),
      cmocka_unit_test(plugins_are_where_they_are_said_to_be)
#else
      cmocka_unit_test(others_have_nothing_to_choose)
#endif
  };
  if (!mkdtemp(home) || setenv("HOME", home, 1) != 0) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  char command[PATH_MAX];
  (void)snprintf(command, sizeof command, "rm -r '%s'", home);
  return system(command) != 0 || failed;
}
