/* VISWORDS_FAULT: what is read, what is refused, where and how often a fault comes. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/log.h"
#include "core/pulse.h"
#include "tests/support/test.h"

static void ask(const char *text) {
  assert_int_equal(text ? setenv("VISWORDS_FAULT", text, 1) : unsetenv("VISWORDS_FAULT"), 0);
  vw_fault_reset();
}

static void test_malformed(void **state) {
  static const char *const bad[] = {"written",
                                    "nowhere=kill",
                                    "written:shoe=kill",
                                    "written:block:x=eio",
                                    "written:block:1:1=eio",
                                    "written=fly",
                                    "written:block:-1=eio",
                                    "written:any:1=",
                                    "=eio",
                                    "written=eio,oops"};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ask(bad[i]);
    for (int again = 0; again < 2; again++) { /* refused every time: nothing runs with half of what was asked */
      assert_int_equal(vw_fault_reach("gathering", "out"), VW_ERR_ARG);
      assert_non_null(strstr(vw_error_message(), "expected state[:kind[:nth]]=action"));
    }
  }
  char text[600];
  memset(text, 'x', sizeof text - 1), text[sizeof text - 1] = 0;
  ask(text);
  assert_int_equal(vw_fault_reach("gathering", "out"), VW_ERR_ARG);
  ask("taking=eio,taking=eio,taking=eio,taking=eio,taking=eio,taking=eio,taking=eio,taking=eio,taking=eio");
  assert_int_equal(vw_fault_reach("gathering", "out"), VW_ERR_ARG);
}

static void test_none(void **state) {
  (void)state;
  ask(NULL);
  assert_ok(vw_fault_reach("written", "out/plan.yaml.partial"));
  ask("");
  assert_ok(vw_fault_reach("written", "out/plan.yaml.partial"));
}

/* The second block that is written, and no other kind of file or state. */
static void test_where(void **state) {
  static const char *const others[] = {"o/blocks/0a-evaluation.safetensors.partial-12", "o/blocks/0a.checkpoint.a",
                                       "o/plan.yaml", "o/features/0a.safetensors"};
  (void)state;
  ask("written:block:2=enospc,renamed:plan:0=eio,renamed:study=edquot,renamed:table=erofs");
  for (int i = 0; i < 4; i++) assert_ok(vw_fault_reach("written", others[i]));
  assert_ok(vw_fault_reach("fsynced", "o/blocks/0a.safetensors"));
  assert_ok(vw_fault_reach("written", "o/blocks/0a.safetensors.partial-12"));
  assert_int_equal(vw_fault_reach("written", "o/blocks/0b.safetensors.partial-13"), VW_ERR_IO);
  assert_string_equal(
      vw_error_message(),
      "o/blocks/0b.safetensors.partial-13: written: No space left on device; make space, then the same command goes "
      "on (injected)");
  assert_ok(vw_fault_reach("written", "o/blocks/0b.safetensors"));
  for (int i = 0; i < 3; i++) assert_int_equal(vw_fault_reach("renamed", "o/plan.yaml"), VW_ERR_IO);
  assert_non_null(strstr(vw_error_message(), "Input/output error"));
  assert_int_equal(vw_fault_reach("renamed", "o/study.h5"), VW_ERR_IO);
  assert_non_null(strstr(vw_error_message(), "Disk quota exceeded; make space"));
  assert_int_equal(vw_fault_reach("renamed", "o/summary.csv"), VW_ERR_IO);
  assert_non_null(strstr(vw_error_message(), "Read-only file system; choose a place where you may write"));
}

/* Every state is told, with the stage and the kind of file; what fails there still fails. */
static void test_told(void **state) {
  char path[] = "/tmp/vw-fault-XXXXXX", text[1024] = "";
  const int fd = mkstemp(path);
  (void)state;
  assert_true(fd >= 0);
  vw_log_set_file(fd);
  vw_pulse_stage("evaluate", "");
  ask("any:any:0=tell,written:block=eio");
  assert_ok(vw_fault_reach("taking", "0a"));
  assert_ok(vw_fault_reach("renamed", "o/blocks/0a-evaluation.safetensors"));
  assert_int_equal(vw_fault_reach("written", "o/my blocks/blocks/0a.safetensors.partial-1"), VW_ERR_IO);
  vw_log_set_file(-1);
  assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
  assert_non_null(strstr(text, "fault point: stage=evaluate state=taking kind=any path=0a\""));
  assert_non_null(strstr(text, "state=renamed kind=evaluation path=o/blocks/0a-evaluation.safetensors\""));
  assert_non_null(strstr(text, "state=written kind=block path=o/my blocks/blocks/0a.safetensors.partial-1\""));
  vw_pulse_stage(NULL, NULL);
  (void)close(fd), (void)unlink(path);
}

static volatile sig_atomic_t came;
static void on_signal(int number) {
  came = number;
}

static void test_signals(void **state) {
  (void)state;
  (void)signal(SIGTERM, on_signal), (void)signal(SIGUSR1, on_signal);
  ask("taking=term,gathering=usr1,checkpointing=pause");
  assert_ok(vw_fault_reach("taking", "0a"));
  assert_int_equal(came, SIGTERM);
  assert_ok(vw_fault_reach("gathering", "out"));
  assert_int_equal(came, SIGUSR1);
  vw_log_set_level(VW_LOG_ERROR);
  const pid_t child = fork();
  if (child == 0) {
    (void)alarm(20);
    _exit(vw_fault_reach("checkpointing", "0a") == VW_OK && came == SIGTERM ? 0 : 1);
  }
  int status = -1;
  while (waitpid(child, &status, WNOHANG) == 0) { /* until it takes one: it may not stand there yet */
    (void)kill(child, SIGTERM);
    (void)usleep(1000);
  }
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_killed(void **state) {
  char path[] = "/tmp/vw-fault-XXXXXX";
  int status = 0;
  struct stat info;
  (void)state;
  const int fd = mkstemp(path);
  assert_true(fd >= 0 && write(fd, "0123456789", 10) == 10);
  (void)close(fd);
  for (int torn = 0; torn < 2; torn++) {
    ask(torn ? "written=torn" : "written=kill");
    const pid_t child = fork();
    if (child == 0) _exit(vw_fault_reach("written", path) == VW_OK ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, torn ? 5 : 10);
  }
  (void)unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_malformed), cmocka_unit_test(test_none),
                                     cmocka_unit_test(test_where),     cmocka_unit_test(test_signals),
                                     cmocka_unit_test(test_killed),    cmocka_unit_test(test_told)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
