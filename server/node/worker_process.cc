#include "server/node/worker_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/process_stat.h"
#include "server/protocol/exit_codes.h"
#include "server/protocol/message_limits.h"
#include "server/protocol/valid_utf8.h"

namespace acclimate::node {
namespace {

using protocol::UniqueFd;

constexpr int kChannelFd = 3;  // in the worker
constexpr absl::Duration kUsageCheckInterval = absl::Milliseconds(500);
constexpr absl::Duration kReapPollInterval = absl::Milliseconds(2);

// How often the kernel has killed a process for memory since it started; 0 where it does not say.
int64_t CountOomKills() {
  std::ifstream vmstat("/proc/vmstat");
  std::string key;
  int64_t value;
  while (vmstat >> key >> value) {
    if (key == "oom_kill") return value;
  }
  return 0;
}

std::vector<std::string> Arguments(const WorkerProcessOptions& options) {
  return {options.path,
          "--channel-fd",
          absl::StrCat(kChannelFd),
          "--scratch",
          options.scratch_directory,
          "--threads",
          absl::StrCat(options.threads),
          "--device",
          options.device,
          "--file-size-limit",
          absl::StrCat(options.file_size_limit_bytes)};
}

// Nothing of ours, but for what finds libraries and devices.
std::vector<std::string> Environment(const WorkerProcessOptions& options) {
  std::vector<std::string> environment = {
      "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC",
      absl::StrCat("HOME=", options.scratch_directory),
      absl::StrCat("TMPDIR=", options.scratch_directory),
      absl::StrCat("OMP_NUM_THREADS=", options.threads),
      // Threads that wait for each other give up the processor after some ten microseconds instead
      // of a millisecond, in which the one they wait for could have run: docs/architecture.md.
      "GOMP_SPINCOUNT=2000",
      "OPENBLAS_NUM_THREADS=1",  // one pool of threads only
  };
  for (const char* name : {"LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "OPENBLAS_CORETYPE",
                           "ACCLIMATE_COUNT_SYNCHRONIZATIONS", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                           "TSAN_OPTIONS", "LSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) {
      environment.push_back(absl::StrCat(name, "=", value));
    }
  }
  return environment;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

absl::StatusOr<pid_t> Spawn(const WorkerProcessOptions& options, int socket, int stderr_pipe) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  absl::Cleanup cleanup = [&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  };
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, stderr_pipe, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, stderr_pipe, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, socket, kChannelFd);
  posix_spawn_file_actions_addclosefrom_np(&actions, kChannelFd + 1);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> arguments = Arguments(options);
  std::vector<std::string> environment = Environment(options);
  pid_t pid;
  const int error = posix_spawn(&pid, options.path.c_str(), &actions, &attributes,
                                Pointers(arguments).data(), Pointers(environment).data());
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", options.path));
  return pid;
}

absl::Status CreateEmptyDirectory(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  std::filesystem::create_directory(path, error);
  if (!error) std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("scratch directory ", path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(
    const WorkerProcessOptions& options) {
  absl::Status status = CreateEmptyDirectory(options.scratch_directory);
  if (!status.ok()) return status;
  absl::StatusOr<protocol::SocketPair> sockets = protocol::MakeSocketPair();
  if (!sockets.ok()) return sockets.status();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2");
  UniqueFd stderr_read(ends[0]), stderr_write(ends[1]);
  fcntl(stderr_read.get(), F_SETFL, O_NONBLOCK);
  const absl::StatusOr<pid_t> pid = Spawn(options, sockets->theirs.get(), stderr_write.get());
  if (!pid.ok()) return pid.status();
  return std::unique_ptr<WorkerProcess>(
      new WorkerProcess(options, std::move(sockets->ours), std::move(stderr_read), *pid));
}

WorkerProcess::WorkerProcess(const WorkerProcessOptions& options, UniqueFd socket,
                             UniqueFd stderr_pipe, pid_t pid)
    : options_(options),
      channel_(std::move(socket), protocol::Channel::Descriptors::kRefuse,
               protocol::kMaxWorkerMessageBytes),
      stderr_(std::move(stderr_pipe)),
      pid_(pid),
      oom_kills_before_(CountOomKills()) {}

WorkerProcess::~WorkerProcess() {
  Kill();
  Reap(absl::InfiniteDuration());
  std::error_code ignored;
  std::filesystem::remove_all(options_.scratch_directory, ignored);
}

std::string MemoryLimit::ToString() const {
  return absl::StrCat("it may use ", bytes, " (", name, ")");
}

absl::Status WorkerProcess::LimitMemory(const MemoryLimit& limit) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)limit;  // a sanitizer's shadow memory counts, and is far larger than any limit
  return absl::OkStatus();
#else
  memory_limit_ = limit;
  const auto reserved = static_cast<rlim_t>(2 * limit.bytes + limit.file_bytes);
  const rlimit data = {reserved, reserved};
  return prlimit(pid_, RLIMIT_DATA, &data, nullptr) == 0 ? absl::OkStatus()
                                                         : absl::ErrnoToStatus(errno, "prlimit");
#endif
}

std::optional<absl::Duration> WorkerProcess::ProcessorTime() const {
  const std::optional<ProcessStat> stat = ProcessStat::Read(absl::StrCat(pid_));
  if (!stat) return std::nullopt;
  return stat->processor_time();
}

int64_t WorkerProcess::MeasureMemory() {
  const int64_t bytes = AnonymousMemoryBytes(pid_);
  peak_memory_bytes_ = std::max(peak_memory_bytes_, bytes);
  return bytes;
}

void WorkerProcess::CheckUsage() {
  const Instant now = Instant::Now();
  if (now < next_usage_check_ || exit_.has_value() || !exceeded_.empty()) return;
  next_usage_check_ = now + kUsageCheckInterval;
  const int64_t memory = MeasureMemory();
  killed_for_memory_ = memory_limit_.bytes > 0 && memory > memory_limit_.bytes;
  exceeded_ = killed_for_memory_ ? absl::StrCat("the job used ", memory, " bytes of memory; ",
                                                memory_limit_.ToString())
                                 : ExceededLimit(pid_, options_.scratch_directory, options_.usage);
  if (!exceeded_.empty()) Kill();
}

void WorkerProcess::Wait(int wake_fd, Instant deadline) {
  while (true) {
    CheckUsage();
    const Instant next = std::min(deadline, Instant::Now() + kUsageCheckInterval);
    pollfd entries[] = {
        {channel_.fd(), POLLIN, 0}, {wake_fd, POLLIN, 0}, {stderr_.get(), POLLIN, 0}};
    poll(entries, 3, next.PollMilliseconds());
    if (entries[2].revents != 0) ReadStderr();
    if (entries[0].revents != 0 || entries[1].revents != 0 || Instant::Now() >= deadline) return;
  }
}

bool WorkerProcess::ReadStderr() {
  char buffer[16 << 10];
  const ssize_t got = stderr_.valid() ? read(stderr_.get(), buffer, sizeof(buffer)) : -1;
  if (got == 0) stderr_.Reset();
  if (got <= 0) return false;
  tail_.append(buffer, got);
  // Twice the tail, so that trimming is rare.
  if (tail_.size() > 2 * kStderrTailBytes) tail_.erase(0, tail_.size() - kStderrTailBytes);
  return true;
}

std::string WorkerProcess::StderrTail() const {
  absl::string_view tail = tail_;
  if (tail.size() > kStderrTailBytes) tail.remove_prefix(tail.size() - kStderrTailBytes);
  return protocol::ValidUtf8(tail);
}

bool WorkerProcess::Running() { return !TryReap(); }

void WorkerProcess::Terminate() {
  if (!exit_.has_value()) kill(pid_, SIGTERM);
}

void WorkerProcess::Kill() {
  if (exit_.has_value()) return;
  killed_ = true;
  kill(pid_, SIGKILL);
}

bool WorkerProcess::TryReap() {
  if (exit_.has_value()) return true;
  int status;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
  WorkerExit exit;
  if (WIFSIGNALED(status)) exit.signal = WTERMSIG(status);
  if (WIFEXITED(status)) exit.exit_code = WEXITSTATUS(status);
  exit.killed_by_node = killed_ && exit.signal == SIGKILL;
  exit.out_of_memory = killed_for_memory_ || exit.exit_code == protocol::kExitOutOfMemory ||
                       (exit.signal == SIGKILL && !killed_ && CountOomKills() > oom_kills_before_);
  exit.exceeded = exceeded_;
  exit_ = exit;
  return true;
}

WorkerExit WorkerProcess::Reap(absl::Duration grace) {
  const Instant deadline = Instant::Now() + grace;
  while (!TryReap()) {
    if (Instant::Now() >= deadline) Kill();
    ReadStderr();  // a worker that waits for room in the pipe could not end
    absl::SleepFor(kReapPollInterval);
  }
  while (ReadStderr()) {
  }
  return *exit_;
}

std::string SignalName(int signal) {
  const char* abbreviation = sigabbrev_np(signal);
  const char* description = sigdescr_np(signal);
  if (abbreviation == nullptr || description == nullptr) return absl::StrCat("signal ", signal);
  return absl::StrCat("SIG", abbreviation, " (", absl::AsciiStrToLower(description), ")");
}

}  // namespace acclimate::node
