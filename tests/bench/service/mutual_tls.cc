#include "tests/bench/service/mutual_tls.h"

namespace acclimate::bench {
namespace {

constexpr char kServer[] = "server", kClient[] = "client";

}  // namespace

MutualTls::MutualTls() {
  authority_.Sign(kServer);
  authority_.Sign(kClient);
  e2e::WriteFile(folder_.File("access"), "client certificate:client *:admin\n");
}

std::vector<std::string> MutualTls::AcclimatedFlags() const {
  return {"--tls-cert",      authority_.Cert(kServer), "--tls-key",     authority_.Key(kServer),
          "--tls-client-ca", authority_.certificate(), "--access-file", folder_.File("access")};
}

std::vector<std::string> MutualTls::IdlerArguments() const {
  return {authority_.Cert(kServer), authority_.Key(kServer), authority_.certificate()};
}

std::shared_ptr<grpc::ChannelCredentials> MutualTls::Client() const {
  return grpc::SslCredentials({e2e::ReadFile(authority_.certificate()),
                               e2e::ReadFile(authority_.Key(kClient)),
                               e2e::ReadFile(authority_.Cert(kClient))});
}

}  // namespace acclimate::bench
