#include "core/losses/attention_transfer.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/losses/unit_rows.h"

namespace acclimate::losses {
namespace {

// [N, C, H, W] or [N, C, L] -> [N, 1, H, W], H = 1 for a series.
at::Tensor Energy(const at::Tensor& activations) {
  TORCH_CHECK(activations.dim() == 3 || activations.dim() == 4,
              "AttentionTransfer: activations must be [N, C, H, W] or [N, C, L], not ",
              activations.sizes());
  const at::Tensor energy = activations.square().sum(1, /*keepdim=*/true);
  return energy.dim() == 3 ? energy.unsqueeze(2) : energy;
}

at::Tensor UnitMap(const at::Tensor& energy, at::IntArrayRef size) {
  return UnitRows(at::adaptive_avg_pool2d(energy, size).flatten(1));
}

}  // namespace

at::Tensor AttentionTransfer(const at::Tensor& student, const at::Tensor& teacher) {
  const at::Tensor student_energy = Energy(student), teacher_energy = Energy(teacher);
  TORCH_CHECK(student_energy.size(0) == teacher_energy.size(0),
              "AttentionTransfer: ", student_energy.size(0), " samples and ",
              teacher_energy.size(0));
  const int64_t size[] = {std::min(student_energy.size(2), teacher_energy.size(2)),
                          std::min(student_energy.size(3), teacher_energy.size(3))};
  return (UnitMap(student_energy, size) - UnitMap(teacher_energy, size)).square().mean();
}

}  // namespace acclimate::losses
