#include "server/api/server.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server_builder.h"
#include "server/api/admin_service.h"
#include "server/api/artifact_service.h"
#include "server/api/catalog_service.h"
#include "server/api/job_service.h"
#include "server/api/transport_security.h"
#include "server/api/unreadable_requests.h"
#include "server/artifacts/file_system.h"
#include "server/base/earliest_now.h"
#include "server/base/log.h"
#include "server/base/loopback.h"
#include "server/base/random_id.h"
#include "server/base/version.h"
#include "server/metrics/exposition.h"
#include "server/metrics/gpu_metrics.h"
#include "server/tracing/otlp_post.h"

namespace acclimate::api {
namespace {

// A call holds a thread while it runs, but for those that only wait; calls beyond these are
// answered RESOURCE_EXHAUSTED.
constexpr int kMaxGrpcThreads = 2048;
constexpr int kMaxCallsOfAConnection = 1024;  // at a time; more wait in the client
constexpr int kMaxHeaderBytes = 16 << 10;     // of one call
constexpr int kBytesOnTheWay = 2 << 20;       // to the server, of one call

// For calls that are under way when all workers have ended.
constexpr absl::Duration kLastCalls = absl::Seconds(2);

struct DiskGauge {
  const char* name;
  absl::StatusOr<int64_t> (*read)(const std::string& path);
};

// Of the audit log: what shows later that lines were cut off.
void LogEnd(const char* message, const auth::AuditChain& chain) {
  LogInfo(message, {{"entries", chain.entries}, {"last_hash", chain.last_hash}});
}

// docs/api.md tells clients of it.
void SetConnectionPolicy(grpc::ServerBuilder& builder) {
  const std::pair<const char*, absl::Duration> times[] = {
      {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, absl::Seconds(10)},
      // Without calls.
      {GRPC_ARG_MAX_CONNECTION_IDLE_MS, absl::Minutes(10)},
      // A client that is gone without a word is found out, and its streams end.
      {GRPC_ARG_KEEPALIVE_TIME_MS, absl::Minutes(1)},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, absl::Seconds(20)},
      // Pings of clients that come more often end their connection.
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, absl::Seconds(10)},
  };
  for (const auto& [name, time] : times) {
    builder.AddChannelArgument(name, static_cast<int>(absl::ToInt64Milliseconds(time)));
  }
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // What of an upload is on its way is sent again after a kill: no window that grows by itself.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kBytesOnTheWay);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxCallsOfAConnection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxHeaderBytes);
}

