// Certificates for a server and a client of a benchmark, made with the program openssl.
#ifndef ACCLIMATE_TESTS_BENCH_SERVICE_MUTUAL_TLS_H_
#define ACCLIMATE_TESTS_BENCH_SERVICE_MUTUAL_TLS_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "grpcpp/security/credentials.h"

namespace acclimate::bench {

class MutualTls {
 public:
  // Makes them in `directory`, with an access file that lets the client do everything.
  explicit MutualTls(const std::filesystem::path& directory);

  std::vector<std::string> AcclimatedFlags() const;
  // Of idle_services: the server's certificate, its key, and who signs the client's.
  std::vector<std::string> IdlerArguments() const;
  std::shared_ptr<grpc::ChannelCredentials> Client() const;

 private:
  std::string File(const std::string& name) const { return directory_ / name; }

  const std::filesystem::path directory_;
};

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_SERVICE_MUTUAL_TLS_H_
