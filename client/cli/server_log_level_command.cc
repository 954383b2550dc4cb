#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"

namespace acclimate::cli {
namespace {

absl::StatusOr<ExitCode> ServerLogLevel(Invocation& invocation) {
  v1::SetLogLevelRequest request;
  request.set_level(invocation.arguments.positionals()[0]);
  absl::StatusOr<v1::SetLogLevelResponse> response =
      invocation.connection.Call<v1::SetLogLevelResponse>(
          invocation.connection.admin(), &v1::AdminService::Stub::SetLogLevel, request);
  if (!response.ok()) return response.status();
  if (invocation.json) {
    PrintJson(MessageJson(*response));
  } else {
    PrintText(absl::StrCat(response->previous_level(), " -> ", request.level(), "\n"));
  }
  return kSuccess;
}

}  // namespace

Command ServerLogLevelCommand() {
  Command command;
  command.name = "server log-level";
  command.summary = "Set how much the server logs: debug, info, warning or error";
  command.description = "From now until the server ends; needs the role admin.";
  command.arguments.positionals = {{"LEVEL", "debug, info, warning or error"}};
  command.run = ServerLogLevel;
  return command;
}

}  // namespace acclimate::cli