// "127.0.0.1:0" -> "127.0.0.1:50051".
std::string WithPort(const std::string& address, int port) {
  return absl::StrCat(address.substr(0, address.rfind(':') + 1), port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerConfig& config,
                                                      MethodCatalog catalog) {
  auto server = absl::WrapUnique(new Server(config, std::move(catalog)));
  if (absl::Status status = server->SetUpTracing(); !status.ok()) return status;
  if (absl::Status status = server->Open(); !status.ok()) return status;
  if (absl::Status status = server->SetUpAccess(); !status.ok()) return status;
  server->MakeNode();
  // Ports before workers: a port that is taken is told at once.
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  if (server->node_ != nullptr) {
    if (absl::Status status = server->node_->Start(); !status.ok()) return status;
  }
  server->StartStorageCare();
  server->health_.SetServing(true);
  return server;
}

Server::Server(ServerConfig config, MethodCatalog catalog)
    : config_(std::move(config)),
      catalog_(std::move(catalog)),
      health_({"", "acclimate.v1.JobService", "acclimate.v1.ArtifactService",
               "acclimate.v1.CatalogService", "acclimate.v1.AdminService"}),
      reflection_({"acclimate.v1.JobService", "acclimate.v1.ArtifactService",
                   "acclimate.v1.CatalogService", "acclimate.v1.AdminService",
                   "grpc.health.v1.Health"}) {}

Server::~Server() {
  Drain(absl::ZeroDuration());
  if (audit_ != nullptr) LogEnd("audit log ends", audit_->chain());
  metrics_.SetJobStatisticsSource(nullptr);
  metrics_.SetSandboxSource(nullptr);
}

absl::Status Server::SetUpTracing() {
  if (config_.otlp_endpoint.empty()) return absl::OkStatus();
  absl::StatusOr<tracing::OtlpEndpoint> endpoint =
      tracing::MakeOtlpEndpoint(config_.otlp_endpoint, config_.otlp_headers_file);
  if (!endpoint.ok()) return endpoint.status();
  tracing::SpanExporterOptions options;
  options.resource = {{"service.name", "acclimated"},
                      {"service.version", kVersion},
                      {"service.instance.id", NewRandomId()}};
  spans_ = std::make_unique<tracing::SpanExporter>(
      [endpoint = *std::move(endpoint)](const std::string& json, absl::Duration limit) {
        return tracing::Post(endpoint, json, limit);
      },
      metrics_, options);
  return absl::OkStatus();
}

absl::Status Server::Open() {
  absl::StatusOr<DataDirectory> directory = DataDirectory::Open(config_.data_dir);
  if (!directory.ok()) return directory.status();
  directory_ = std::make_unique<DataDirectory>(*std::move(directory));

  artifacts::UploadOptions upload_options;
  upload_options.max_blob_bytes = config_.max_blob_bytes;
  disk_ = std::make_unique<artifacts::DiskWatermark>(
      directory_->path(),
      artifacts::DiskLimits{config_.disk_watermark, config_.min_free_disk_bytes});
  upload_options.disk = disk_.get();
  TenantPolicy defaults;
  defaults.max_running = config_.tenant_max_running;
  defaults.max_queued = config_.tenant_max_queued;
  defaults.max_stored_bytes = config_.tenant_max_stored_bytes;
  const absl::StatusOr<TenantPolicies> tenants =
      TenantPolicies::Read(config_.tenants_file, defaults);
  if (!tenants.ok()) return tenants.status();
  upload_options.max_stored_bytes = [tenants = *tenants](const std::string& tenant) {
    return tenants.Of(tenant).max_stored_bytes;
  };
  reserve_ = std::make_unique<artifacts::DiskReserve>(directory_->PathOf("reserve"),
                                                      artifacts::kDiskReserveBytes);
  for (const auto& [name, read] :
       {DiskGauge{"acclimate_disk_free_bytes", &artifacts::FreeDiskBytes},
        DiskGauge{"acclimate_disk_size_bytes", &artifacts::DiskBytes}}) {
    metrics_.AddGauge(name, [read, path = directory_->path()]() -> std::optional<double> {
      const absl::StatusOr<int64_t> bytes = read(path);
      if (!bytes.ok()) return std::nullopt;
      return static_cast<double>(*bytes);
    });
  }

  auto stores = artifacts::TenantStores::Open(directory_->path(), &metrics_, upload_options);
  if (!stores.ok()) return stores.status();
  stores_ = *std::move(stores);

  auto store = jobs::SqliteJobStore::Open(directory_->PathOf("jobs.sqlite"), &metrics_);
  if (!store.ok()) return store.status();
  store_ = *std::move(store);

  jobs::JobQueueOptions queue_options;
  queue_options.spans = spans_.get();
  queue_options.check_room = [disk = disk_.get()] { return disk->CheckRoom("a job", 0); };
  queue_options.retry.max_retries = config_.max_retries;
  queue_options.scheduling = {*tenants,
                              config_.slots,
                              config_.memory_for_jobs_bytes,
                              config_.job_memory_limit_bytes,
                              config_.priority_age,
                              config_.preempt};
  queue_ = std::make_unique<jobs::JobQueue>(store_.get(), &metrics_, queue_options);
  if (absl::Status status = queue_->Recover(); !status.ok()) return status;
  metrics_.SetJobStatisticsSource([queue = queue_.get()] { return queue->Statistics(); });
  metrics_.AddGauge("acclimate_reserved_memory_bytes", [queue = queue_.get()] {
    return std::optional<double>(queue->ReservedMemoryBytes());
  });
  return absl::OkStatus();
}

absl::Status Server::SetUpAccess() {
  auto authenticator = auth::Authenticator::Create(
      {config_.access_file, config_.jwks_file, {config_.jwt_issuer, config_.jwt_audience}});
  if (!authenticator.ok()) return authenticator.status();
  authenticator_ = *std::move(authenticator);
  if (!authenticator_->insecure()) {
    auto audit = auth::AuditLog::Open(directory_->PathOf("audit.jsonl"));
    if (!audit.ok()) return audit.status();
    audit_ = *std::move(audit);
    LogEnd("audit log", audit_->chain());
  }
  if (config_.HasAuthentication() && config_.tls_cert.empty()) {
    LogWarning("tokens travel unencrypted: there is no --tls-cert");
  }
  if (config_.HasAuthentication() && config_.ShowsStatusPage() &&
      !IsLoopback(config_.metrics_listen)) {
    LogWarning("tokens for /ui travel unencrypted: the metrics port has no TLS",
               {{"metrics_listen", config_.metrics_listen}});
  }
  if (config_.insecure && !config_.HasAuthentication()) {
    LogWarning("insecure: whoever reaches the port may do everything",
               {{"listen", config_.listen}});
  }
  if (!config_.tls_cert.empty()) {
    metrics_.AddGauge("acclimate_tls_certificate_expiry_timestamp_seconds",
                      [path = config_.tls_cert]() -> std::optional<double> {
                        const absl::StatusOr<absl::Time> expiry = CertificateExpiry(path);
                        if (!expiry.ok()) return std::nullopt;
                        return static_cast<double>(absl::ToUnixSeconds(*expiry));
                      });
  }
  limits_ = std::make_unique<CallLimits>(
      CallLimitOptions{static_cast<double>(config_.tenant_call_rate), config_.streams_per_client},
      metrics_);
  gate_ = std::make_unique<CallGate>(*authenticator_, audit_.get(), metrics_, *limits_,
                                     CallTracing{spans_.get(), config_.otlp_sample_ratio});
  return absl::OkStatus();
}

void Server::FillReserve() {
  if (disk_->CheckRoom("the reserve", artifacts::kDiskReserveBytes).ok() && !reserve_->Fill()) {
    LogWarning("the disk keeps no reserve: jobs cannot be cancelled once it is full");
  }
}

void Server::StartStorageCare() {
  absl::BitGen random;
  FillReserve();
  collector_ = std::make_unique<artifacts::Collector>(
      *stores_, metrics_,
      [store = store_.get()](const std::string& tenant, const std::string& sha256) {
        return store->NeedsBlob(tenant, sha256);
      },
      config_.gc_grace_period);
  if (config_.gc_interval > absl::ZeroDuration()) {
    collection_ = std::make_unique<artifacts::BackgroundThread>(
        config_.gc_interval, [this](const artifacts::Rest& rest) {
          collector_->Run(rest);
          FillReserve();
          CompactEvents(rest);
          ReleaseStoreSpace(rest);
        });
  }
  scrubber_ = std::make_unique<artifacts::Scrubber>(
      *stores_, metrics_, absl::Uniform(random, 0, artifacts::Scrubber::kSlices));
  if (config_.scrub_interval > absl::ZeroDuration()) {
    scrubbing_ = std::make_unique<artifacts::BackgroundThread>(
        config_.scrub_interval / artifacts::Scrubber::kSlices,
        [this](const artifacts::Rest& rest) { scrubber_->Run(rest); });
  }
}

void Server::CompactEvents(const artifacts::Rest& rest) {
  const absl::Time horizon = EarliestNow() - config_.event_detail_period;
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more && rest()) more = store_->CompactEvents(horizon);
  if (!more.ok()) LogWarning("events of ended jobs keep their space", {{"error", more.status()}});
}

