#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/progress_view.h"
#include "client/lib/downloader.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

absl::StatusOr<ExitCode> BlobsGet(Invocation& invocation) {
  const std::string blob =
      client::BlobName(invocation.arguments.positionals()[0], invocation.connection.Parent());
  const std::string path = invocation.arguments.positionals()[1];
  {
    ProgressView view;
    client::Downloader downloader(invocation.connection,
                                  [&](const std::string& file, int64_t done, int64_t total) {
                                    view.ShowTransfer("downloading", file, done, total);
                                  });
    absl::Status status = downloader.Download(blob, path);
    if (!status.ok()) return status;
  }
  if (invocation.json) {
    PrintJson({{"blob", blob}, {"path", path}});
  } else {
    PrintText(path + "\n");
  }
  return kSuccess;
}

}  // namespace

Command BlobsGetCommand() {
  Command command;
  command.name = "blobs get";
  command.summary = "Download a blob into a file, and verify it";
  command.description = "Run again after a break, it goes on where the download stopped.";
  command.arguments.positionals = {{"BLOB", "its SHA-256, or its full name"},
                                   {"FILE", "where it goes", true, false, ValueKind::kFile}};
  command.run = BlobsGet;
  return command;
}

}  // namespace acclimate::cli
