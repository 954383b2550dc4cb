#include "server/api/job_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/api/job_validation.h"
#include "server/api/list_filter.h"
#include "server/api/rpc.h"
#include "server/api/tenant_access.h"
#include "server/api/watch_stream.h"
#include "server/artifacts/file_system.h"
#include "server/base/errors.h"

namespace acclimate::api {
namespace {

constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 1000;
// The token of the next page holds the filter.
constexpr size_t kMaxFilterBytes = 4 << 10;

absl::StatusOr<jobs::JobQuery> ToQuery(const v1::ListJobsRequest& request, Caller& caller) {
  absl::StatusOr<std::string> tenant = TenantOfParent(request.parent(), caller);
  if (!tenant.ok()) return tenant.status();
  if (request.page_size() < 0) return BadRequest("page_size", "must not be negative");
  jobs::JobQuery query;
  query.tenant = *std::move(tenant);
  query.page_size =
      request.page_size() == 0 ? kDefaultPageSize : std::min(request.page_size(), kMaxPageSize);
  query.page_token = request.page_token();
  if (request.filter().size() > kMaxFilterBytes) {
    return BadRequest("filter", absl::StrCat("has ", request.filter().size(), " bytes; at most ",
                                             kMaxFilterBytes));
  }
  if (absl::Status status = ParseListFilter(request.filter(), query); !status.ok()) return status;
  return query;
}

// What a valid request that is not to be made would have become.
v1::Job Preview(const v1::CreateJobRequest& request) {
  v1::Job job;
  *job.mutable_spec() = request.spec();
  return job;
}

}  // namespace

grpc::Status JobService::CreateJob(grpc::ServerContext* context,
                                   const v1::CreateJobRequest* request, v1::Job* response) {
  return gate_.Run(
      *context, "acclimate.v1.JobService/CreateJob", [&](Caller& caller) -> absl::Status {
        absl::StatusOr<std::string> tenant = TenantOfParent(request->parent(), caller);
        if (!tenant.ok()) return tenant.status();
        absl::StatusOr<artifacts::BlobStore*> blobs = blobs_.BlobsOf(*tenant);
        if (!blobs.ok()) return blobs.status();
        std::vector<artifacts::BlobHold> holds;  // until the job is durable
        absl::Status status = ValidateCreateJob(*request, catalog_, **blobs, holds);
        if (!status.ok()) return status;
        if (request->validate_only()) {
          *response = Preview(*request);
          return absl::OkStatus();
        }
        absl::StatusOr<jobs::CreatedJob> created = queue_.Create(
            *tenant, request->spec(), request->request_id(), ToTraceparent(caller.trace()));
        if (created.ok()) *response = std::move(created->job);
        return created.status();
      });
}

grpc::ServerUnaryReactor* JobService::GetJob(grpc::CallbackServerContext* context,
                                             const v1::GetJobRequest* request, v1::Job* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(
      gate_.Run(*context, "acclimate.v1.JobService/GetJob", [&](Caller& caller) -> absl::Status {
        absl::StatusOr<ResourceName> name = JobOfName(request->name(), caller);
        if (!name.ok()) return name.status();
        absl::StatusOr<v1::Job> job = queue_.Get(request->name());
        if (job.ok()) *response = *std::move(job);
        return job.status();
      }));
  return reactor;
}

grpc::Status JobService::ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest* request,
                                  v1::ListJobsResponse* response) {
  return gate_.Run(*context, "acclimate.v1.JobService/ListJobs",
                   [&](Caller& caller) -> absl::Status {
                     absl::StatusOr<jobs::JobQuery> query = ToQuery(*request, caller);
                     if (!query.ok()) return query.status();
                     absl::StatusOr<jobs::JobPage> page = queue_.List(*query);
                     if (!page.ok()) return page.status();
                     for (v1::Job& job : page->jobs) *response->add_jobs() = std::move(job);
                     response->set_next_page_token(page->next_page_token);
                     return absl::OkStatus();
                   });
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* JobService::WatchJob(
    grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) {
  return WatchStream::Start(queue_, gate_, *context, *request);
}

grpc::Status JobService::CancelJob(grpc::ServerContext* context,
                                   const v1::CancelJobRequest* request, v1::Job* response) {
  return ChangeJob(*context, "acclimate.v1.JobService/CancelJob", request->name(), response,
                   &jobs::JobQueue::Cancel);
}

grpc::Status JobService::PauseJob(grpc::ServerContext* context, const v1::PauseJobRequest* request,
                                  v1::Job* response) {
  return ChangeJob(*context, "acclimate.v1.JobService/PauseJob", request->name(), response,
                   &jobs::JobQueue::Pause);
}

grpc::Status JobService::ResumeJob(grpc::ServerContext* context,
                                   const v1::ResumeJobRequest* request, v1::Job* response) {
  return ChangeJob(*context, "acclimate.v1.JobService/ResumeJob", request->name(), response,
                   &jobs::JobQueue::Resume);
}

grpc::Status JobService::ChangeJob(
    grpc::ServerContext& context, const char* method, const std::string& name, v1::Job* response,
    absl::StatusOr<v1::Job> (jobs::JobQueue::*change)(const std::string&)) {
  return gate_.Run(context, method, [&](Caller& caller) -> absl::Status {
    const absl::StatusOr<ResourceName> parsed = JobOfName(name, caller);
    if (!parsed.ok()) return parsed.status();
    absl::StatusOr<v1::Job> job = (queue_.*change)(name);
    if (artifacts::IsDiskFull(job.status()) && reserve_.Release()) job = (queue_.*change)(name);
    if (job.ok()) *response = *std::move(job);
    return job.status();
  });
}

grpc::Status JobService::RetryJob(grpc::ServerContext* context, const v1::RetryJobRequest* request,
                                  v1::Job* response) {
  return gate_.Run(
      *context, "acclimate.v1.JobService/RetryJob", [&](Caller& caller) -> absl::Status {
        const absl::StatusOr<ResourceName> name = JobOfName(request->name(), caller);
        if (!name.ok()) return name.status();
        const absl::StatusOr<v1::Job> ended = queue_.Get(request->name());
        if (!ended.ok()) return ended.status();
        absl::StatusOr<artifacts::BlobStore*> blobs = blobs_.BlobsOf(name->tenant);
        if (!blobs.ok()) return blobs.status();
        v1::CreateJobRequest again;
        again.set_parent(absl::StrCat("tenants/", name->tenant));
        again.set_request_id(request->request_id());
        *again.mutable_spec() = ended->spec();
        std::vector<artifacts::BlobHold> holds;  // until the job is durable
        if (auto state = ParseBlobName(ended->checkpoint().blob()); state.ok()) {
          auto hold = (*blobs)->Hold(state->id);
          if (hold.ok()) holds.push_back(*std::move(hold));
        }
        absl::Status status = ValidateCreateJob(again, catalog_, **blobs, holds);
        if (!status.ok()) return status;
        absl::StatusOr<jobs::CreatedJob> created =
            queue_.Retry(request->name(), request->request_id(), ToTraceparent(caller.trace()));
        if (created.ok()) *response = std::move(created->job);
        return created.status();
      });
}

grpc::Status JobService::DeleteJob(grpc::ServerContext* context,
                                   const v1::DeleteJobRequest* request, google::protobuf::Empty*) {
  return gate_.Run(*context, "acclimate.v1.JobService/DeleteJob",
                   [&](Caller& caller) -> absl::Status {
                     absl::StatusOr<ResourceName> name = JobOfName(request->name(), caller);
                     if (!name.ok()) return name.status();
                     const absl::Status status = queue_.Delete(request->name());
                     if (!artifacts::IsDiskFull(status) || !reserve_.Release()) return status;
                     return queue_.Delete(request->name());
                   });
}

}  // namespace acclimate::api
