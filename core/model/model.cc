#include "core/model/model.h"

namespace acclimate::model {

std::string FileNameFor(CheckpointForm form) {
  switch (form) {
    case CheckpointForm::kTorchScript:
      return "model.pt";
    case CheckpointForm::kSafetensors:
      return "model.safetensors";
    case CheckpointForm::kPickle:
      return "model.pth";
    case CheckpointForm::kExportedProgram:
      return "model.pt2";
  }
  return "model";
}

}  // namespace acclimate::model
