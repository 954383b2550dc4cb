// One server, put together: stores, queue, node, gRPC, metrics.
#ifndef ACCLIMATE_SERVER_API_SERVER_H_
#define ACCLIMATE_SERVER_API_SERVER_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "acclimate/v1/admin_service.pb.h"
#include "grpcpp/server.h"
#include "server/api/call_limits.h"
#include "server/api/connection_acceptor.h"
#include "server/api/data_directory.h"
#include "server/api/health_service.h"
#include "server/api/method_catalog.h"
#include "server/api/reflection_service.h"
#include "server/api/rpc.h"
#include "server/artifacts/background_thread.h"
#include "server/artifacts/collector.h"
#include "server/artifacts/disk_reserve.h"
#include "server/artifacts/disk_watermark.h"
#include "server/artifacts/scrubber.h"
#include "server/artifacts/tenant_stores.h"
#include "server/auth/audit_log.h"
#include "server/auth/authenticator.h"
#include "server/base/config.h"
#include "server/jobs/job_queue.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/metrics/http_endpoint.h"
#include "server/metrics/server_metrics.h"
#include "server/node/node.h"
#include "server/tracing/span_exporter.h"
#include "server/ui/status_page.h"

namespace acclimate::api {

class Server {
 public:
  // Opens, recovers and listens; health says SERVING when it returns. An error says what is taken.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerConfig& config,
                                                       MethodCatalog catalog);
  ~Server();

  // The configured addresses, with the ports that the system chose where they asked for port 0.
  std::string listen() const;
  std::string metrics_listen() const;
  bool shows_status_page() const { return status_page_ != nullptr; }

  // Health says NOT_SERVING, nothing new is taken, running attempts get until the timeout before
  // they go back to the queue. Returns when all is quiet.
  void Drain(absl::Duration timeout);

 private:
  Server(ServerConfig config, MethodCatalog catalog);
  absl::Status Open();
  absl::Status SetUpTracing();
  absl::Status SetUpAccess();
  void MakeNode();
  void StartStorageCare();
  void FillReserve();
  void CompactEvents(const artifacts::Rest& rest);
  void ReleaseStoreSpace(const artifacts::Rest& rest);
  absl::Status ListenForHttp();
  absl::Status Listen();
  void AddNodeInfo(v1::ServerInfo& info) const;

  const ServerConfig config_;
  const MethodCatalog catalog_;
  metrics::ServerMetrics metrics_;
  // In the order in which they need each other: the last goes first.
  std::unique_ptr<DataDirectory> directory_;
  std::unique_ptr<tracing::SpanExporter> spans_;  // absent without --otlp-endpoint
  std::unique_ptr<artifacts::DiskWatermark> disk_;
  std::unique_ptr<artifacts::DiskReserve> reserve_;
  std::unique_ptr<artifacts::TenantStores> stores_;
  std::unique_ptr<jobs::SqliteJobStore> store_;
  std::unique_ptr<jobs::JobQueue> queue_;
  std::unique_ptr<artifacts::Collector> collector_;
  std::unique_ptr<artifacts::Scrubber> scrubber_;
  std::unique_ptr<artifacts::BackgroundThread> collection_;  // absent where it is off
  std::unique_ptr<artifacts::BackgroundThread> scrubbing_;   // absent where it is off
  std::unique_ptr<node::Node> node_;                         // absent with no slots
  std::unique_ptr<auth::Authenticator> authenticator_;
  std::unique_ptr<auth::AuditLog> audit_;        // absent on an insecure server
  std::unique_ptr<ui::StatusPage> status_page_;  // absent where it is off
  std::unique_ptr<metrics::HttpEndpoint> metrics_endpoint_;
  std::unique_ptr<CallLimits> limits_;
  std::unique_ptr<CallGate> gate_;
  HealthService health_;
  ReflectionService reflection_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> grpc_server_;
  std::unique_ptr<ConnectionAcceptor> acceptor_;  // of grpc_server_
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_SERVER_H_
