// The code of a TorchScript archive, looked at before any of it runs.
#ifndef ACCLIMATE_CORE_MODEL_SCRIPT_CODE_H_
#define ACCLIMATE_CORE_MODEL_SCRIPT_CODE_H_

#include <caffe2/serialize/read_adapter_interface.h>

#include <memory>

#include "absl/status/status.h"

namespace acclimate::model {

// torch::jit::load() runs code of the archive: `__setstate__` of a class whenever an object of it
// is read, and default values of arguments and constants of classes when they are compiled. This
// function compiles every class of the archive with LibTorch's own reader and compiler, and runs
// nothing: a default value or a constant must be a literal.
// INVALID_ARGUMENT: operators that operator_policy.h refuses, in any method of any class; a value
// that is no literal; objects among the constants; an archive of before PyTorch 1.2, whose code is
// elsewhere. Throws what LibTorch throws of an archive that is damaged or does not compile.
absl::Status CheckScriptCode(std::shared_ptr<caffe2::serialize::ReadAdapterInterface> archive);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_SCRIPT_CODE_H_
