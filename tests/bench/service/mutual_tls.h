// Certificates for a server and a client of a benchmark.
#ifndef ACCLIMATE_TESTS_BENCH_SERVICE_MUTUAL_TLS_H_
#define ACCLIMATE_TESTS_BENCH_SERVICE_MUTUAL_TLS_H_

#include <memory>
#include <string>
#include <vector>

#include "grpcpp/security/credentials.h"
#include "tests/e2e/certificates.h"
#include "tests/e2e/child_process.h"

namespace acclimate::bench {

// Its files go with it.
class MutualTls {
 public:
  MutualTls();

  // With an access file that lets the client do everything.
  std::vector<std::string> AcclimatedFlags() const;
  // Of idle_services: the server's certificate, its key, and who signs the client's.
  std::vector<std::string> IdlerArguments() const;
  std::shared_ptr<grpc::ChannelCredentials> Client() const;

 private:
  const e2e::Authority authority_{"benchmark"};
  const e2e::TemporaryFolder folder_;
};

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_SERVICE_MUTUAL_TLS_H_
