#include "client/cli/command.h"
#include "client/cli/following.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

absl::StatusOr<ExitCode> JobsWatch(Invocation& invocation) {
  const std::string out = invocation.arguments.Text("out");
  absl::StatusOr<FollowedJob> followed =
      Follow(invocation,
             client::JobName(invocation.arguments.positionals()[0], invocation.connection.Parent()),
             invocation.arguments.Integer("after", 0), out);
  if (!followed.ok()) return followed.status();
  return Conclude(invocation, *followed, out);
}

}  // namespace

Command JobsWatchCommand() {
  Command command;
  command.name = "jobs watch";
  command.summary = "Follow a job to its end, and with --out fetch its results";
  command.arguments.positionals = {{"NAME", "the job"}};
  command.arguments.options = {
      {"after", ValueKind::kInteger, "CURSOR", "leave out the events up to this one"},
      {"out", ValueKind::kFolder, "DIR", "where the results go; made when absent"},
  };
  command.run = JobsWatch;
  return command;
}

}  // namespace acclimate::cli
