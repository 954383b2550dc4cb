// Validators of the target's features: do they fall into clusters that agree with the predictions?
// Higher is better.
#ifndef ACCLIMATE_CORE_SELECTION_CLUSTERS_H_
#define ACCLIMATE_CORE_SELECTION_CLUSTERS_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::selection {

// Adjusted mutual information of two labellings, int64 [N] from 0 (Vinh et al., JMLR 11 (2010)):
//
//   (I(a, b) - E[I]) / ((H(a) + H(b)) / 2 - E[I]),   E over permutations with the same counts
//
// 1 for the same partition, about 0 for independent ones; 0 where either has a single cluster.
double AdjustedMutualInformation(const at::Tensor& a, const at::Tensor& b);

// Lloyd's k-means from k-means++ starts (Arthur & Vassilvitskii 2007), the best of three by the
// sum of squares; points: float [N, D] -> clusters, int64 [N] in [0, k). The same points and seed
// give the same clusters.
at::Tensor KMeans(const at::Tensor& points, int64_t k, uint64_t seed);

// Class-AMI (Musgrave et al., "Benchmarking Validation Methods for UDA", 2022): the adjusted mutual
// information of argmax(logits) and of k-means with as many clusters as classes, on features scaled
// to length 1. features: [N, D], logits: [N, C]. 0 for a collapsed classifier.
double ClassAmi(const at::Tensor& features, const at::Tensor& logits);

// The mean silhouette (Rousseeuw 1987) of features scaled to length 1 under argmax(logits):
// (b - a) / max(a, b), with a the mean distance to the own class and b that to the nearest other
// one; 0 for a sample alone in its class. In [-1, 1]; -1 for a collapsed classifier.
double Silhouette(const at::Tensor& features, const at::Tensor& logits);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_CLUSTERS_H_
