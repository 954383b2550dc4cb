#include "server/ui/status_page.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "server/artifacts/file_system.h"
#include "server/artifacts/sha256.h"
#include "server/base/errors.h"
#include "server/base/log.h"
#include "server/base/loopback.h"
#include "server/base/resource_names.h"
#include "server/base/version.h"
#include "server/ui/curve.h"
#include "server/ui/embedded_page.h"
#include "server/ui/status_json.h"

namespace acclimate::ui {
namespace {

using metrics::HttpRequest;
using metrics::HttpResponse;

constexpr char kPagePath[] = "/ui", kStatePath[] = "/ui/state.json",
               kCurvePath[] = "/ui/curve.json", kReportPath[] = "/ui/report";

// Of a report that is sent from memory. Reports have some hundred KiB.
constexpr int64_t kMaxReportBytes = int64_t{32} << 20;

// A report has scripts of its own, and came out of a worker: it runs apart from the page, without
// its origin, and can ask nobody for anything.
constexpr char kReportPolicy[] =
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

// What stands between the tags, as the source that a policy allows: "'sha256-...'".
std::string HashSource(absl::string_view page, absl::string_view begin_tag,
                       absl::string_view end_tag) {
  const size_t begin = page.find(begin_tag) + begin_tag.size();
  const absl::string_view text = page.substr(begin, page.find(end_tag, begin) - begin);
  return absl::StrCat("'sha256-",
                      absl::Base64Escape(absl::HexStringToBytes(artifacts::Sha256Of(text))), "'");
}

std::string PagePolicy(absl::string_view page) {
  return absl::StrCat("default-src 'none'; connect-src 'self'; style-src ",
                      HashSource(page, "<style>", "</style>"), "; script-src ",
                      HashSource(page, "<script>", "</script>"),
                      "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
}

int HttpStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

HttpResponse Refusal(const absl::Status& status) {
  HttpResponse response;
  response.status = HttpStatusOf(status);
  response.body = absl::StrCat(status.message(), "\n");
  if (absl::IsUnauthenticated(status)) {
    response.more_headers = {{"WWW-Authenticate", "Bearer realm=\"acclimate\""}};
  }
  return response;
}

HttpResponse Json(std::string text) {
  HttpResponse response;
  response.content_type = "application/json";
  response.body = std::move(text);
  return response;
}

absl::Status NoSuchJob() { return absl::NotFoundError("there is no such job"); }

}  // namespace

StatusPage::StatusPage(StatusSources sources)
    : sources_(std::move(sources)),
      start_time_(absl::Now()),
      page_(absl::StrReplaceAll(
          kEmbeddedPage,
          {{"@AUTHENTICATION@", sources_.authenticator.insecure() ? "none" : "bearer"}})),
      page_policy_(PagePolicy(page_)) {}

std::map<std::string, metrics::HttpHandler> StatusPage::Handlers() {
  return {
      {kPagePath, [this](const HttpRequest&) { return Page(); }},
      {absl::StrCat(kPagePath, "/"),
       [](const HttpRequest&) {
         HttpResponse response;
         response.status = 308;
         response.more_headers = {{"Location", "../ui"}};
         return response;
       }},
      {kStatePath,
       [this](const HttpRequest& request) {
         return Run(request, [this](const Reader& reader) { return State(reader); });
       }},
      {kCurvePath,
       [this](const HttpRequest& request) {
         return Run(request, [&](const Reader& reader) { return CurveOf(request, reader); });
       }},
      {kReportPath,
       [this](const HttpRequest& request) {
         return Run(request, [&](const Reader& reader) { return Report(request, reader); });
       }},
  };
}

HttpResponse StatusPage::Run(
    const HttpRequest& request,
    const std::function<absl::StatusOr<HttpResponse>(const Reader&)>& body) {
  auth::Identity identity;
  const absl::StatusOr<Reader> reader = Admit(request, identity);
  absl::StatusOr<HttpResponse> response = reader.ok() ? body(*reader) : reader.status();
  if (response.ok()) return *std::move(response);
  NoteRefusal(request, identity, response.status());
  return Refusal(response.status());
}

absl::StatusOr<StatusPage::Reader> StatusPage::Admit(const HttpRequest& request,
                                                     auth::Identity& identity) {
  if (sources_.authenticator.insecure() && sources_.local && !IsLoopback(request.host)) {
    return absl::PermissionDeniedError(
        "without authentication this is answered only under a name of the server's own machine, "
        "such as localhost");
  }
  absl::StatusOr<auth::Identity> known =
      sources_.authenticator.Identify({request.authorization, {}}, absl::Now());
  if (!known.ok()) {
    sources_.metrics.CountAuthenticationFailure(ReasonOf(known.status()));
    return known.status();
  }
  identity = *std::move(known);
  Reader reader{sources_.authenticator.insecure() ? "" : identity.subject, std::set<std::string>()};
  for (const auto& [tenant, role] : identity.roles) {
    if (role >= auth::Role::kViewer && reader.tenants) reader.tenants->insert(tenant);
  }
  if (reader.tenants->count(auth::kEveryTenant) > 0) reader.tenants.reset();
  if (reader.tenants && reader.tenants->empty()) {
    return absl::PermissionDeniedError(
        absl::StrCat("this needs the role viewer; ", identity.subject, " has it nowhere"));
  }
  return reader;
}

void StatusPage::NoteRefusal(const HttpRequest& request, const auth::Identity& identity,
                             const absl::Status& status) {
  const bool refused = absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status);
  if (sources_.audit == nullptr || !refused) return;
  // Not whatever somebody without credentials writes there.
  const std::string asked = request.Parameter("job");
  const std::string job = ParseJobName(asked).ok() ? asked : "";
  const absl::Status noted = sources_.audit->Append(
      {absl::Now(), identity.subject, identity.source, request.peer,
       absl::StrCat("GET ", request.path), job, absl::StatusCodeToString(status.code())});
  if (!noted.ok()) LogError("a request is missing in the audit log", {{"error", noted}});
}

absl::StatusOr<v1::Job> StatusPage::JobOf(const HttpRequest& request, const Reader& reader) {
  const std::string job = request.Parameter("job");
  const absl::StatusOr<ResourceName> name = ParseJobName(job);
  if (!name.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("job: ", name.status().message()));
  }
  if (reader.tenants && reader.tenants->count(name->tenant) == 0) {
    return absl::PermissionDeniedError(absl::StrCat("this needs the role viewer in the tenant ",
                                                    name->tenant, "; ", reader.subject,
                                                    " has none there"));
  }
  absl::StatusOr<v1::Job> found = sources_.store.Get(job);
  if (absl::IsNotFound(found.status())) return NoSuchJob();
  return found;
}

