#include "core/data/pictures/sample_cache.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/io/atomic_file.h"

namespace acclimate::data {
namespace {

// A file beyond RLIMIT_FSIZE would end the process by a signal.
int64_t MostBytesOfFile() {
  rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<int64_t>::max();
  }
  return static_cast<int64_t>(limit.rlim_cur);
}

absl::Status WriteAt(int fd, const uint8_t* bytes, int64_t size, int64_t offset) {
  while (size > 0) {
    const ssize_t put = pwrite(fd, bytes, size, offset);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return io::WriteError("write the cache of pictures");
    bytes += put;
    size -= put;
    offset += put;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SampleCache> SampleCache::Create(const std::string& folder, int64_t sample_bytes,
                                                std::string name) {
  std::string path = absl::StrCat(folder, "/pictures-XXXXXX");
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot make a file in ", folder));
  unlink(path.c_str());
  return SampleCache(fd, sample_bytes, std::move(name));
}

SampleCache::SampleCache(int fd, int64_t sample_bytes, std::string name)
    : fd_(fd),
      sample_bytes_(sample_bytes),
      most_bytes_(MostBytesOfFile()),
      name_(std::move(name)) {}

SampleCache::SampleCache(SampleCache&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      sample_bytes_(other.sample_bytes_),
      most_bytes_(other.most_bytes_),
      name_(std::move(other.name_)) {}

SampleCache::~SampleCache() {
  if (fd_ >= 0) close(fd_);
}

absl::Status SampleCache::Put(int64_t slot, const uint8_t* sample) const {
  if (slot >= most_bytes_ / sample_bytes_) {
    return absl::InvalidArgumentError(absl::StrCat(
        name_, ": more than ", most_bytes_ / sample_bytes_, " pictures of ", sample_bytes_,
        " bytes, for which the server gives a job no room; give a smaller image size, or the "
        "server "
        "a larger --job-scratch-limit"));
  }
  return WriteAt(fd_, sample, sample_bytes_, slot * sample_bytes_);
}

absl::StatusOr<std::shared_ptr<io::MappedFile>> SampleCache::Map(
    const std::vector<int64_t>& slots) {
  std::vector<uint8_t> sample(sample_bytes_);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i] == static_cast<int64_t>(i)) continue;
    if (pread(fd_, sample.data(), sample_bytes_, slots[i] * sample_bytes_) != sample_bytes_) {
      return absl::ErrnoToStatus(errno, "cannot read the cache of pictures");
    }
    absl::Status status =
        WriteAt(fd_, sample.data(), sample_bytes_, static_cast<int64_t>(i) * sample_bytes_);
    if (!status.ok()) return status;
  }
  if (ftruncate(fd_, static_cast<int64_t>(slots.size()) * sample_bytes_) != 0) {
    return absl::ErrnoToStatus(errno, "cannot cut the cache of pictures");
  }
  auto mapped = io::MappedFile::FromDescriptor(fd_, name_);
  if (mapped.ok()) (*mapped)->ForbidWrites();
  return mapped;
}

}  // namespace acclimate::data
