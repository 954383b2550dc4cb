// The archives that torch.export.save writes (.pt2): the records of one program, and its tensors.
#ifndef ACCLIMATE_CORE_MODEL_EXPORTED_ARCHIVE_H_
#define ACCLIMATE_CORE_MODEL_EXPORTED_ARCHIVE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/model/exported_json.h"
#include "core/model/torch_archive.h"
#include "nlohmann/json.hpp"

namespace acclimate::model {

// Where a tensor lies: a strided view of the bytes of one record.
struct TensorPlace {
  std::string record;  // "data/weights/weight_0"
  at::ScalarType dtype;
  std::vector<int64_t> sizes, strides;
  int64_t offset;  // in elements
  bool requires_grad;

  // Tied tensors lie at one place.
  bool operator==(const TensorPlace& other) const {
    return record == other.record && dtype == other.dtype && sizes == other.sizes &&
           strides == other.strides && offset == other.offset;
  }
};

// Reads without executing or unpickling anything. Everything that fails throws std::runtime_error
// with one sentence that says what was found and what is wanted.
class ExportedArchive {
 public:
  static bool Is(const TorchArchive& archive);
  // Checks the archive's form, and reads where the tensors of its program lie.
  explicit ExportedArchive(TorchArchive archive);

  // models/NAME.json, parsed.
  nlohmann::json Program() const;
  // By dotted name. Constants are the buffers that are not persistent, and tensors of the code.
  const std::map<std::string, TensorPlace>& weights() const { return weights_; }
  const std::map<std::string, TensorPlace>& constants() const { return constants_; }
  // A copy in a storage of its own, on the CPU.
  at::Tensor Read(const std::string& name, const TensorPlace& place) const;
  // All bytes of a record, as a tensor of bytes of its own.
  at::Tensor RecordBytes(const std::string& record) const;
  // `bytes`, a record's, seen as the tensor that lies there.
  static at::Tensor ViewOf(const at::Tensor& bytes, const std::string& name,
                           const TensorPlace& place);

  const TorchArchive& archive() const { return archive_; }

 private:
  void ReadPlaces(const std::string& folder, const std::string& config,
                  std::map<std::string, TensorPlace>* places) const;

  TorchArchive archive_;
  std::string model_;  // NAME
  std::map<std::string, TensorPlace> weights_, constants_;
};

// The dtype behind a number of torch/_export/serde/schema.py, which are not c10's. Throws
// std::runtime_error for an unknown one.
at::ScalarType ExportedDtype(int64_t number);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_EXPORTED_ARCHIVE_H_
