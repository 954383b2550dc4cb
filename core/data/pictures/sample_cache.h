// Samples of one size on the disk: written in any order, then mapped.
#ifndef ACCLIMATE_CORE_DATA_PICTURES_SAMPLE_CACHE_H_
#define ACCLIMATE_CORE_DATA_PICTURES_SAMPLE_CACHE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/io/mapped_file.h"

namespace acclimate::data {

// A file without a name, so that it goes with the process.
class SampleCache {
 public:
  // In `folder`. `name`: for messages, of what the samples are made from.
  static absl::StatusOr<SampleCache> Create(const std::string& folder, int64_t sample_bytes,
                                            std::string name);
  SampleCache(SampleCache&& other) noexcept;
  SampleCache(const SampleCache&) = delete;
  ~SampleCache();

  // sample: sample_bytes. Thread-safe. RESOURCE_EXHAUSTED: no room on the disk, or beyond the size
  // that this process may write.
  absl::Status Put(int64_t slot, const uint8_t* sample) const;
  // The samples of `slots`, which rise, one after the other. No Put() after it.
  absl::StatusOr<std::shared_ptr<io::MappedFile>> Map(const std::vector<int64_t>& slots);

 private:
  SampleCache(int fd, int64_t sample_bytes, std::string name);

  int fd_;
  int64_t sample_bytes_;
  int64_t most_bytes_;  // of a file of this process
  std::string name_;
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_PICTURES_SAMPLE_CACHE_H_
