#include "server/api/init_process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "absl/status/status.h"
#include "server/base/log.h"

namespace acclimate::api {
namespace {

int ExitCodeOf(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Buries all that have ended; the server's exit code once it is among them.
std::optional<int> Bury(pid_t server) {
  std::optional<int> code;
  int status;
  for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (ended == server) code = ExitCodeOf(status);
  }
  return code;
}

}  // namespace

std::optional<int> RunAsInit() {
  if (getpid() != 1) return std::nullopt;
  sigset_t signals, before;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, &before);
  const pid_t server = fork();
  if (server < 0) {
    LogError("no process for the server", {{"error", absl::ErrnoToStatus(errno, "fork")}});
    return EXIT_FAILURE;
  }
  if (server == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return std::nullopt;
  }
  while (true) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal != SIGCHLD) {
      kill(server, signal);
    } else if (const std::optional<int> code = Bury(server)) {
      return code;
    }
  }
}

}  // namespace acclimate::api
