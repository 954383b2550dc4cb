#include "server/node/outputs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/artifacts/file_system.h"
#include "server/artifacts/local_blob_files.h"
#include "server/base/resource_names.h"
#include "server/protocol/message_limits.h"
#include "server/protocol/unique_fd.h"

namespace acclimate::node {
namespace {

using protocol::UniqueFd;

bool IsPlainName(const std::string& name) {
  return !name.empty() && name.size() <= protocol::kMaxFileNameBytes && name[0] != '.' &&
         !absl::StrContains(name, '/');
}

// A regular file of its own: no link to anything that the worker could not have read itself.
absl::StatusOr<UniqueFd> OpenOutput(const std::string& directory, const std::string& name) {
  if (!IsPlainName(name)) {
    return absl::InternalError(absl::StrCat("the worker names an output \"", name, "\""));
  }
  const std::string path = absl::StrCat(directory, "/", name);
  UniqueFd file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info;
  if (!file.valid() || fstat(file.get(), &info) != 0) {
    return absl::InternalError(absl::StrCat("output ", name, ": ", strerror(errno)));
  }
  if (!S_ISREG(info.st_mode) || info.st_nlink != 1) {
    return absl::InternalError(absl::StrCat("output ", name, " is no regular file"));
  }
  return file;
}

absl::Status Copy(int from, artifacts::NewBlob& to) {
  std::string buffer(size_t{1} << 20, '\0');
  while (true) {
    const ssize_t got = read(from, buffer.data(), buffer.size());
    if (got == 0) return absl::OkStatus();
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return artifacts::FileError("read", "an output");
    absl::Status status = to.Append(absl::string_view(buffer).substr(0, got));
    if (!status.ok()) return status;
  }
}

}  // namespace

absl::StatusOr<v1::JobResult> ImportOutputs(const v1::WorkerFinished& finished,
                                            const std::string& scratch_directory,
                                            const std::string& tenant, artifacts::BlobStores& blobs,
                                            std::vector<artifacts::BlobHold>& holds) {
  const absl::StatusOr<artifacts::LocalBlobFiles*> store = blobs.FilesOf(tenant);
  if (!store.ok()) return store.status();
  v1::JobResult result;
  *result.mutable_metrics() = finished.metrics();
  result.set_precision(finished.precision());
  for (const std::string& name : finished.files()) {
    const absl::StatusOr<UniqueFd> checked = OpenOutput(scratch_directory, name);
    if (!checked.ok()) return checked.status();
    const auto blob = (*store)->Import(absl::StrCat(scratch_directory, "/", name));
    if (!blob.ok()) return blob.status();
    holds.push_back(blob->hold);
    v1::OutputFile& file = *result.add_files();
    file.set_name(name);
    file.set_blob(BlobName(tenant, blob->sha256));
    file.set_size_bytes(blob->size_bytes);
  }
  return result;
}

absl::StatusOr<artifacts::HeldBlob> ImportCopy(const std::string& file,
                                               const std::string& scratch_directory,
                                               const std::string& tenant,
                                               artifacts::BlobStores& blobs) {
  const absl::StatusOr<UniqueFd> original = OpenOutput(scratch_directory, file);
  if (!original.ok()) return original.status();
  const absl::StatusOr<artifacts::BlobStore*> store = blobs.BlobsOf(tenant);
  if (!store.ok()) return store.status();
  absl::StatusOr<std::unique_ptr<artifacts::NewBlob>> copy = (*store)->Create();
  if (!copy.ok()) return copy.status();
  if (absl::Status status = Copy(original->get(), **copy); !status.ok()) return status;
  return (*copy)->Commit();
}

}  // namespace acclimate::node
