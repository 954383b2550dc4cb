#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

absl::StatusOr<ExitCode> BlobsStat(Invocation& invocation) {
  v1::GetBlobRequest request;
  request.set_name(
      client::BlobName(invocation.arguments.positionals()[0], invocation.connection.Parent()));
  absl::StatusOr<v1::Blob> blob = invocation.connection.Call<v1::Blob>(
      invocation.connection.artifacts(), &v1::ArtifactService::Stub::GetBlob, request);
  if (!blob.ok()) return blob.status();
  if (invocation.json) {
    PrintJson(MessageJson(*blob));
  } else {
    PrintText(absl::StrCat(blob->name(), "  ", ByteText(blob->size_bytes()), "  ",
                           LocalTime(blob->create_time()), blob->pinned() ? "  pinned" : "", "\n"));
  }
  return kSuccess;
}

}  // namespace

Command BlobsStatCommand() {
  Command command;
  command.name = "blobs stat";
  command.summary = "Show a blob's size and age, and whether it is pinned";
  command.arguments.positionals = {{"BLOB", "its SHA-256, or its full name"}};
  command.run = BlobsStat;
  return command;
}

}  // namespace acclimate::cli
