#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/progress_view.h"
#include "client/lib/uploader.h"

namespace acclimate::cli {
namespace {

absl::StatusOr<ExitCode> BlobsPut(Invocation& invocation) {
  absl::StatusOr<std::vector<client::UploadedFile>> files;
  {
    ProgressView view;
    client::Uploader uploader(invocation.connection,
                              [&](const std::string& path, int64_t done, int64_t total) {
                                view.ShowTransfer("uploading", path, done, total);
                              });
    files = uploader.Upload(invocation.arguments.positionals());
  }
  if (!files.ok()) return files.status();
  Json list = Json::array();
  std::string text;
  for (const client::UploadedFile& file : *files) {
    list.push_back({{"path", file.path},
                    {"blob", file.blob},
                    {"size_bytes", file.size_bytes},
                    {"existed", file.existed}});
    absl::StrAppend(&text, file.blob, "  ", file.path, file.existed ? "  (the server had it)" : "",
                    "\n");
  }
  if (invocation.json) {
    PrintJson({{"blobs", std::move(list)}});
  } else {
    PrintText(text);
  }
  return kSuccess;
}

}  // namespace

Command BlobsPutCommand() {
  Command command;
  command.name = "blobs put";
  command.summary = "Upload files; one that the server has costs nothing";
  command.description = "Run again after a break, it goes on where the upload stopped.";
  command.arguments.positionals = {{"FILE", "what to upload", true, true, ValueKind::kFile}};
  command.run = BlobsPut;
  return command;
}

}  // namespace acclimate::cli
