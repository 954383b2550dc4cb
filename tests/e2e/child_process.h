// Real processes under test: started, signalled, waited for, their output kept in files.
#ifndef ACCLIMATE_TESTS_E2E_CHILD_PROCESS_H_
#define ACCLIMATE_TESTS_E2E_CHILD_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace acclimate::e2e {

// A new folder that goes when this does.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);  // empty when there is none
void WriteFile(const std::string& path, const std::string& bytes);

// Killed by SIGKILL when this object goes, if it still runs.
class ChildProcess {
 public:
  // Output goes to "<log>.out" and "<log>.err". The test stops when the program cannot be started.
  ChildProcess(const std::vector<std::string>& command, const std::string& log);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  std::string Stdout() const { return ReadFile(log_ + ".out"); }
  std::string Stderr() const { return ReadFile(log_ + ".err"); }
  void Signal(int signal);
  bool Running();
  // The exit code, or 128 + the signal that ended it; nullopt when it still runs after `timeout`.
  std::optional<int> Wait(absl::Duration timeout = absl::Minutes(5));

 private:
  const std::string log_;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

// Waits until `condition` holds, asking often; false when it does not within `timeout`.
template <typename Condition>
bool WaitUntil(const Condition& condition, absl::Duration timeout = absl::Minutes(5));

// The direct children of a process whose program has this name.
std::vector<pid_t> ChildrenNamed(pid_t parent, const std::string& program);
// Those that have a file with this name in memory.
std::vector<pid_t> ThoseThatMap(const std::vector<pid_t>& processes, const std::string& file_name);

}  // namespace acclimate::e2e

#include "absl/time/clock.h"

template <typename Condition>
bool acclimate::e2e::WaitUntil(const Condition& condition, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

#endif  // ACCLIMATE_TESTS_E2E_CHILD_PROCESS_H_