HttpResponse StatusPage::Page() const {
  HttpResponse response;
  response.content_type = "text/html; charset=utf-8";
  response.content_security_policy = page_policy_;
  response.body = page_;
  return response;
}

absl::StatusOr<HttpResponse> StatusPage::State(const Reader& reader) {
  StatusView view;
  view.time = absl::Now();
  view.subject = reader.subject;
  view.server.version = kVersion;
  view.server.start_time = start_time_;
  if (const auto free = artifacts::FreeDiskBytes(sources_.data_dir); free.ok()) {
    view.server.disk_free_bytes = *free;
  }
  if (const auto size = artifacts::DiskBytes(sources_.data_dir); size.ok()) {
    view.server.disk_size_bytes = *size;
  }
  view.nodes = sources_.nodes();
  if (absl::Status status = AddJobs(sources_.store, reader.tenants, view); !status.ok()) {
    return status;
  }
  return Json(ToJson(view));
}

absl::StatusOr<HttpResponse> StatusPage::CurveOf(const HttpRequest& request, const Reader& reader) {
  const absl::StatusOr<v1::Job> job = JobOf(request, reader);
  if (!job.ok()) return job.status();
  const std::string text = request.Parameter("after");
  int64_t after = 0;
  if (!text.empty() && (!absl::SimpleAtoi(text, &after) || after < 0)) {
    return absl::InvalidArgumentError("after: must be a cursor that this server has given");
  }
  const absl::StatusOr<Curve> curve = ReadCurve(sources_.store, *job, after);
  if (!curve.ok()) return curve.status();
  return Json(ToJson(*curve));
}

absl::StatusOr<HttpResponse> StatusPage::Report(const HttpRequest& request, const Reader& reader) {
  const absl::StatusOr<v1::Job> job = JobOf(request, reader);
  if (!job.ok()) return job.status();
  std::string blob;
  for (const v1::OutputFile& file : job->result().files()) {
    if (file.name() == kReport) blob = file.blob();
  }
  if (blob.empty()) return absl::NotFoundError("the job has no report");
  const absl::StatusOr<ResourceName> name = ParseBlobName(blob);
  if (!name.ok()) return name.status();
  absl::StatusOr<artifacts::BlobStore*> store = sources_.blobs.BlobsOf(name->tenant);
  if (!store.ok()) return store.status();
  const absl::StatusOr<artifacts::BlobInfo> info = (*store)->Get(name->id);
  if (!info.ok()) return info.status();
  if (info->size_bytes > kMaxReportBytes) {
    return absl::NotFoundError("the report is too large for this page: download it");
  }
  const absl::StatusOr<std::unique_ptr<artifacts::BlobReader>> report = (*store)->Open(name->id);
  if (!report.ok()) return report.status();
  HttpResponse response;
  const auto size = static_cast<size_t>(info->size_bytes);
  if (!(*report)->ReadAt(0, size, response.body).ok()) {
    return absl::UnavailableError("the report cannot be read");
  }
  response.content_type = "text/html; charset=utf-8";
  response.content_security_policy = kReportPolicy;
  return response;
}

}  // namespace acclimate::ui
