// acclimate.v1.AdminService: what this server is, how busy it is, and how much it logs.
#ifndef ACCLIMATE_SERVER_API_ADMIN_SERVICE_H_
#define ACCLIMATE_SERVER_API_ADMIN_SERVICE_H_

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "acclimate/v1/admin_service.grpc.pb.h"
#include "server/api/rpc.h"
#include "server/jobs/job_queue.h"

namespace acclimate::api {

inline constexpr int kMaxMessageBytes = 4 << 20;

// The references outlive the service. `add_node_info` fills in what the node knows.
class AdminService final : public v1::AdminService::Service {
 public:
  AdminService(jobs::JobQueue& queue, std::string data_dir, CallGate& gate,
               std::function<void(v1::ServerInfo&)> add_node_info);

  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest* request,
                             v1::ServerInfo* response) override;
  grpc::Status SetLogLevel(grpc::ServerContext* context, const v1::SetLogLevelRequest* request,
                           v1::SetLogLevelResponse* response) override;

 private:
  jobs::JobQueue& queue_;
  const std::string data_dir_;
  CallGate& gate_;
  const std::function<void(v1::ServerInfo&)> add_node_info_;
  const absl::Time start_time_;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_ADMIN_SERVICE_H_
