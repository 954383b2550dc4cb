#include "tests/core/model/python_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace acclimate::model {

PythonFiles::PythonFiles(const std::string& name, const std::string& python, bool (*usable)())
    : script_(absl::StrCat(ACCLIMATE_TEST_SOURCE_DIR "/", name, ".py")),
      folder_(absl::StrCat(ACCLIMATE_TEST_BINARY_DIR "/", name)),
      process_(python, script_) {
  std::string pattern =
      std::filesystem::temp_directory_path() / absl::StrCat("acclimate_", name, "_XXXXXX");
  scratch_ = mkdtemp(pattern.data());
  std::filesystem::create_directories(folder_);
  const int lock = open(Path("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  flock(lock, LOCK_EX);
  available_ = Made() || Make(usable);
  close(lock);
}

PythonFiles::~PythonFiles() { std::filesystem::remove_all(scratch_); }

bool PythonFiles::Made() const {
  std::error_code missing;
  const auto made = std::filesystem::last_write_time(Path("made"), missing);
  return !missing && made >= std::filesystem::last_write_time(script_);
}

bool PythonFiles::Make(bool (*usable)()) {
  if (!usable()) return false;
  if (!Run(absl::StrCat("make ", folder_))) {
    ADD_FAILURE() << script_ << " make failed";
    return false;
  }
  std::ofstream(Path("made")) << "complete";
  return true;
}

}  // namespace acclimate::model
