#include "tests/bench/service/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/create_channel.h"
#include "nlohmann/json.hpp"
#include "tests/bench/service/report.h"

ABSL_FLAG(std::string, acclimated, "", "the server's program; default: beside this one");
ABSL_FLAG(std::string, dir, "", "where temporary data go; default: the build directory");

namespace acclimate::bench {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kStartLimit = absl::Seconds(30);
constexpr absl::Duration kStopLimit = absl::Seconds(15);

fs::path ProgramDirectory() { return fs::read_symlink("/proc/self/exe").parent_path(); }

std::string ReadFile(const fs::path& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

pid_t Spawn(const std::vector<std::string>& command, const fs::path& log) {
  std::vector<char*> argv;
  for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const pid_t pid = fork();
  if (pid != 0) {
    close(output);
    return pid;
  }
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execv(argv[0], argv.data());
  _exit(127);
}

bool Ended(pid_t pid) { return waitpid(pid, nullptr, WNOHANG) == pid; }

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string base = absl::GetFlag(FLAGS_dir);
  if (base.empty()) base = ProgramDirectory().parent_path();
  std::string pattern = absl::StrCat(base, "/bench-XXXXXX");
  if (mkdtemp(pattern.data()) == nullptr) Die(absl::StrCat("cannot make a directory in ", base));
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::unique_ptr<ServerProcess> ServerProcess::Acclimated(const fs::path& directory,
                                                         const std::vector<std::string>& flags) {
  std::string program = absl::GetFlag(FLAGS_acclimated);
  if (program.empty()) program = ProgramDirectory() / "acclimated";
  const fs::path data = directory / "data";
  std::vector<std::string> command = {program,
                                      "serve",
                                      "--data-dir",
                                      data,
                                      "--listen",
                                      "127.0.0.1:0",
                                      "--metrics-listen",
                                      "127.0.0.1:0",
                                      "--tenant-call-rate",
                                      "0"};
  command.insert(command.end(), flags.begin(), flags.end());
  // Of an earlier start in the same directory.
  fs::remove(data / "endpoint.json");
  return std::unique_ptr<ServerProcess>(
      new ServerProcess(command, directory / "log", data / "endpoint.json"));
}

std::unique_ptr<ServerProcess> ServerProcess::Idler(const fs::path& directory,
                                                    const std::vector<std::string>& arguments) {
  const fs::path endpoint = directory / "idler.json";
  std::vector<std::string> command = {ProgramDirectory() / "idle_services", endpoint};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return std::unique_ptr<ServerProcess>(
      new ServerProcess(command, directory / "idler.log", endpoint));
}

ServerProcess::ServerProcess(const std::vector<std::string>& command, const fs::path& log,
                             const fs::path& endpoint_file) {
  const absl::Time start = absl::Now();
  pid_ = Spawn(command, log);
  while (address_.empty()) {
    if (Ended(pid_) || absl::Now() - start > kStartLimit) {
      Die(absl::StrCat(command[0], " does not listen:\n", ReadFile(log)));
    }
    const auto endpoint =
        nlohmann::json::parse(ReadFile(endpoint_file), nullptr, /*allow_exceptions=*/false);
    if (endpoint.is_object()) {
      address_ = endpoint.value("listen", "");
      metrics_address_ = endpoint.value("metrics_listen", "");
    }
    if (address_.empty()) absl::SleepFor(absl::Milliseconds(1));
  }
  start_time_ = absl::Now() - start;
}

ServerProcess::~ServerProcess() {
  kill(pid_, SIGTERM);
  const absl::Time deadline = absl::Now() + kStopLimit;
  while (!Ended(pid_)) {
    if (absl::Now() > deadline) kill(pid_, SIGKILL);
    absl::SleepFor(absl::Milliseconds(5));
  }
}

std::shared_ptr<grpc::Channel> ServerProcess::NewChannel(
    const std::shared_ptr<grpc::ChannelCredentials>& credentials) const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(
      address_, credentials != nullptr ? credentials : grpc::InsecureChannelCredentials(),
      arguments);
}

}  // namespace acclimate::bench
