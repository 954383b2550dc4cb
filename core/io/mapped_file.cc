#include "core/io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace acclimate::io {

absl::StatusOr<std::shared_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  absl::Cleanup closer = [fd] { close(fd); };
  return FromDescriptor(fd, path);
}

absl::StatusOr<std::shared_ptr<MappedFile>> MappedFile::FromDescriptor(int fd, std::string name) {
  struct stat info;
  if (fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot stat ", name));
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is not a regular file"));
  }
  const size_t size = static_cast<size_t>(info.st_size);
  void* data = nullptr;
  bool writable = true;
  if (size > 0) {
    data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (data == MAP_FAILED && errno == ENOMEM) {
      writable = false;
      data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    if (data == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat("cannot map ", name));
  }
  return std::shared_ptr<MappedFile>(
      new MappedFile(static_cast<uint8_t*>(data), size, writable, std::move(name)));
}

MappedFile::MappedFile(uint8_t* data, size_t size, bool writable, std::string name)
    : data_(data), size_(size), writable_(writable), name_(std::move(name)) {}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

void MappedFile::ForbidWrites() {
  if (data_ != nullptr && writable_ && mprotect(data_, size_, PROT_READ) == 0) writable_ = false;
}

absl::string_view MappedFile::bytes() const {
  return absl::string_view(reinterpret_cast<const char*>(data_), size_);
}

}  // namespace acclimate::io
