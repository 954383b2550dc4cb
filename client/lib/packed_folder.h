// A folder of pictures as the bytes of one .tar, without a copy on the disk: the same folder is
// always the same bytes, and so the same blob.
#ifndef ACCLIMATE_CLIENT_LIB_PACKED_FOLDER_H_
#define ACCLIMATE_CLIENT_LIB_PACKED_FOLDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace acclimate::client {

// Files that are named as JPEG, PNG, WebP or BMP, in the order of their paths' bytes; owners, times
// and permissions are left out. Hidden files and folders are passed over. Thread-safe.
class PackedFolder {
 public:
  // INVALID_ARGUMENT: no pictures, a name that is not UTF-8, folders nested more than 32 deep
  // (links are followed).
  static absl::StatusOr<PackedFolder> Open(const std::string& path);

  int64_t size_bytes() const { return size_bytes_; }
  int64_t pictures() const { return static_cast<int64_t>(entries_.size()); }
  int64_t left_out() const { return left_out_; }  // files that are no pictures
  // Fills `buffer` from `offset`, or up to the end. DATA_LOSS: a file has become shorter since.
  absl::Status ReadAt(int64_t offset, int64_t size_bytes, std::string* buffer) const;

 private:
  struct Entry {
    std::string path;  // within the folder
    int64_t offset = 0;
    int64_t header_bytes = 0;
    int64_t file_bytes = 0;  // what follows is filled up to whole blocks
  };

  explicit PackedFolder(std::string path) : path_(std::move(path)) {}
  absl::Status List(const std::string& folder, int depth);
  absl::Status LayOut();
  // From `offset` within the entry on.
  absl::Status Append(const Entry& entry, int64_t offset, int64_t size_bytes,
                      std::string* buffer) const;

  std::string path_;
  std::vector<Entry> entries_;
  int64_t size_bytes_ = 0, left_out_ = 0;
};

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_PACKED_FOLDER_H_
