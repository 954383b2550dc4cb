#include "tests/e2e/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

extern char** environ;

namespace acclimate::e2e {
namespace fs = std::filesystem;
namespace {

// What /proc/<pid>/stat tells after the program's name: state, parent, ...; empty when the process
// has ended.
struct ProcessStat {
  std::string program;
  std::vector<std::string> fields;
};

constexpr size_t kState = 0, kParent = 1;
constexpr size_t kLongestProgramName = 15;  // the kernel keeps no more

ProcessStat ReadStat(const fs::path& process) {
  const std::string stat = ReadFile(process / "stat");
  const size_t open = stat.find('('), close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return {};
  return {stat.substr(open + 1, close - open - 1), absl::StrSplit(stat.substr(close + 2), ' ')};
}

}  // namespace

TemporaryFolder::TemporaryFolder() : path_(fs::temp_directory_path() / "acclimate-e2e-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) std::abort();
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  ASSERT_TRUE(file.flush()) << path;
}

ChildProcess::ChildProcess(const std::vector<std::string>& command, const std::string& log)
    : log_(log) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string out = log + ".out", err = log + ".err";
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), kFlags, 0644);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), kFlags, 0644);
  const int error = posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    ADD_FAILURE() << "cannot start " << command[0];
    std::abort();
  }
}

ChildProcess::~ChildProcess() {
  if (!Running()) return;
  Signal(SIGKILL);
  Wait();
}

void ChildProcess::Signal(int signal) { kill(pid_, signal); }

bool ChildProcess::Running() { return !Wait(absl::ZeroDuration()).has_value(); }

std::optional<int> ChildProcess::Wait(absl::Duration timeout) {
  WaitUntil(
      [this] {
        int status = 0;
        if (!exit_code_.has_value() && waitpid(pid_, &status, WNOHANG) == pid_) {
          exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        return exit_code_.has_value();
      },
      timeout);
  return exit_code_;
}

std::vector<pid_t> ChildrenNamed(pid_t parent, const std::string& program) {
  std::vector<pid_t> found;
  std::error_code ended;  // processes come and go while we look
  for (fs::directory_iterator process("/proc", ended), end; process != end;
       process.increment(ended)) {
    const ProcessStat stat = ReadStat(process->path());
    if (stat.program != program.substr(0, kLongestProgramName)) continue;
    if (stat.fields[kState] == "Z" || std::stoi(stat.fields[kParent]) != parent) continue;
    found.push_back(std::stoi(process->path().filename()));
  }
  return found;
}

std::vector<pid_t> ThoseThatMap(const std::vector<pid_t>& processes, const std::string& file_name) {
  std::vector<pid_t> found;
  for (const pid_t process : processes) {
    const std::string maps = ReadFile(absl::StrCat("/proc/", process, "/maps"));
    if (maps.find(file_name) != std::string::npos) found.push_back(process);
  }
  return found;
}

}  // namespace acclimate::e2e
