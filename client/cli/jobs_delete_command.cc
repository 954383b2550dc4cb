#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/lib/names.h"
#include "google/protobuf/empty.pb.h"

namespace acclimate::cli {
namespace {

absl::StatusOr<ExitCode> JobsDelete(Invocation& invocation) {
  v1::DeleteJobRequest request;
  request.set_name(
      client::JobName(invocation.arguments.positionals()[0], invocation.connection.Parent()));
  absl::StatusOr<google::protobuf::Empty> answer =
      invocation.connection.Call<google::protobuf::Empty>(
          invocation.connection.jobs(), &v1::JobService::Stub::DeleteJob, request);
  if (!answer.ok()) return answer.status();
  if (invocation.json) {
    PrintJson({{"deleted", request.name()}});
  } else {
    PrintText(absl::StrCat(client::LastSegment(request.name()), " deleted\n"));
  }
  return kSuccess;
}

}  // namespace

Command JobsDeleteCommand() {
  Command command;
  command.name = "jobs delete";
  command.summary = "Delete a job that has ended; blobs that no other job names go later";
  command.arguments.positionals = {{"NAME", "the job"}};
  command.run = JobsDelete;
  return command;
}

}  // namespace acclimate::cli
