// acclimated: the server.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "grpc/grpc.h"
#include "server/api/description.h"
#include "server/api/init_process.h"
#include "server/api/maintenance_command.h"
#include "server/api/method_catalog.h"
#include "server/api/server.h"
#include "server/auth/audit_log.h"
#include "server/base/config.h"
#include "server/base/library_logs.h"
#include "server/base/log.h"
#include "server/base/version.h"

namespace acclimate {
namespace {

constexpr int kStopped = 0;
constexpr int kCannotRun = 1;
constexpr int kWrongUsage = 2;
constexpr int kStoppedAtOnce = 130;

// Signals that ask to stop, taken by sigwait() alone: set before any thread starts.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

int WaitForSignal(const sigset_t& signals) {
  int signal = 0;
  sigwait(&signals, &signal);
  return signal;
}

// SIGTERM to this process at the end of its standard input.
void StopWithStandardInput() {
  std::thread([] {
    char buffer[1 << 10];
    ssize_t got = 0;
    do {
      got = read(STDIN_FILENO, buffer, sizeof(buffer));
    } while (got > 0 || (got < 0 && errno == EINTR));
    kill(getpid(), SIGTERM);
  }).detach();
}

// Each connection takes two, and systems begin with 1024.
void RaiseOpenFileLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Serve(const ServerConfig& config) {
  RaiseOpenFileLimit();
#ifdef NDEBUG
  // Debian builds Abseil with it, and each lock then pays for a search of cycles.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  const sigset_t signals = BlockStopSignals();
  if (config.stop_with_stdin) StopWithStandardInput();
  // Never undone: gRPC's own shutdown waits for up to 10 s for a poller that has nothing to do any
  // more.
  grpc_init();
  absl::StatusOr<api::MethodCatalog> catalog = api::MethodCatalog::BuiltIn();
  if (!catalog.ok()) {
    LogError("cannot start", {{"error", catalog.status()}});
    return kCannotRun;
  }
  absl::StatusOr<std::unique_ptr<api::Server>> server =
      api::Server::Start(config, *std::move(catalog));
  if (!server.ok()) {
    LogError("cannot start", {{"error", server.status()}});
    return kCannotRun;
  }
  LogInfo("serving", {{"version", kVersion},
                      {"pid", static_cast<int>(getpid())},
                      {"data_dir", config.data_dir},
                      {"listen", (*server)->listen()},
                      {"metrics_listen", (*server)->metrics_listen()},
                      {"status_page", (*server)->shows_status_page()},
                      {"slots", config.slots}});

  LogInfo("stopping: running jobs go back to the queue",
          {{"signal", strsignal(WaitForSignal(signals))}, {"drain_timeout", config.drain_timeout}});
  std::thread([signals] {
    LogWarning("stopping at once", {{"signal", strsignal(WaitForSignal(signals))}});
    _exit(kStoppedAtOnce);
  }).detach();
  (*server)->Drain(config.drain_timeout);
  LogInfo("stopped");
  return kStopped;
}

int VerifyAudit(const std::string& path) {
  const absl::StatusOr<auth::AuditChain> chain = auth::VerifyAuditLog(path);
  if (!chain.ok()) {
    std::fprintf(stderr, "acclimated: %s\n", std::string(chain.status().message()).c_str());
    return kCannotRun;
  }
  std::printf("%lld entries, last hash %s\n", static_cast<long long>(chain->entries),
              chain->last_hash.c_str());
  return kStopped;
}

// "acclimated help", or --help wherever it is no flag's value.
bool AsksForHelp(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") return true;
  }
  return !arguments.empty() && arguments[0] == "help";
}

int Main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (AsksForHelp(arguments)) {
    std::fputs(ServerHelp().c_str(), stdout);
    return kStopped;
  }
  if (arguments.size() == 1 && arguments[0] == "--version") {
    std::printf("acclimated %s\n", kVersion);
    return kStopped;
  }
  if (arguments.size() == 2 && arguments[0] == "verify-audit") return VerifyAudit(arguments[1]);
  if (arguments.size() == 1 && arguments[0] == "describe") {
    std::printf("%s\n", api::DescribeServer().c_str());
    return kStopped;
  }
  if (api::IsMaintenanceCommand(arguments)) return api::RunMaintenanceCommand(arguments);
  if (arguments.empty() || arguments[0] != "serve") {
    std::fprintf(stderr,
                 "usage: acclimated serve --data-dir DIR [flags], or gc, fsck, backup, restore, "
                 "verify-audit or describe; see acclimated --help\n");
    return kWrongUsage;
  }
  absl::StatusOr<ServerConfig> config = LoadServerConfig(
      {arguments.begin() + 1, arguments.end()}, [](const char* name) { return std::getenv(name); });
  if (!config.ok()) {
    std::fprintf(stderr, "acclimated: %s\n", std::string(config.status().message()).c_str());
    return kWrongUsage;
  }
  RouteLibraryLogs();
  SetLogLevel(config->log_level);
  if (const std::optional<int> code = api::RunAsInit()) return *code;
  return Serve(*config);
}

}  // namespace
}  // namespace acclimate

int main(int argc, char** argv) { return acclimate::Main(argc, argv); }
