#include "core/job/sample_record.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/io/shape_text.h"

namespace acclimate::job {
namespace {

using Shape = std::vector<int64_t>;

constexpr char kSampleKey[] = "acclimate.sample";
// Of a state dict of a built-in architecture: "1,28,28".
constexpr char kShapeOfArchitecture[] = "sample_shape";
constexpr char kBytes[] = "uint8", kFloats[] = "float32";

struct Record {
  Shape shape;
  std::string dtype;  // empty when it is not known
};

std::string DtypeOf(const data::Dataset& samples) {
  return samples.stored_type() == at::kByte ? kBytes : kFloats;
}

std::optional<Record> Read(const std::map<std::string, std::string>& metadata) {
  Record record;
  if (const auto found = metadata.find(kSampleKey); found != metadata.end()) {
    const nlohmann::json json = nlohmann::json::parse(found->second, nullptr, false);
    if (!json.is_object() || !json.contains("shape") || !json["shape"].is_array()) {
      return std::nullopt;
    }
    for (const nlohmann::json& size : json["shape"]) {
      if (!size.is_number_integer()) return std::nullopt;
      record.shape.push_back(size.get<int64_t>());
    }
    if (json.contains("dtype") && json["dtype"].is_string()) {
      record.dtype = json["dtype"].get<std::string>();
    }
    return record;
  }
  const auto found = metadata.find(kShapeOfArchitecture);
  if (found == metadata.end()) return std::nullopt;
  for (const absl::string_view size : absl::StrSplit(found->second, ',', absl::SkipEmpty())) {
    if (!absl::SimpleAtoi(size, &record.shape.emplace_back())) return std::nullopt;
  }
  return record;
}

// The axes of `given` in the order that makes `wanted`, if there is one.
std::optional<Shape> OrderOf(const Shape& given, const Shape& wanted) {
  if (given.size() != wanted.size()) return std::nullopt;
  Shape order(given.size());
  std::iota(order.begin(), order.end(), 0);
  // Channels that move from the last place to the first are the usual case: it is tried first.
  std::rotate(order.begin(), order.end() - 1, order.end());
  const Shape first = order;
  do {
    const bool fits = std::equal(order.begin(), order.end(), wanted.begin(),
                                 [&](int64_t axis, int64_t size) { return given[axis] == size; });
    if (fits) return order;
    if (!std::next_permutation(order.begin(), order.end())) {
      std::sort(order.begin(), order.end());
    }
  } while (order != first);
  return std::nullopt;
}

absl::Status CompareShape(const Shape& given, const Shape& wanted,
                          std::vector<std::string>& warnings) {
  if (given == wanted) return absl::OkStatus();
  // The channels, or the whole of what is no image, have moved.
  const bool moved = given.size() < 3 || given.front() != wanted.front();
  const std::optional<Shape> order = OrderOf(given, wanted);
  if (order && moved) {
    Shape axes = {0};
    for (const int64_t axis : *order) axes.push_back(axis + 1);
    return absl::InvalidArgumentError(absl::StrCat(
        "the samples have shape ", io::ShapeText(given), ", those of the model ",
        io::ShapeText(wanted),
        ": the axes are in another order; inputs = np.ascontiguousarray(inputs.transpose(",
        absl::StrJoin(axes, ", "), ")) mends them"));
  }
  const auto values = [](const Shape& shape) {
    return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>());
  };
  // The same values in the same order, as a vector or as an image.
  if (given.size() != wanted.size() && values(given) == values(wanted)) return absl::OkStatus();
  warnings.push_back(absl::StrCat("the samples have shape ", io::ShapeText(given),
                                  ", those that the model was made with ", io::ShapeText(wanted)));
  return absl::OkStatus();
}

void CompareDtype(const data::Dataset& samples, const std::string& recorded,
                  std::vector<std::string>& warnings) {
  const std::string dtype = DtypeOf(samples);
  if (recorded.empty() || dtype == recorded) return;
  if (dtype == kBytes) {
    warnings.push_back(
        "the samples are uint8, which is scaled to [0, 1]; the model was made with float32: store "
        "inputs.astype(np.float32), or ask for raw_bytes, unless those were scaled so too");
    return;
  }
  constexpr double kMostScaled = 1.5;  // what uint8 becomes is at most 1
  constexpr int64_t kLooked = 1000;
  const at::Tensor some =
      samples.StoredAt(at::arange(std::min(samples.size(), kLooked), at::kLong));
  const double largest = some.abs().max().item<double>();
  if (largest <= kMostScaled) return;
  warnings.push_back(absl::StrCat(
      "the samples are float32 up to ", largest,
      "; the model was made with uint8, which is scaled to [0, 1]: store inputs.astype(np.uint8) "
      "or inputs / 255"));
}

}  // namespace

void RecordSample(const data::Dataset& samples, std::map<std::string, std::string>& metadata) {
  metadata[kSampleKey] =
      nlohmann::json({{"shape", samples.sample_shape()}, {"dtype", DtypeOf(samples)}}).dump();
}

absl::Status CompareSample(const data::Dataset& samples,
                           const std::map<std::string, std::string>& metadata, bool raw_bytes,
                           std::vector<std::string>& warnings) {
  const std::optional<Record> record = Read(metadata);
  if (!record) return absl::OkStatus();
  absl::Status status = CompareShape(samples.sample_shape(), record->shape, warnings);
  if (status.ok() && !raw_bytes) CompareDtype(samples, record->dtype, warnings);
  return status;
}

}  // namespace acclimate::job
