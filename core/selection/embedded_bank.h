// core/selection/estimate_bank.csv, embedded by the build.
#ifndef ACCLIMATE_CORE_SELECTION_EMBEDDED_BANK_H_
#define ACCLIMATE_CORE_SELECTION_EMBEDDED_BANK_H_

namespace acclimate::selection {

extern const char kEmbeddedBank[];

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_EMBEDDED_BANK_H_
