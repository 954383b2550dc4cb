// The folder that a server lives in, held by one server at a time.
#ifndef ACCLIMATE_SERVER_API_DATA_DIRECTORY_H_
#define ACCLIMATE_SERVER_API_DATA_DIRECTORY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/artifacts/file_descriptor.h"

namespace acclimate::api {

// Holds the lock of DIR/lock, which names the process, until it is gone; the kernel lets it go also
// when the process is killed.
class DataDirectory {
 public:
  // Makes the folder. FAILED_PRECONDITION names the process that holds it.
  static absl::StatusOr<DataDirectory> Open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }
  // DIR/endpoint.json: where this server listens ("127.0.0.1:50051"), for scripts that let it
  // choose its ports.
  absl::Status WriteEndpoint(const std::string& listen, const std::string& metrics_listen) const;

 private:
  DataDirectory(std::string path, artifacts::FileDescriptor lock);

  std::string path_;
  artifacts::FileDescriptor lock_;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_DATA_DIRECTORY_H_
