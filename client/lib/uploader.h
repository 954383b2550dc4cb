// Files to the server's blob store: only what it lacks, resumed where a broken stream ended.
#ifndef ACCLIMATE_CLIENT_LIB_UPLOADER_H_
#define ACCLIMATE_CLIENT_LIB_UPLOADER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "acclimate/v1/artifact_service.pb.h"
#include "client/lib/connection.h"
#include "client/lib/local_file.h"

namespace acclimate::client {

struct UploadedFile {
  std::string path;
  std::string blob;  // "tenants/default/blobs/<sha256>"
  int64_t size_bytes = 0;
  bool existed = false;  // the server had it: no byte was sent
};

class Uploader {
 public:
  // Bytes of `path` that the server has taken so far.
  using Listener = std::function<void(const std::string& path, int64_t done, int64_t total)>;

  explicit Uploader(Connection& connection, Listener listener = nullptr)
      : connection_(connection), listener_(std::move(listener)) {}

  // In the order of `paths`, files or folders of pictures; a path given twice is sent once. Errors
  // name the file. What a call that fails has sent stays on the server, for the next one to go on
  // with.
  absl::StatusOr<std::vector<UploadedFile>> Upload(const std::vector<std::string>& paths);
  // Removes from the server what an upload that did not end has left of the file; true: there was
  // something.
  absl::StatusOr<bool> Abort(const std::string& path);

 private:
  absl::Status Send(const std::string& path, const FileDigest& digest);
  absl::StatusOr<v1::Upload> CreateUpload(const FileDigest& digest);
  absl::Status AbortUpload(const std::string& name);
  // Chunks from upload.committed_bytes to the end of the file, in one stream.
  absl::StatusOr<v1::Upload> Stream(const LocalFile& file, const v1::Upload& upload);
  // Where the server stands after a break; a new upload when it has forgotten the old one.
  absl::StatusOr<v1::Upload> Resume(const FileDigest& digest, const std::string& name);

  Connection& connection_;
  const Listener listener_;
};

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_UPLOADER_H_
