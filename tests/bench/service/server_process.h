// Real servers as child processes: what a benchmark measures never shares its process.
#ifndef ACCLIMATE_TESTS_BENCH_SERVICE_SERVER_PROCESS_H_
#define ACCLIMATE_TESTS_BENCH_SERVICE_SERVER_PROCESS_H_

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/security/credentials.h"

namespace acclimate::bench {

// A new directory, removed with all its content at the end; after a failure it stays, for its logs.
class TemporaryDirectory {
 public:
  // In --dir.
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A program that says where it listens by a JSON file with "listen". It is asked to end by SIGTERM
// when this object goes, and killed when it does not; it dies with its benchmark. Its output goes
// to
// "<directory>/log", which is shown when it fails to start.
class ServerProcess {
 public:
  // `acclimated serve` from --acclimated with its data in `directory`, ports that are free, and
  // `flags`.
  static std::unique_ptr<ServerProcess> Acclimated(const std::filesystem::path& directory,
                                                   const std::vector<std::string>& flags = {});
  // Services of the same API that do nothing: what gRPC costs by itself.
  static std::unique_ptr<ServerProcess> Idler(const std::filesystem::path& directory,
                                              const std::vector<std::string>& arguments = {});
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess();

  pid_t pid() const { return pid_; }
  const std::string& address() const { return address_; }
  const std::string& metrics_address() const { return metrics_address_; }  // of acclimated
  // From before the fork to the moment when it listened.
  absl::Duration start_time() const { return start_time_; }
  // A connection of its own, with gRPC's default settings; plain where no credentials are given.
  std::shared_ptr<grpc::Channel> NewChannel(
      const std::shared_ptr<grpc::ChannelCredentials>& credentials = nullptr) const;

 private:
  ServerProcess(const std::vector<std::string>& command, const std::filesystem::path& log,
                const std::filesystem::path& endpoint_file);

  pid_t pid_ = -1;
  std::string address_, metrics_address_;
  absl::Duration start_time_;
};

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_SERVICE_SERVER_PROCESS_H_
