// Programs of torch.export (.pt2), in and out.
#ifndef ACCLIMATE_CORE_MODEL_EXPORTED_PROGRAM_H_
#define ACCLIMATE_CORE_MODEL_EXPORTED_PROGRAM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/exported_archive.h"
#include "core/model/model.h"
#include "core/model/torch_archive.h"

namespace acclimate::model {

// The record of the archive that holds Model::metadata(): one of torch.export's extra files.
constexpr char kExportedMetadataRecord[] = "extra/acclimate.json";

struct ExportedProgram {
  // As TorchScript of the same network: dotted names, and a forward(input) that follows train() and
  // eval(). On the CPU. Tied tensors are one tensor under two names; any other has a storage of its
  // own.
  torch::jit::Module module;
  std::shared_ptr<const ExportedArchive> archive;
  // Those that have an effect, in the order of forward(), with the types that they were exported
  // with.
  std::vector<ModelInput> inputs;
  // Of the inputs that it was exported with, [N, ...] each; empty when a size beside N has a name.
  std::vector<int64_t> input_shape;
  // N has no name: the program was exported for batches of input_shape[0] samples.
  bool fixed_batch;
  // What does not follow the mode, and what the archive is like when it is given back.
  std::vector<std::string> warnings;
};

// Reads without executing or unpickling anything. INVALID_ARGUMENT, in one sentence: a form,
// schema version, dtype or operator that is not read (named); a graph or a tensor that contradicts
// itself; inputs of different shapes. Throws c10::Error when LibTorch refuses the graph.
absl::StatusOr<ExportedProgram> ReadExportedProgram(TorchArchive archive);

// Writes the archive as it came, byte for byte, but for the tensors of `state` that differ and for
// `metadata`. INVALID_ARGUMENT names a tensor whose shape or dtype is not the archive's any more:
// its graph has the old one written in.
absl::Status WriteExportedProgram(const ExportedArchive& archive, const std::string& path,
                                  const std::map<std::string, at::Tensor>& state,
                                  const std::map<std::string, std::string>& metadata);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_EXPORTED_PROGRAM_H_
