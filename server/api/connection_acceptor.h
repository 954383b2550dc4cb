// Takes the connections of the gRPC port, so many of each address, and hands them to gRPC.
//
//   auto acceptor = ConnectionAcceptor::Listen("0.0.0.0:50051", 1024, metrics);
//   grpc::ServerBuilder builder;
//   (*acceptor)->AddTo(builder, credentials);
//   auto server = builder.BuildAndStart();
//   (*acceptor)->Start();
#ifndef ACCLIMATE_SERVER_API_CONNECTION_ACCEPTOR_H_
#define ACCLIMATE_SERVER_API_CONNECTION_ACCEPTOR_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::api {

// gRPC itself has no limit of this kind. A connection beyond the limit is closed at once. An IPv4
// address counts as itself; of an IPv6 address its first 64 bits count, which one client can have
// all of.
class ConnectionAcceptor {
 public:
  // HOST:PORT or [HOST]:PORT; port 0 lets the system choose. A host that stands for all addresses
  // takes IPv4 and IPv6, as gRPC does. `per_client` 0: no limit. UNAVAILABLE names the address when
  // it cannot be listened on. `metrics` outlives the acceptor.
  static absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> Listen(
      const std::string& address, int per_client, metrics::ServerMetrics& metrics);
  // Takes no more connections. Before or after the server.
  ~ConnectionAcceptor();
  ConnectionAcceptor(const ConnectionAcceptor&) = delete;
  ConnectionAcceptor& operator=(const ConnectionAcceptor&) = delete;

  int port() const;
  void AddTo(grpc::ServerBuilder& builder, std::shared_ptr<grpc::ServerCredentials> credentials);
  void Start();  // once, after the server

 private:
  class Loop;
  explicit ConnectionAcceptor(std::unique_ptr<Loop> loop);

  const std::unique_ptr<Loop> loop_;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_CONNECTION_ACCEPTOR_H_
