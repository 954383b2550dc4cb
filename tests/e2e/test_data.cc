#include "tests/e2e/test_data.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/child_process.h"

namespace acclimate::e2e {
namespace {

constexpr int64_t kSide = 28;

constexpr char kClassifier[] = R"(
import sys, torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 8, 5), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(),
    nn.Linear(8 * 6 * 6, 32), nn.ReLU(), nn.Linear(32, int(sys.argv[2])))
torch.jit.script(model.eval()).save(sys.argv[1])
)";

}  // namespace

std::string SafetensorsWithHeader(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return absl::StrCat(AsBytes(std::vector<uint64_t>{length}), header, data);
}

std::string Safetensors(const std::vector<Tensor>& tensors) {
  nlohmann::ordered_json header;
  std::string data;
  for (const Tensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {data.size(), data.size() + tensor.bytes.size()}}};
    data += tensor.bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return SafetensorsWithHeader(text, data);
}

Tensor ImageInputs(const Images& images) {
  std::mt19937_64 random(images.seed);
  std::uniform_int_distribution<int> noise(0, 40);
  const int ground = static_cast<int>(100 * images.shift);
  const int bar = static_cast<int>(210 - 100 * images.shift);
  const int64_t width = kSide / images.classes;
  std::string pixels;
  for (int64_t i = 0; i < images.count; ++i) {
    const int64_t label = i % images.classes;
    for (int64_t at = 0; at < kSide * kSide; ++at) {
      const bool bright = (at % kSide) / width == label;
      pixels.push_back(static_cast<char>((bright ? bar : ground) + noise(random)));
    }
  }
  return {"inputs", "U8", {images.count, 1, kSide, kSide}, std::move(pixels)};
}

Tensor ImageLabels(const Images& images) {
  std::vector<int64_t> labels(images.count);
  for (int64_t i = 0; i < images.count; ++i) labels[i] = i % images.classes;
  return {"labels", "I64", {images.count}, AsBytes(labels)};
}

std::string ImageDataset(const Images& images, bool with_labels) {
  // The wider type first, so that every tensor is aligned.
  std::vector<Tensor> tensors;
  if (with_labels) tensors.push_back(ImageLabels(images));
  tensors.push_back(ImageInputs(images));
  return Safetensors(tensors);
}

std::string RandomBytes(int64_t size_bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> words((size_bytes + 7) / 8);
  std::generate(words.begin(), words.end(), random);
  return AsBytes(words).substr(0, size_bytes);
}

std::string TorchScriptClassifier(int64_t classes) {
  const TemporaryFolder folder;
  ChildProcess python(
      {"/usr/bin/python3", "-c", kClassifier, folder.File("model.pt"), absl::StrCat(classes)},
      folder.File("python"));
  python.Wait();
  return ReadFile(folder.File("model.pt"));
}

}  // namespace acclimate::e2e
