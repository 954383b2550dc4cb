// Checkpoints made by Python at test time, and what Python computes with them.
#ifndef ACCLIMATE_TESTS_CORE_MODEL_PYTHON_FIXTURE_H_
#define ACCLIMATE_TESTS_CORE_MODEL_PYTHON_FIXTURE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <torch/script.h>
#include <torch/types.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/io/mapped_file.h"
#include "core/model/checkpoint.h"
#include "tests/core/model/python_process.h"

namespace acclimate::model {

// The files of python_models.py, made by the first test process that needs them and kept in the
// build folder for the next.
class PythonModels {
 public:
  static const PythonModels& Get() {
    static const PythonModels models;
    return models;
  }
  ~PythonModels() { std::filesystem::remove_all(scratch_); }
  // False when Debian's python3-torch or python3-torchvision is missing.
  bool available() const { return available_; }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  // A path of this process alone, for what a test writes.
  std::string ScratchPath(const std::string& name) const { return scratch_ + "/" + name; }

  // Whether the command of python_models.py succeeded.
  static bool Python(const std::string& command) {
    static PythonProcess process("/usr/bin/python3", Script());
    return process.Run(command);
  }

 private:
  static std::string Script() { return ACCLIMATE_TEST_SOURCE_DIR "/python_models.py"; }

  PythonModels() : folder_(ACCLIMATE_TEST_BINARY_DIR "/python_models") {
    std::string pattern = std::filesystem::temp_directory_path() / "acclimate_models_XXXXXX";
    scratch_ = mkdtemp(pattern.data());
    std::filesystem::create_directories(folder_);
    const int lock = open(Path("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    flock(lock, LOCK_EX);
    available_ = Made() || Make();
    close(lock);
  }
  bool Made() const {
    std::error_code missing;
    const auto made = std::filesystem::last_write_time(Path("made"), missing);
    return !missing && made >= std::filesystem::last_write_time(Script());
  }
  bool Make() const {
    if (std::system("/usr/bin/python3 -c 'import torch, torchvision' 2>/dev/null") != 0) {
      return false;
    }
    if (!Python(absl::StrCat("make ", folder_))) {
      ADD_FAILURE() << "python_models.py make failed";
      return false;
    }
    std::ofstream(Path("made")) << "complete";
    return true;
  }

  std::string folder_;
  std::string scratch_;
  bool available_ = false;
};

using Tensors = std::map<std::string, at::Tensor>;

// What Python wrote with save_tensors().
inline Tensors ReadExpected(const std::string& path) {
  const torch::jit::Module holder = torch::jit::load(path);
  const std::vector<std::string> names = absl::StrSplit(holder.attr("names").toStringRef(), '|');
  Tensors tensors;
  for (size_t i = 0; i < names.size(); ++i) {
    tensors[names[i]] = holder.attr(absl::StrCat("t", i)).toTensor();
  }
  return tensors;
}

// A file that save_tensors' reader in Python opens.
inline void WriteExpected(const std::string& path, const Tensors& tensors) {
  torch::jit::Module holder("Holder");
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    holder.register_buffer(absl::StrCat("t", names.size()), tensor.detach().clone());
    names.push_back(name);
  }
  holder.register_attribute("names", c10::StringType::get(), absl::StrJoin(names, "|"));
  holder.save(path);
}

inline absl::StatusOr<std::unique_ptr<Model>> Load(const std::string& path,
                                                   const LoadOptions& options = {}) {
  auto file = io::MappedFile::Open(path);
  if (!file.ok()) return file.status();
  return LoadCheckpoint(*file, options);
}

inline float Difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return INFINITY;
  return a.numel() == 0 ? 0 : (a - b).abs().max().item<float>();
}

}  // namespace acclimate::model

#endif  // ACCLIMATE_TESTS_CORE_MODEL_PYTHON_FIXTURE_H_