void Server::ReleaseStoreSpace(const artifacts::Rest& rest) {
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more && rest()) more = store_->ReleaseSpace();
  if (!more.ok()) LogWarning("the job store keeps its space", {{"error", more.status()}});
}

void Server::MakeNode() {
  if (config_.slots == 0) return;
  if (config_.device != "cpu") {
    if (auto gpus = metrics::GpuMetrics::Open()) metrics_.AddCollectable(std::move(gpus));
  }
  node::NodeOptions options;
  options.worker_path = config_.worker;
  options.slots = config_.slots;
  options.spare_worker = config_.spare_worker;
  options.device = config_.device;
  options.scratch_root = directory_->PathOf("scratch");
  options.run_time_limit = config_.job_time_limit;
  options.no_progress_timeout = config_.no_progress_timeout;
  options.checkpoint_interval = config_.checkpoint_interval;
  options.memory_limit_bytes = config_.job_memory_limit_bytes;
  options.scratch_limit_bytes = config_.job_scratch_limit_bytes;
  options.thread_limit = config_.job_thread_limit;
  options.require_sandbox = config_.require_sandbox;
  node_ = std::make_unique<node::Node>(options, *queue_, *stores_, metrics_);
  metrics_.SetSandboxSource([node = node_.get()] { return node->Info().sandbox; });
}

