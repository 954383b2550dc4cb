// Checkpoints made by Python at test time, and what Python computes with them.
#ifndef ACCLIMATE_TESTS_CORE_MODEL_PYTHON_FIXTURE_H_
#define ACCLIMATE_TESTS_CORE_MODEL_PYTHON_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <torch/script.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/io/mapped_file.h"
#include "core/model/checkpoint.h"
#include "tests/core/model/python_files.h"

namespace acclimate::model {

// Those of python_models.py, which Debian's python3-torch and python3-torchvision run.
inline PythonFiles& PythonModels() {
  static PythonFiles files("python_models", "/usr/bin/python3", [] {
    return std::system("/usr/bin/python3 -c 'import torch, torchvision' 2>/dev/null") == 0;
  });
  return files;
}

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
