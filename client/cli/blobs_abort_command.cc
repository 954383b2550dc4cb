#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/lib/uploader.h"

namespace acclimate::cli {
namespace {

absl::StatusOr<ExitCode> BlobsAbort(Invocation& invocation) {
  client::Uploader uploader(invocation.connection);
  Json list = Json::array();
  std::string text;
  for (const std::string& path : invocation.arguments.positionals()) {
    absl::StatusOr<bool> aborted = uploader.Abort(path);
    if (!aborted.ok()) return aborted.status();
    list.push_back({{"path", path}, {"aborted", *aborted}});
    absl::StrAppend(&text, path, *aborted ? "  aborted" : "  (no upload was open)", "\n");
  }
  if (invocation.json) {
    PrintJson({{"uploads", std::move(list)}});
  } else {
    PrintText(text);
  }
  return kSuccess;
}

}  // namespace

Command BlobsAbortCommand() {
  Command command;
  command.name = "blobs abort";
  command.summary = "Remove what an interrupted upload of files has left on the server";
  command.description = "Without it, `blobs put` goes on from there for seven days.";
  command.arguments.positionals = {{"FILE", "what was uploaded", true, true, ValueKind::kFile}};
  command.run = BlobsAbort;
  return command;
}

}  // namespace acclimate::cli
