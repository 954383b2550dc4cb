// acclimate.v1.JobService over the queue.
#ifndef ACCLIMATE_SERVER_API_JOB_SERVICE_H_
#define ACCLIMATE_SERVER_API_JOB_SERVICE_H_

#include "acclimate/v1/job_service.grpc.pb.h"
#include "server/api/method_catalog.h"
#include "server/api/rpc.h"
#include "server/artifacts/blob_store.h"
#include "server/artifacts/disk_reserve.h"
#include "server/jobs/job_queue.h"

namespace acclimate::api {

// GetJob, which clients poll, answers on gRPC's own threads, which spares it a change of thread
// (docs/performance.md); it reads one row. WatchJob holds no thread while it waits. The other calls
// may wait for longer things.
using MixedJobService = v1::JobService::WithCallbackMethod_GetJob<
    v1::JobService::WithCallbackMethod_WatchJob<v1::JobService::Service>>;

// The references outlive the service.
class JobService final : public MixedJobService {
 public:
  JobService(jobs::JobQueue& queue, artifacts::BlobStores& blobs, artifacts::DiskReserve& reserve,
             const MethodCatalog& catalog, CallGate& gate)
      : queue_(queue), blobs_(blobs), reserve_(reserve), catalog_(catalog), gate_(gate) {}

  grpc::Status CreateJob(grpc::ServerContext* context, const v1::CreateJobRequest* request,
                         v1::Job* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request, v1::Job* response) override;
  grpc::Status ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(
      grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) override;
  grpc::Status PauseJob(grpc::ServerContext* context, const v1::PauseJobRequest* request,
                        v1::Job* response) override;
  grpc::Status ResumeJob(grpc::ServerContext* context, const v1::ResumeJobRequest* request,
                         v1::Job* response) override;
  grpc::Status RetryJob(grpc::ServerContext* context, const v1::RetryJobRequest* request,
                        v1::Job* response) override;
  grpc::Status CancelJob(grpc::ServerContext* context, const v1::CancelJobRequest* request,
                         v1::Job* response) override;
  grpc::Status DeleteJob(grpc::ServerContext* context, const v1::DeleteJobRequest* request,
                         google::protobuf::Empty* response) override;

 private:
  grpc::Status ChangeJob(grpc::ServerContext& context, const char* method, const std::string& name,
                         v1::Job* response,
                         absl::StatusOr<v1::Job> (jobs::JobQueue::*change)(const std::string&));

  jobs::JobQueue& queue_;
  artifacts::BlobStores& blobs_;
  artifacts::DiskReserve& reserve_;  // what cancel and delete may use
  const MethodCatalog& catalog_;
  CallGate& gate_;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_JOB_SERVICE_H_
