// The status page: what an operator looks at. Read only.
//
//   /ui             the page, which holds no data
//   /ui/state.json  what it shows (status_view.h)
//   /ui/curve.json  ?job=NAME&after=CURSOR: a job's curves (curve.h)
//   /ui/report      ?job=NAME: the job's report.html
#ifndef ACCLIMATE_SERVER_UI_STATUS_PAGE_H_
#define ACCLIMATE_SERVER_UI_STATUS_PAGE_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/artifacts/blob_store.h"
#include "server/auth/audit_log.h"
#include "server/auth/authenticator.h"
#include "server/jobs/job_store.h"
#include "server/metrics/http_endpoint.h"
#include "server/metrics/server_metrics.h"
#include "server/ui/status_view.h"

namespace acclimate::ui {

// What the page reads from. Everything outlives it.
struct StatusSources {
  jobs::JobStore& store;
  artifacts::BlobStores& blobs;
  auth::Authenticator& authenticator;
  auth::AuditLog* audit = nullptr;  // null: an insecure server has nobody to note
  metrics::ServerMetrics& metrics;
  std::string data_dir;
  std::function<std::vector<node::NodeInfo>()> nodes;
  // Only this machine reaches the page.
  bool local = true;
};

// 1. The page itself is for everybody. The other paths need what the gRPC calls need that tell the
//    same: a token with the role viewer, in the tenant of the job. A caller without a role there is
//    answered 403 whether the job exists or not.
// 2. A server without authentication shows the tenant that its gRPC calls reach. If it is local, it
//    answers only under a name of this machine: a page from elsewhere cannot read it through a name
//    that it has made point here.
// 3. What is refused is noted for the audit as a call is; a wrong or missing token is also counted.
// Thread-safe.
class StatusPage {
 public:
  explicit StatusPage(StatusSources sources);

  // By path. They need the page to be there.
  std::map<std::string, metrics::HttpHandler> Handlers();

 private:
  // Whose jobs the caller sees, and who it is.
  struct Reader {
    std::string subject;  // empty without authentication
    jobs::Tenants tenants;
  };
  // Answers with the body's response, or with why the caller gets none.
  metrics::HttpResponse Run(
      const metrics::HttpRequest& request,
      const std::function<absl::StatusOr<metrics::HttpResponse>(const Reader&)>& body);
  absl::StatusOr<Reader> Admit(const metrics::HttpRequest& request, auth::Identity& identity);
  void NoteRefusal(const metrics::HttpRequest& request, const auth::Identity& identity,
                   const absl::Status& status);
  absl::StatusOr<v1::Job> JobOf(const metrics::HttpRequest& request, const Reader& reader);

  metrics::HttpResponse Page() const;
  absl::StatusOr<metrics::HttpResponse> State(const Reader& reader);
  absl::StatusOr<metrics::HttpResponse> CurveOf(const metrics::HttpRequest& request,
                                                const Reader& reader);
  absl::StatusOr<metrics::HttpResponse> Report(const metrics::HttpRequest& request,
                                               const Reader& reader);

  const StatusSources sources_;
  const absl::Time start_time_;
  const std::string page_;
  const std::string page_policy_;
};

}  // namespace acclimate::ui

#endif  // ACCLIMATE_SERVER_UI_STATUS_PAGE_H_
