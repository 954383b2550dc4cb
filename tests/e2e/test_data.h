// Small data sets and files, made by the tests themselves.
#ifndef ACCLIMATE_TESTS_E2E_TEST_DATA_H_
#define ACCLIMATE_TESTS_E2E_TEST_DATA_H_

#include <cstdint>
#include <string>
#include <vector>

namespace acclimate::e2e {

struct Tensor {
  std::string name;   // "inputs"
  std::string dtype;  // "U8", "F32", "I64"
  std::vector<int64_t> shape;
  std::string bytes;
};

template <typename T>
std::string AsBytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// A whole safetensors file.
std::string Safetensors(const std::vector<Tensor>& tensors);
// The same with a header of our own making, for files that lie.
std::string SafetensorsWithHeader(const std::string& header, const std::string& data);

// Grey images of 28 x 28 with a bright bar whose place is the class, over noise. `shift` moves the
// brightness of bar and ground towards each other: 0 is the source domain, 0.6 a hard target.
struct Images {
  int64_t count = 200;
  int64_t classes = 4;
  double shift = 0;
  uint64_t seed = 1;
};
Tensor ImageInputs(const Images& images);
Tensor ImageLabels(const Images& images);
std::string ImageDataset(const Images& images, bool with_labels);

// Bytes that do not compress and do not repeat.
std::string RandomBytes(int64_t size_bytes, uint64_t seed);

// LeNet-like classifier for such images, as TorchScript, by Debian's python3-torch; empty when
// that is not installed.
std::string TorchScriptClassifier(int64_t classes);

}  // namespace acclimate::e2e

#endif  // ACCLIMATE_TESTS_E2E_TEST_DATA_H_
