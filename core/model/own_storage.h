// Tensors of a loaded module made independent of each other.
#ifndef ACCLIMATE_CORE_MODEL_OWN_STORAGE_H_
#define ACCLIMATE_CORE_MODEL_OWN_STORAGE_H_

#include <torch/csrc/jit/api/module.h>

namespace acclimate::model {

// A checkpoint may hold parameters that are views of one storage: training in place would then
// write through them, and copies of the module would share what they must not. Gives every
// parameter, buffer and tensor attribute of `module` a storage that holds it alone; one that is
// alone already stays as it is. Attributes that are the same view of the same storage are tied
// weights: they become one tensor.
void GiveOwnStorage(const torch::jit::Module& module);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_OWN_STORAGE_H_
