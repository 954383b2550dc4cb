// Joint maximum mean discrepancy (Long et al., "Deep Transfer Learning with Joint Adaptation
// Networks", ICML 2017): the MMD of mk_mmd.h with the product of one kernel a layer, so that what
// is matched is the joint distribution of the layers.
//
//   MMD^2 = E k(i, i') + E k(j, j') - 2 E k(i, j),    k = prod_l k_l,
//   k_l = sum_u exp(-D_l / (2 alpha_u s_l)), or exp(-D_l / width) in a layer with a fixed width
//
// with s_l the mean or the median of the layer's squared distances, held constant. One GEMM a layer
// and block gives D_l; memory is O(N^2) a kernel, never O(N^2 D).
#ifndef ACCLIMATE_CORE_LOSSES_JOINT_MMD_H_
#define ACCLIMATE_CORE_LOSSES_JOINT_MMD_H_

#include <vector>

#include <ATen/core/Tensor.h>

#include "core/losses/mk_mmd.h"

namespace acclimate::losses {

struct JointMmdLayer {
  at::Tensor source, target;  // [n, D_l] and [m, D_l]
  double fixed_width = 0;     // > 0: of the layer's only kernel
};

// layers: at least one, all of n and m rows -> scalar. V or U statistic as options.unbiased says:
// the V statistic is >= 0 and exactly 0 for identical samples.
at::Tensor JointMmd(const std::vector<JointMmdLayer>& layers, const MkMmdOptions& options = {});

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_JOINT_MMD_H_