absl::Status Server::ListenForHttp() {
  std::map<std::string, metrics::HttpHandler> handlers;
  if (config_.ShowsStatusPage()) {
    status_page_ = std::make_unique<ui::StatusPage>(ui::StatusSources{
        *store_, *stores_, *authenticator_, audit_.get(), metrics_, directory_->path(),
        [node = node_.get()]() -> std::vector<node::NodeInfo> {
          if (node == nullptr) return {};
          return {node->Info()};
        },
        IsLoopback(config_.metrics_listen)});
    handlers = status_page_->Handlers();
  }
  handlers["/metrics"] = metrics::ServeMetrics(metrics_);
  auto endpoint = metrics::HttpEndpoint::Start(config_.metrics_listen, std::move(handlers));
  if (!endpoint.ok()) return endpoint.status();
  metrics_endpoint_ = *std::move(endpoint);
  return absl::OkStatus();
}

absl::Status Server::Listen() {
  if (absl::Status status = ListenForHttp(); !status.ok()) return status;

  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetConnectionPolicy(builder);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetResourceQuota(grpc::ResourceQuota("acclimated").SetMaxThreads(kMaxGrpcThreads));
  auto credentials = MakeServerCredentials(config_);
  if (!credentials.ok()) return credentials.status();
  auto acceptor =
      ConnectionAcceptor::Listen(config_.listen, config_.connections_per_client, metrics_);
  if (!acceptor.ok()) return acceptor.status();
  acceptor_ = *std::move(acceptor);
  acceptor_->AddTo(builder, *credentials);
  services_.push_back(std::make_unique<JobService>(*queue_, *stores_, *reserve_, catalog_, *gate_));
  services_.push_back(
      std::make_unique<ArtifactService>(*stores_, *gate_, metrics_, config_.min_upload_rate));
  services_.push_back(std::make_unique<CatalogService>(catalog_, *gate_));
  services_.push_back(std::make_unique<AdminService>(
      *queue_, directory_->path(), *gate_, [this](v1::ServerInfo& info) { AddNodeInfo(info); }));
  builder.RegisterService(&health_);
  builder.RegisterService(&reflection_);
  for (const auto& service : services_) builder.RegisterService(service.get());
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(RefuseUnreadableRequests(metrics_));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  grpc_server_ = builder.BuildAndStart();
  if (grpc_server_ == nullptr) return absl::InternalError("gRPC does not start");
  acceptor_->Start();
  return directory_->WriteEndpoint(listen(), metrics_listen());
}

std::string Server::listen() const { return WithPort(config_.listen, acceptor_->port()); }

std::string Server::metrics_listen() const {
  return WithPort(config_.metrics_listen, metrics_endpoint_->port());
}

void Server::AddNodeInfo(v1::ServerInfo& info) const {
  if (node_ == nullptr) return;
  const node::NodeInfo node = node_->Info();
  info.set_libtorch_version(node.libtorch_version);
  info.set_device(node.device);
  info.set_slots(node.slots);
  info.set_busy_slots(node.busy_slots);
  info.set_warm_workers(node.warm_workers);
  info.mutable_sandbox()->insert(node.sandbox.begin(), node.sandbox.end());
  info.set_worker_start_error(node.worker_start_error);
}

void Server::Drain(absl::Duration timeout) {
  health_.Drain();
  if (gate_ != nullptr) gate_->Drain();
  if (queue_ != nullptr) queue_->Shutdown();  // ends the watches too
  if (node_ != nullptr) node_->Shutdown(timeout);
  if (grpc_server_ != nullptr) {
    // No stream is left that waits for its client, but for uploads whose client says nothing.
    grpc_server_->Shutdown(absl::ToChronoTime(absl::Now() + kLastCalls));
    grpc_server_->Wait();
  }
}

}  // namespace acclimate::api
