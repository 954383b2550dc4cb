#include "client/cli/job_outputs.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/safetensors_header.h"
#include "client/lib/local_file.h"

namespace acclimate::cli {
namespace {

constexpr char kPredictionsOfJob[] = "probabilities.safetensors";
constexpr int64_t kRowsAtOnceBytes = 1 << 20;

// One file, and where its tensors are.
class PredictionsReader {
 public:
  static absl::StatusOr<PredictionsReader> Open(const std::string& path) {
    absl::StatusOr<client::LocalFile> file = client::LocalFile::OpenForReading(path);
    if (!file.ok()) return file.status();
    absl::StatusOr<std::map<std::string, TensorPlace>> places = ReadSafetensorsHeader(*file);
    if (!places.ok()) return places.status();
    return PredictionsReader(*std::move(file), *std::move(places));
  }

  bool Has(const std::string& name) const { return places_.count(name) > 0; }

  // The tensor `name`, of that type and number of dimensions.
  template <typename Value>
  absl::StatusOr<TensorPlace> Place(const std::string& name, const std::string& type,
                                    size_t dimensions) const {
    const auto found = places_.find(name);
    if (found == places_.end()) return Wrong(name, "is not there");
    const TensorPlace& place = found->second;
    int64_t bytes = sizeof(Value);
    for (const int64_t extent : place.shape) {
      if (extent < 0 || __builtin_mul_overflow(bytes, extent, &bytes)) {
        return Wrong(name, "has another size than its shape says");
      }
    }
    if (place.type != type || place.shape.size() != dimensions) {
      return Wrong(name, absl::StrCat("must be ", type, " of ", dimensions, " dimensions"));
    }
    if (place.size_bytes != bytes) return Wrong(name, "has another size than its shape says");
    return place;
  }

  template <typename Value>
  absl::Status Read(const TensorPlace& place, std::vector<Value>* values) const {
    std::string bytes;
    absl::Status status = file_.ReadAt(place.offset_bytes, place.size_bytes, &bytes);
    if (!status.ok()) return status;
    values->resize(bytes.size() / sizeof(Value));
    if (!values->empty()) std::memcpy(values->data(), bytes.data(), bytes.size());
    return absl::OkStatus();
  }

  absl::Status Wrong(const std::string& name, const std::string& what) const {
    return absl::DataLossError(absl::StrCat(file_.path(), ": tensor \"", name, "\" ", what));
  }

 private:
  PredictionsReader(client::LocalFile file, std::map<std::string, TensorPlace> places)
      : file_(std::move(file)), places_(std::move(places)) {}

  client::LocalFile file_;
  std::map<std::string, TensorPlace> places_;
};

absl::Status ReadPredictedClasses(const PredictionsReader& reader, const std::string& name,
                                  std::vector<int64_t>* classes) {
  const absl::StatusOr<TensorPlace> place = reader.Place<int64_t>(name, "I64", 1);
  return place.ok() ? reader.Read(*place, classes) : place.status();
}

// The largest of each row of the probabilities, some rows at a time.
absl::Status ReadConfidences(const PredictionsReader& reader, JobPredictions* predictions) {
  const absl::StatusOr<TensorPlace> whole = reader.Place<float>("probabilities", "F32", 2);
  if (!whole.ok()) return whole.status();
  const int64_t samples = whole->shape[0], classes = whole->shape[1];
  if (classes < 1) return reader.Wrong("probabilities", "has no classes");
  predictions->classes = classes;
  const int64_t row_bytes = classes * static_cast<int64_t>(sizeof(float));
  const int64_t rows_at_once = std::max<int64_t>(1, kRowsAtOnceBytes / row_bytes);
  for (int64_t begin = 0; begin < samples; begin += rows_at_once) {
    TensorPlace rows = *whole;
    rows.offset_bytes += begin * row_bytes;
    rows.size_bytes = std::min(rows_at_once, samples - begin) * row_bytes;
    std::vector<float> values;
    if (absl::Status status = reader.Read(rows, &values); !status.ok()) return status;
    for (auto row = values.begin(); row < values.end(); row += classes) {
      predictions->returned.confidence.push_back(*std::max_element(row, row + classes));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadSource(const PredictionsReader& reader, JobPredictions* predictions) {
  if (!reader.Has("source_prediction")) return absl::OkStatus();
  report::ModelOutputs& source = predictions->source.emplace();
  absl::Status status = ReadPredictedClasses(reader, "source_prediction", &source.predicted);
  if (!status.ok()) return status;
  const absl::StatusOr<TensorPlace> place = reader.Place<float>("source_confidence", "F32", 1);
  return place.ok() ? reader.Read(*place, &source.confidence) : place.status();
}

}  // namespace

absl::StatusOr<JobPredictions> ReadJobPredictions(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/", kPredictionsOfJob);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return absl::NotFoundError(
        absl::StrCat(path, ": not there; give the folder of an adaptation's --out"));
  }
  const absl::StatusOr<PredictionsReader> reader = PredictionsReader::Open(path);
  if (!reader.ok()) return reader.status();
  JobPredictions predictions;
  absl::Status status =
      ReadPredictedClasses(*reader, "prediction", &predictions.returned.predicted);
  if (status.ok()) status = ReadConfidences(*reader, &predictions);
  if (status.ok()) status = ReadSource(*reader, &predictions);
  if (!status.ok()) return status;
  const size_t samples = predictions.returned.predicted.size();
  const auto fits = [samples](const report::ModelOutputs& outputs) {
    return outputs.predicted.size() == samples && outputs.confidence.size() == samples;
  };
  if (!fits(predictions.returned) || (predictions.source && !fits(*predictions.source))) {
    return absl::DataLossError(absl::StrCat(path, ": its tensors differ in their samples"));
  }
  return predictions;
}

}  // namespace acclimate::cli
