// Reads the files of a data directory's stores as they are, without changing them, also while a
// server uses them.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_STORE_CHECK_H_
#define ACCLIMATE_SERVER_ARTIFACTS_STORE_CHECK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace acclimate::artifacts {

// What lies where in a data directory: "default" in itself, other tenants in folders of their own.
std::vector<std::string> TenantsIn(const std::string& data_directory);
std::string FolderOf(const std::string& data_directory, const std::string& tenant);
// Of a tenant's folder, sorted.
std::vector<std::string> BlobsIn(const std::string& folder);
std::string BlobPath(const std::string& folder, const std::string& sha256);

struct StoreCheck {
  int64_t blobs = 0;
  int64_t bytes = 0;
};
// Hashes every blob of a tenant and reads every upload state. Reports what is damaged, quarantined,
// or no blob or upload at all; `what` is a resource name, or a path where there is none. What goes
// away meanwhile is no problem. An error: a folder cannot be listed.
using ProblemReport = std::function<void(const std::string& what, const std::string& problem)>;
absl::StatusOr<StoreCheck> CheckStores(const std::string& data_directory, const std::string& tenant,
                                       const ProblemReport& report);

// Copies a blob, with its time, to the side and renames it, if its bytes are right. True: it did;
// false: `to` has it already. NOT_FOUND; DATA_LOSS: they are not.
absl::StatusOr<bool> CopyBlob(const std::string& from_folder, const std::string& to_folder,
                              const std::string& sha256);

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_STORE_CHECK_H_
