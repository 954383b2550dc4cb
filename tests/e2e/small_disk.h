// A disk of its own, mounted over a folder, that can be filled.
#ifndef ACCLIMATE_TESTS_E2E_SMALL_DISK_H_
#define ACCLIMATE_TESTS_E2E_SMALL_DISK_H_

#include <cstdint>
#include <string>

namespace acclimate::e2e {

class SmallDisk {
 public:
  SmallDisk(const std::string& folder, int64_t mebibytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // False: mounts need privileges that this process does not have.
  bool mounted() const { return mounted_; }
  // Leaves so many bytes free, of whole pages.
  void FillTo(int64_t free_bytes);
  void Empty();

 private:
  const std::string folder_;
  const bool mounted_;
};

}  // namespace acclimate::e2e

#endif  // ACCLIMATE_TESTS_E2E_SMALL_DISK_H_
