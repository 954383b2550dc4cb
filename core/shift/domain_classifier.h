// A classifier that tells two domains apart, judged on samples that it has not seen.
//
// Its error e gives the proxy A-distance (Ben-David et al., NIPS 2006; Machine Learning 79 (2010)):
//
//   d_A = 2 (1 - 2 min(e, 1 - e)),    in [0, 2];
//
// its log odds estimate log p_target(x) / p_source(x), the ratio of the domains' densities.
#ifndef ACCLIMATE_CORE_SHIFT_DOMAIN_CLASSIFIER_H_
#define ACCLIMATE_CORE_SHIFT_DOMAIN_CLASSIFIER_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace acclimate::shift {

struct DomainClassification {
  at::Tensor source_log_odds, target_log_odds;  // [n], [m]: of the target, both domains equal
  at::Tensor more_log_odds;                     // [k]: of `more`; undefined without
  double error = 0.5;                           // mean of the two domains' error rates
};

// source: [n, D], target: [m, D], two rows a side at least. Two halves, each judged by a
// regularised logistic regression fitted to the other over standardised coordinates; both domains
// count the same, whatever their sizes. `more`: [k, D], judged by both halves' classifiers.
DomainClassification ClassifyDomains(const at::Tensor& source, const at::Tensor& target,
                                     at::Generator generator, const at::Tensor& more = {});

double ProxyADistance(double error);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_DOMAIN_CLASSIFIER_H_
