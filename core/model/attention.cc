#include "core/model/attention.h"

#include <torch/version.h>

#if TORCH_VERSION_MAJOR >= 2

namespace acclimate::model {

void RegisterAttention() {}

}  // namespace acclimate::model

#else

#include <torch/library.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

namespace acclimate::model {
namespace {

// As PyTorch's documentation writes it out. query: [..., L, E], key: [..., S, E], value: [..., S,
// V], mask: bool or added to the scores, [..., L, S].
at::Tensor Attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const c10::optional<at::Tensor>& mask, double dropout, bool causal,
                     c10::optional<double> scale, bool grouped) {
  TORCH_CHECK(!grouped, "attention with enable_gqa needs LibTorch 2 (this is ", TORCH_VERSION, ")");
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  const double factor = scale.value_or(1 / std::sqrt(static_cast<double>(query.size(-1))));
  at::Tensor scores = at::matmul(query * factor, key.transpose(-2, -1));
  if (causal) {
    const at::Tensor past = at::ones_like(scores, at::kBool).tril();
    scores = scores.masked_fill(past.logical_not(), kNever);
  }
  if (mask.has_value() && mask->scalar_type() == at::kBool) {
    scores = scores.masked_fill(mask->logical_not(), kNever);
  } else if (mask.has_value()) {
    scores = scores + *mask;
  }
  const at::Tensor weights = scores.softmax(-1);
  return at::matmul(dropout > 0 ? at::dropout(weights, dropout, /*train=*/true) : weights, value);
}

}  // namespace

void RegisterAttention() {
  static const auto& library = *[] {
    auto* aten =
        new torch::Library(torch::Library::FRAGMENT, "aten", c10::nullopt, __FILE__, __LINE__);
    aten->def(
        "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? "
        "attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool "
        "enable_gqa=False) -> Tensor",
        &Attention);
    return aten;
  }();
  static_cast<void>(library);
}

}  // namespace acclimate::model

#endif
