// Domain-adversarial training (Ganin & Lempitsky, ICML 2015; Ganin et al., JMLR 17 (2016)): the
// discriminator learns to tell the domains apart while the features, behind a gradient reversal,
// learn to prevent it.
#ifndef ACCLIMATE_CORE_LOSSES_ADVERSARIAL_H_
#define ACCLIMATE_CORE_LOSSES_ADVERSARIAL_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// Forward: `features` itself (a view). Backward: -lambda * gradient, with lambda, a scalar, as it
// is when the gradient comes. Twice differentiable.
at::Tensor ReverseGradient(const at::Tensor& features, const at::Tensor& lambda);

// lambda_p = 2 / (1 + exp(-10 p)) - 1 for the progress p = step / total_steps in [0, 1], a scalar.
at::Tensor ReversalSchedule(const at::Tensor& progress);

// Binary cross-entropy of a discriminator that answers source = 1, target = 0, from its logits
// [n, 1] and [m, 1] -> scalar: the mean of the two domains' means, so that n != m weighs neither.
// Weights of the samples, [n] and [m] with mean 1; undefined: all 1.
at::Tensor DomainAdversarialLoss(const at::Tensor& source_domain_logits,
                                 const at::Tensor& target_domain_logits,
                                 const at::Tensor& source_weights = {},
                                 const at::Tensor& target_weights = {});

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_ADVERSARIAL_H_
