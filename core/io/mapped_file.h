// A file's bytes, mapped privately: every reader of untrusted input in core starts from one.
#ifndef ACCLIMATE_CORE_IO_MAPPED_FILE_H_
#define ACCLIMATE_CORE_IO_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::io {

// Immutable size; copy-on-write pages: a tensor over them may be written without touching the file,
// unless ForbidWrites() was called or the system refused the memory for that (writable()). Held by
// shared_ptr: whatever points into the bytes keeps a reference. Thread-safe for concurrent reads.
// An empty file is a valid mapping of size 0.
class MappedFile {
 public:
  // NOT_FOUND or PERMISSION_DENIED as the system says.
  static absl::StatusOr<std::shared_ptr<MappedFile>> Open(const std::string& path);
  // Maps the file behind `fd`, which the caller still owns and may close afterwards: the sandboxed
  // worker receives its inputs as descriptors. `name` is used in error messages.
  static absl::StatusOr<std::shared_ptr<MappedFile>> FromDescriptor(int fd, std::string name);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Makes the pages read-only. They then count towards no limit of memory, so that a file may be
  // larger than it: the kernel drops pages and reads them again.
  void ForbidWrites();
  bool writable() const { return writable_; }

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  absl::string_view bytes() const;
  const std::string& name() const { return name_; }

 private:
  MappedFile(uint8_t* data, size_t size, bool writable, std::string name);
  uint8_t* data_;
  size_t size_;
  bool writable_;
  std::string name_;
};

}  // namespace acclimate::io

#endif  // ACCLIMATE_CORE_IO_MAPPED_FILE_H_
