#include "server/api/admin_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/artifacts/file_system.h"
#include "server/artifacts/upload_store.h"
#include "server/base/errors.h"
#include "server/base/log.h"
#include "server/base/proto_time.h"
#include "server/base/version.h"

namespace acclimate::api {

AdminService::AdminService(jobs::JobQueue& queue, std::string data_dir, CallGate& gate,
                           std::function<void(v1::ServerInfo&)> add_node_info)
    : queue_(queue),
      data_dir_(std::move(data_dir)),
      gate_(gate),
      add_node_info_(std::move(add_node_info)),
      start_time_(absl::Now()) {}

grpc::Status AdminService::GetServerInfo(grpc::ServerContext* context,
                                         const v1::GetServerInfoRequest*,
                                         v1::ServerInfo* response) {
  return gate_.Run(*context, "acclimate.v1.AdminService/GetServerInfo",
                   [&](Caller&) -> absl::Status {
                     response->set_version(kVersion);
                     response->set_api_version("v1");
                     *response->mutable_start_time() = ToProtoTimestamp(start_time_);
                     response->set_max_chunk_bytes(artifacts::kMaxChunkBytes);
                     response->set_max_message_bytes(kMaxMessageBytes);
                     for (const metrics::JobCount& count : queue_.Statistics().counts) {
                       if (count.state == "QUEUED")
                         response->set_queued_jobs(response->queued_jobs() + count.jobs);
                       if (count.state == "RUNNING") {
                         response->set_running_jobs(response->running_jobs() + count.jobs);
                       }
                     }
                     absl::StatusOr<int64_t> free = artifacts::FreeDiskBytes(data_dir_);
                     if (!free.ok()) return free.status();
                     response->set_disk_free_bytes(*free);
                     add_node_info_(*response);
                     response->set_log_level(std::string(LogLevelName(GetLogLevel())));
                     return absl::OkStatus();
                   });
}

grpc::Status AdminService::SetLogLevel(grpc::ServerContext* context,
                                       const v1::SetLogLevelRequest* request,
                                       v1::SetLogLevelResponse* response) {
  return gate_.Run(
      *context, "acclimate.v1.AdminService/SetLogLevel", [&](Caller& caller) -> absl::Status {
        const absl::StatusOr<LogLevel> level = ParseLogLevel(request->level());
        if (!level.ok()) return BadRequest("level", level.status().message());
        const std::string previous(LogLevelName(GetLogLevel()));
        response->set_previous_level(previous);
        caller.NoteChange(absl::StrCat("log-level/", LogLevelName(*level)));
        // As an error, which every level shows.
        LogError(
            "the log level changes",
            {{"from", previous}, {"to", LogLevelName(*level)}, {"by", caller.identity().subject}});
        acclimate::SetLogLevel(*level);
        return absl::OkStatus();
      });
}

}  // namespace acclimate::api
