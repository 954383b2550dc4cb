// Attention transfer (Zagoruyko & Komodakis, "Paying More Attention to Attention", ICLR 2017):
//
//   Q = vec( sum_c A_c^2 ) / || . ||_2,   loss = mean over samples and positions of (Q_s - Q_t)^2
//
// This is the form of the authors' code, whose weight is beta / 2 = 500 a level. The paper prints
// || Q_s - Q_t ||_2 instead, whose gradient does not vanish as the maps come together.
#ifndef ACCLIMATE_CORE_LOSSES_ATTENTION_TRANSFER_H_
#define ACCLIMATE_CORE_LOSSES_ATTENTION_TRANSFER_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// student: [N, C, ...], teacher: [N, C', ...] with one or two dimensions of space each; numbers of
// channels may differ. Maps of different sizes are both averaged down to the smaller one, dimension
// by dimension -> scalar. Wrong shapes raise c10::Error.
at::Tensor AttentionTransfer(const at::Tensor& student, const at::Tensor& teacher);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_ATTENTION_TRANSFER_H_
