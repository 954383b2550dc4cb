// A blob with these bytes, whatever the store.
#ifndef ACCLIMATE_TESTS_SERVER_ARTIFACTS_STORED_BLOB_H_
#define ACCLIMATE_TESTS_SERVER_ARTIFACTS_STORED_BLOB_H_

#include <string>

#include "server/artifacts/blob_store.h"

namespace acclimate::artifacts {

inline absl::StatusOr<HeldBlob> StoreBlob(BlobStore& store, const std::string& bytes) {
  auto blob = store.Create();
  if (!blob.ok()) return blob.status();
  if (absl::Status status = (*blob)->Append(bytes); !status.ok()) return status;
  return (*blob)->Commit();
}

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_TESTS_SERVER_ARTIFACTS_STORED_BLOB_H_
