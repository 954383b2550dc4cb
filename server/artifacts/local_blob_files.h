// Blobs as files of this machine: for workers, which map their inputs and write their outputs, and
// for uploads, which grow in a file.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_LOCAL_BLOB_FILES_H_
#define ACCLIMATE_SERVER_ARTIFACTS_LOCAL_BLOB_FILES_H_

#include <string>

#include "absl/status/statusor.h"
#include "server/artifacts/blob_store.h"
#include "server/artifacts/file_descriptor.h"

namespace acclimate::artifacts {

// Goes with a BlobStore, and keeps its contract. A store of files has them as they are; one that is
// elsewhere would keep copies of what is in use. Thread-safe.
class LocalBlobFiles {
 public:
  virtual ~LocalBlobFiles() = default;
  // For reading.
  virtual absl::StatusOr<FileDescriptor> OpenFile(const std::string& sha256) = 0;
  // Takes over a file on the file system of the data directory (an upload, a worker's output),
  // whose digest the caller has computed itself while writing or reading it. The file is renamed
  // away, or removed when the blob exists already.
  virtual absl::StatusOr<HeldBlob> Adopt(const std::string& path, const std::string& sha256) = 0;
  // Hashes the file, then adopts it.
  virtual absl::StatusOr<HeldBlob> Import(const std::string& path) = 0;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_LOCAL_BLOB_FILES_H_
