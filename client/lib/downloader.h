// Blobs from the server into files, whole and verified or not at all.
#ifndef ACCLIMATE_CLIENT_LIB_DOWNLOADER_H_
#define ACCLIMATE_CLIENT_LIB_DOWNLOADER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "client/lib/connection.h"
#include "client/lib/local_file.h"

namespace acclimate::client {

class Downloader {
 public:
  using Listener = std::function<void(const std::string& path, int64_t done, int64_t total)>;

  explicit Downloader(Connection& connection, Listener listener = nullptr)
      : connection_(connection), listener_(std::move(listener)) {}

  // Writes to "<path>.<digest>.part", which a later call with the same arguments goes on with;
  // after the SHA-256 has been found right it is renamed to `path`, replacing what stood there.
  absl::Status Download(const std::string& blob, const std::string& path);

 private:
  // Appends from `offset` on until the blob or the stream ends; moves `offset` along.
  absl::Status Stream(const std::string& blob, int64_t size_bytes, const std::string& path,
                      LocalFile& file, int64_t* offset);

  Connection& connection_;
  const Listener listener_;
};

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_DOWNLOADER_H_
