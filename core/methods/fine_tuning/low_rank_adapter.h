// Low-rank adapters (Hu et al., "LoRA", ICLR 2022): a weight that moves in a few directions only.
#ifndef ACCLIMATE_CORE_METHODS_FINE_TUNING_LOW_RANK_ADAPTER_H_
#define ACCLIMATE_CORE_METHODS_FINE_TUNING_LOW_RANK_ADAPTER_H_

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

namespace acclimate::methods {

// W + scale B A over the weight as a matrix [out, everything else], B = 0 at first, so that the
// model begins as it was.
class LowRankAdapter {
 public:
  // `weight`: at least two dimensions; aliased. A is drawn from the default CPU generator, uniform
  // with the bound that PyTorch gives a linear layer. The rank is lowered to what the matrix has.
  LowRankAdapter(std::string name, const at::Tensor& weight, int64_t rank, double scale);

  const std::string& name() const { return name_; }  // of the weight
  const at::Tensor& a() const { return a_; }         // [rank, in]
  const at::Tensor& b() const { return b_; }         // [out, rank]

  // Shaped as the weight; gradients flow to A and B.
  at::Tensor Merged() const;
  // Writes Merged() into the weight; again changes nothing.
  void Merge() const;

 private:
  const std::string name_;
  const at::Tensor weight_;
  const at::Tensor base_;  // W as it came
  const double scale_;
  at::Tensor a_, b_;
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_FINE_TUNING_LOW_RANK_ADAPTER_H_
