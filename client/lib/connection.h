// A channel to one server, with deadlines and retries.
//
//   Connection connection({.server = "127.0.0.1:50051"});
//   v1::GetJobRequest request;
//   request.set_name("tenants/default/jobs/abc");
//   absl::StatusOr<v1::Job> job = connection.Call<v1::Job>(
//       connection.jobs(), &v1::JobService::Stub::GetJob, request);
#ifndef ACCLIMATE_CLIENT_LIB_CONNECTION_H_
#define ACCLIMATE_CLIENT_LIB_CONNECTION_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "acclimate/v1/admin_service.grpc.pb.h"
#include "acclimate/v1/artifact_service.grpc.pb.h"
#include "acclimate/v1/catalog_service.grpc.pb.h"
#include "acclimate/v1/job_service.grpc.pb.h"
#include "client/lib/credentials.h"
#include "client/lib/error.h"
#include "grpcpp/grpcpp.h"
#include "server/base/trace_context.h"

namespace acclimate::client {

struct ConnectionOptions {
  std::string server = "127.0.0.1:50051";
  std::string tenant = "default";
  Credentials credentials = {};  // by default: plain, as nobody
  // The span that the calls are children of; by default each begins a trace in the server.
  std::optional<TraceContext> trace = {};
  absl::Duration call_deadline = absl::Minutes(1);
  // How long a server is waited for that cannot be reached: one that has never answered, and one
  // that has (it is being restarted, or the network is down for a while).
  absl::Duration first_contact_patience = absl::Seconds(5);
  absl::Duration reconnect_patience = absl::Minutes(5);
};

// Thread-safe.
class Connection {
 public:
  explicit Connection(const ConnectionOptions& options);

  v1::JobService::Stub& jobs() { return *jobs_; }
  v1::ArtifactService::Stub& artifacts() { return *artifacts_; }
  v1::CatalogService::Stub& catalog() { return *catalog_; }
  v1::AdminService::Stub& admin() { return *admin_; }

  // One unary call that may be repeated safely: retried with back-off while the server is
  // UNAVAILABLE and patience lasts.
  template <typename Response, typename Stub, typename Request>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request);

  const ConnectionOptions& options() const { return options_; }
  std::string Parent() const { return "tenants/" + options_.tenant; }
  // What every call carries.
  void Prepare(grpc::ClientContext& context) const;
  std::shared_ptr<grpc::Channel> channel() const { return channel_; }
  absl::Duration Patience() const;
  // `failure`, with the proxy that stands in the way where the server cannot be reached.
  absl::Status Explained(const absl::Status& failure) const;
  // The server has answered: it exists.
  void NoteReached() { reached_ = true; }

 private:
  const ConnectionOptions options_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::ArtifactService::Stub> artifacts_;
  std::unique_ptr<v1::CatalogService::Stub> catalog_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
  std::atomic<bool> reached_{false};
};

// Decides after a failure whether to try again, and waits before the next try: from 50 ms doubling
// to 2 s, or as long as the server asks for, with jitter, until the connection's patience since the
// last progress is used up.
class Retry {
 public:
  // `cancelled`, when given, ends a wait at once.
  explicit Retry(const Connection& connection, absl::Notification* cancelled = nullptr);

  // False: give up and report `failure`.
  bool WaitAfter(const absl::Status& failure);
  void NoteProgress();

 private:
  const Connection& connection_;
  absl::Notification* const cancelled_;
  absl::BitGen random_;
  absl::Time last_progress_;
  absl::Duration delay_;
};

template <typename Response, typename Stub, typename Request>
absl::StatusOr<Response> Connection::Call(Stub& stub,
                                          grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                       const Request&, Response*),
                                          const Request& request) {
  Retry retry(*this);
  while (true) {
    grpc::ClientContext context;
    Prepare(context);
    context.set_deadline(absl::ToChronoTime(absl::Now() + options_.call_deadline));
    Response response;
    const absl::Status status = FromGrpc((stub.*method)(&context, request, &response));
    if (status.ok()) {
      NoteReached();
      return response;
    }
    if (!retry.WaitAfter(status)) return Explained(status);
  }
}

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_CONNECTION_H_
