// A real acclimated with its workers on free ports, over a folder that outlives it.
#ifndef ACCLIMATE_TESTS_E2E_SERVER_PROCESS_H_
#define ACCLIMATE_TESTS_E2E_SERVER_PROCESS_H_

#include <memory>
#include <string>
#include <vector>

#include "client/lib/connection.h"
#include "client/lib/names.h"
#include "tests/e2e/child_process.h"

namespace acclimate::e2e {

class ServerProcess {
 public:
  explicit ServerProcess(int slots = 1, std::vector<std::string> more_flags = {});
  ~ServerProcess();

  // Waits until the server answers. After a stop or a kill: again on the same address and folder.
  void Start();
  // The same, where the server may refuse to; false: it has ended.
  bool TryStart();
  void Kill();        // kill -9
  int Stop();         // SIGTERM; the exit code
  int WaitForExit();  // the exit code, or 128 + the signal
  bool Running() { return process_->Running(); }

  const std::string& address() const { return address_; }
  const std::string& metrics_address() const { return metrics_address_; }
  std::string data_folder() const { return folder_.File("data"); }
  std::string log() const { return process_->Stderr(); }
  pid_t pid() const { return process_->pid(); }
  std::vector<pid_t> Workers() const { return ChildrenNamed(pid(), "acclimate-worker"); }
  // Those whose job reads the blob.
  std::vector<pid_t> WorkersOn(const std::string& blob) const {
    return ThoseThatMap(Workers(), client::LastSegment(blob));
  }
  // Waits in vain for at most a few seconds: for tests of an absent server, too.
  std::unique_ptr<client::Connection> Connect() const;

 private:
  const int slots_;
  const std::vector<std::string> more_flags_;
  const TemporaryFolder folder_;
  std::string address_ = "127.0.0.1:0";
  std::string metrics_address_ = "127.0.0.1:0";
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace acclimate::e2e

#endif  // ACCLIMATE_TESTS_E2E_SERVER_PROCESS_H_
