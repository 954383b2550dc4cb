#include "client/cli/command.h"
#include "client/cli/output.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace acclimate::cli {
namespace {

namespace health = grpc::health::v1;

// Asked once: who wants to wait asks again.
constexpr absl::Duration kDeadline = absl::Seconds(5);

absl::StatusOr<ExitCode> Health(Invocation& invocation) {
  const auto stub = health::Health::NewStub(invocation.connection.channel());
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kDeadline));
  health::HealthCheckResponse response;
  const absl::Status status =
      client::FromGrpc(stub->Check(&context, health::HealthCheckRequest(), &response));
  if (absl::IsDeadlineExceeded(status)) return absl::UnavailableError("no answer in 5 s");
  if (!status.ok()) return status;
  const std::string text = health::HealthCheckResponse::ServingStatus_Name(response.status());
  if (invocation.json) {
    PrintJson({{"status", text}});
  } else {
    PrintText(text + "\n");
  }
  const bool serves = response.status() == health::HealthCheckResponse::SERVING;
  return serves || invocation.arguments.Has("live") ? kSuccess : kFailed;
}

}  // namespace

Command HealthCommand() {
  Command command;
  command.name = "health";
  command.summary = "Ask whether the server takes work: exit code 0, or 1 while it drains";
  command.description =
      "For probes of containers: needs no token. Asks once and waits for five seconds at most.";
  command.arguments.options = {
      {"live", ValueKind::kSwitch, "", "an answer is enough, also of a server that drains"}};
  command.run = Health;
  return command;
}

}  // namespace acclimate::cli
