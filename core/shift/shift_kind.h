// How one domain can differ from another. Free of LibTorch.
#ifndef ACCLIMATE_CORE_SHIFT_SHIFT_KIND_H_
#define ACCLIMATE_CORE_SHIFT_SHIFT_KIND_H_

namespace acclimate::shift {

// With x the inputs and y the classes (Moreno-Torres et al., Pattern Recognition 45 (2012)):
enum class ShiftKind {
  kCovariate,  // p(x) moves, p(y|x) stays: another sensor, other light
  kLabel,      // p(y) moves, p(x|y) stays: other shares of the classes
  kConcept,    // p(y|x) moves: the same inputs mean something else
};

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_SHIFT_KIND_H_
