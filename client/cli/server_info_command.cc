#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"

namespace acclimate::cli {
namespace {

std::string InfoText(const v1::ServerInfo& info) {
  std::string text = absl::StrCat(
      "version        ", info.version(), " (API ", info.api_version(), ")", "\nstarted        ",
      LocalTime(info.start_time()), "\nlibtorch       ", info.libtorch_version(),
      "\ndevice         ", info.device(), "\nslots          ", info.busy_slots(), " of ",
      info.slots(), " busy, ", info.warm_workers(), " warm workers", "\njobs           ",
      info.queued_jobs(), " queued, ", info.running_jobs(), " running", "\ndisk free      ",
      ByteText(info.disk_free_bytes()), "\nlargest chunk  ", ByteText(info.max_chunk_bytes()),
      "\nlargest message ", ByteText(info.max_message_bytes()), "\nlog level      ",
      info.log_level(), "\n");
  const std::map<std::string, std::string> sandbox(info.sandbox().begin(), info.sandbox().end());
  for (const auto& [part, state] : sandbox) {
    absl::StrAppend(&text, "sandbox        ", part, ": ", state, "\n");
  }
  if (!info.worker_start_error().empty()) {
    absl::StrAppend(&text, "workers        do not start: ", info.worker_start_error(), "\n");
  }
  return text;
}

absl::StatusOr<ExitCode> ServerInfo(Invocation& invocation) {
  absl::StatusOr<v1::ServerInfo> info = invocation.connection.Call<v1::ServerInfo>(
      invocation.connection.admin(), &v1::AdminService::Stub::GetServerInfo,
      v1::GetServerInfoRequest());
  if (!info.ok()) return info.status();
  if (invocation.json) {
    PrintJson(MessageJson(*info));
  } else {
    PrintText(InfoText(*info));
  }
  return kSuccess;
}

}  // namespace

Command ServerInfoCommand() {
  Command command;
  command.name = "server info";
  command.summary = "Show the server's version, slots, limits and sandbox";
  command.run = ServerInfo;
  return command;
}

}  // namespace acclimate::cli
