// aten::scaled_dot_product_attention for the LibTorch that has none (before 2.0), so that programs
// of today run there too.
#ifndef ACCLIMATE_CORE_MODEL_ATTENTION_H_
#define ACCLIMATE_CORE_MODEL_ATTENTION_H_

namespace acclimate::model {

// Once a process; does nothing where LibTorch has its own.
void RegisterAttention();

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_ATTENTION_H_
