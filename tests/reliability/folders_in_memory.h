#ifndef ACCLIMATE_TESTS_RELIABILITY_FOLDERS_IN_MEMORY_H_
#define ACCLIMATE_TESTS_RELIABILITY_FOLDERS_IN_MEMORY_H_

#include <string>

namespace acclimate::reliability {

// While it lives, new temporary folders lie in memory, where there is such a file system: for tests
// that write much, and that no power loss concerns.
class FoldersInMemory {
 public:
  FoldersInMemory();
  ~FoldersInMemory();
  FoldersInMemory(const FoldersInMemory&) = delete;
  FoldersInMemory& operator=(const FoldersInMemory&) = delete;

 private:
  const std::string before_;
};

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_FOLDERS_IN_MEMORY_H_
