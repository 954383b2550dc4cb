#include "tests/reliability/folders_in_memory.h"

#include <cstdlib>
#include <filesystem>

namespace acclimate::reliability {
namespace {

constexpr char kVariable[] = "TMPDIR";
constexpr char kInMemory[] = "/dev/shm";

}  // namespace

FoldersInMemory::FoldersInMemory()
    : before_(std::getenv(kVariable) == nullptr ? "" : std::getenv(kVariable)) {
  if (std::filesystem::is_directory(kInMemory)) setenv(kVariable, kInMemory, 1);
}

FoldersInMemory::~FoldersInMemory() {
  unsetenv(kVariable);
  if (!before_.empty()) setenv(kVariable, before_.c_str(), 1);
}

}  // namespace acclimate::reliability
