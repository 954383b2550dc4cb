#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

template <typename Request>
absl::StatusOr<ExitCode> SetPinned(Invocation& invocation,
                                   grpc::Status (v1::ArtifactService::Stub::*method)(
                                       grpc::ClientContext*, const Request&, v1::Blob*)) {
  Request request;
  request.set_name(
      client::BlobName(invocation.arguments.positionals()[0], invocation.connection.Parent()));
  absl::StatusOr<v1::Blob> blob =
      invocation.connection.Call<v1::Blob>(invocation.connection.artifacts(), method, request);
  if (!blob.ok()) return blob.status();
  if (invocation.json) {
    PrintJson(MessageJson(*blob));
  } else {
    PrintText(absl::StrCat(blob->name(), blob->pinned() ? "  pinned" : "  not pinned", "\n"));
  }
  return kSuccess;
}

absl::StatusOr<ExitCode> BlobsPin(Invocation& invocation) {
  return SetPinned(invocation, &v1::ArtifactService::Stub::PinBlob);
}

absl::StatusOr<ExitCode> BlobsUnpin(Invocation& invocation) {
  return SetPinned(invocation, &v1::ArtifactService::Stub::UnpinBlob);
}

}  // namespace

Command BlobsPinCommand() {
  Command command;
  command.name = "blobs pin";
  command.summary = "Keep a blob on the server although no job names it";
  command.arguments.positionals = {{"BLOB", "its SHA-256, or its full name"}};
  command.run = BlobsPin;
  return command;
}

Command BlobsUnpinCommand() {
  Command command;
  command.name = "blobs unpin";
  command.summary = "Let the server remove a blob once no job names it";
  command.arguments.positionals = {{"BLOB", "its SHA-256, or its full name"}};
  command.run = BlobsUnpin;
  return command;
}

}  // namespace acclimate::cli
