// What tests of torch.export's programs share.
#ifndef ACCLIMATE_TESTS_CORE_MODEL_EXPORTED_FIXTURE_H_
#define ACCLIMATE_TESTS_CORE_MODEL_EXPORTED_FIXTURE_H_

#include <gtest/gtest.h>
#include <torch/enum.h>
#include <torch/nn.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/io/tensor_file.h"
#include "tests/core/model/python_fixture.h"

namespace acclimate::model {

inline const std::vector<int64_t>& ExportedSampleShape() {
  static const std::vector<int64_t> shape = {1, 12, 12};
  return shape;
}

// The tensors of a safetensors file, in memory of their own.
inline Tensors ReadTensorFile(const std::string& path) {
  Tensors tensors;
  auto file = io::MappedFile::Open(path);
  EXPECT_TRUE(file.ok()) << file.status();
  if (!file.ok()) return tensors;
  auto read = io::ReadSafetensors(*file);
  EXPECT_TRUE(read.ok()) << read.status();
  if (!read.ok()) return tensors;
  for (const auto& [name, tensor] : read->tensors) tensors[name] = tensor.clone();
  return tensors;
}

inline std::string ReadFileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The gradients of the summed cross entropy are left in the parameters.
inline ForwardResult ForwardAndBackward(Model* model, const at::Tensor& inputs, Mode mode) {
  ForwardResult result = model->Forward(inputs, mode);
  const at::Tensor labels = at::arange(inputs.size(0)) % 3;
  torch::nn::functional::cross_entropy(
      result.logits, labels,
      torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum))
      .backward();
  return result;
}

// Features, logits, gradients and buffers of one pass, against what exported_models.py wrote.
inline void ExpectWhatPythonComputes(Model* model, const Tensors& expected, Mode mode) {
  const std::string prefix = mode == Mode::kEvaluation ? "eval:" : "train:";
  const ForwardResult result = ForwardAndBackward(model, expected.at("inputs"), mode);
  EXPECT_LE(Difference(result.features, expected.at(prefix + "features")), 1e-5) << prefix;
  EXPECT_LE(Difference(result.logits, expected.at(prefix + "logits")), 1e-5) << prefix;
  size_t checked = 0;
  for (const Parameter& parameter : model->parameters()) {
    const auto gradient = expected.find(absl::StrCat(prefix, "grad:", parameter.name));
    if (gradient == expected.end()) {
      EXPECT_FALSE(parameter.tensor.grad().defined()) << parameter.name;
      continue;
    }
    ASSERT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
    EXPECT_LE(Difference(parameter.tensor.grad(), gradient->second),
              1e-5 * std::max(1.0f, gradient->second.abs().max().item<float>()))
        << prefix << parameter.name;
    ++checked;
  }
  EXPECT_GT(checked, 2u);
  const auto state = model->StateDict();
  for (const auto& [name, tensor] : expected) {
    absl::string_view buffer = name;
    if (!absl::ConsumePrefix(&buffer, absl::StrCat(prefix, "buffer:"))) continue;
    ASSERT_EQ(state.count(std::string(buffer)), 1u) << name;
    // Computes in float, whatever the type in the archive.
    const at::ScalarType type = tensor.is_floating_point() ? at::kFloat : tensor.scalar_type();
    EXPECT_EQ(state.at(std::string(buffer)).scalar_type(), type) << name;
    EXPECT_LE(Difference(state.at(std::string(buffer)), tensor), 1e-5) << name;
  }
}

}  // namespace acclimate::model

#endif  // ACCLIMATE_TESTS_CORE_MODEL_EXPORTED_FIXTURE_H_
