/* Sanitizer builds only. Open MPI unloads its modules before the process ends; the leak checker can then name neither
 * them nor their leaks, and tests/support/lsan.supp could suppress nothing. So nothing is unloaded.
 * (Weak: the archive may stand twice in a link line.) */
int dlclose(void *handle);

__attribute__((weak)) int dlclose(void *handle) {
  (void)handle;
  return 0;
}
